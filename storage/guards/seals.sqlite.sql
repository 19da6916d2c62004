-- The seals' guards: one chain, each entry in it once, nothing of it ever edited; what waits for its seal waits until it has it.
-- As those of the ledger they do not lean on CHECK, UNIQUE or FOREIGN KEY.

CREATE TRIGGER ledger_entries_await_seal AFTER INSERT ON ledger_entries
BEGIN
  INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id);
END;

CREATE TRIGGER ledger_unsealed_insert BEFORE INSERT ON ledger_unsealed
BEGIN
  SELECT RAISE(ABORT, 'ledger_unsealed: this entry is none that waits for its seal')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id)
       OR EXISTS (SELECT 1 FROM ledger_seals WHERE entry_id = NEW.entry_id)
       OR EXISTS (SELECT 1 FROM ledger_unsealed WHERE entry_id = NEW.entry_id);
END;

CREATE TRIGGER ledger_unsealed_update BEFORE UPDATE ON ledger_unsealed
BEGIN
  SELECT RAISE(ABORT, 'ledger_unsealed: what waits for its seal is never edited');
END;

CREATE TRIGGER ledger_unsealed_delete BEFORE DELETE ON ledger_unsealed
BEGIN
  SELECT RAISE(ABORT, 'ledger_unsealed: an entry waits until it is sealed')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_seals WHERE entry_id = OLD.entry_id);
END;

CREATE TRIGGER ledger_seals_insert BEFORE INSERT ON ledger_seals
BEGIN
  SELECT RAISE(ABORT, 'ledger_seals: a seal follows the last one')
    WHERE NEW.sequence IS NOT coalesce((SELECT max(sequence) FROM ledger_seals), 0) + 1
       OR NEW.previous_hash IS NOT coalesce((SELECT hash FROM ledger_seals ORDER BY sequence DESC LIMIT 1),
                                            '0000000000000000000000000000000000000000000000000000000000000000');
  SELECT RAISE(ABORT, 'ledger_seals: this entry does not wait for a seal')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_unsealed WHERE entry_id = NEW.entry_id);
  SELECT RAISE(ABORT, 'ledger_seals: the hash is not that of what the seal says')
    WHERE typeof(NEW.sealed_at) <> 'integer' OR typeof(NEW.entry_digest) <> 'text'
       OR length(NEW.entry_digest) <> 64 OR NEW.entry_digest GLOB '*[^0-9a-f]*'
       OR NEW.hash IS NOT sha256_hex('steadfill seal 1|' || NEW.sequence || '|' || NEW.entry_id || '|' || NEW.entry_digest
                                     || '|' || NEW.sealed_at || '|' || NEW.previous_hash);
END;

CREATE TRIGGER ledger_seals_take AFTER INSERT ON ledger_seals
BEGIN
  DELETE FROM ledger_unsealed WHERE entry_id = NEW.entry_id;
END;

CREATE TRIGGER ledger_seals_update BEFORE UPDATE ON ledger_seals
BEGIN
  SELECT RAISE(ABORT, 'ledger_seals: a seal is never edited');
END;

CREATE TRIGGER ledger_seals_delete BEFORE DELETE ON ledger_seals
BEGIN
  SELECT RAISE(ABORT, 'ledger_seals: a seal is never deleted');
END;

CREATE TRIGGER ledger_heads_insert BEFORE INSERT ON ledger_heads
BEGIN
  SELECT RAISE(ABORT, 'ledger_heads: the head of this day is noted')
    WHERE EXISTS (SELECT 1 FROM ledger_heads WHERE day = NEW.day);
  SELECT RAISE(ABORT, 'ledger_heads: the chain has no such seal')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_seals WHERE sequence = NEW.sequence AND hash = NEW.hash);
END;

CREATE TRIGGER ledger_heads_update BEFORE UPDATE ON ledger_heads
BEGIN
  SELECT RAISE(ABORT, 'ledger_heads: a head that was noted is never edited');
END;

CREATE TRIGGER ledger_heads_delete BEFORE DELETE ON ledger_heads
BEGIN
  SELECT RAISE(ABORT, 'ledger_heads: a head that was noted is never deleted');
END;

CREATE TRIGGER ledger_verifications_insert BEFORE INSERT ON ledger_verifications
BEGIN
  SELECT RAISE(ABORT, 'ledger_verifications: this run is on record and is never replaced')
    WHERE EXISTS (SELECT 1 FROM ledger_verifications WHERE id = NEW.id);
END;

CREATE TRIGGER ledger_verifications_update BEFORE UPDATE ON ledger_verifications
BEGIN
  SELECT RAISE(ABORT, 'ledger_verifications: what was found is never edited');
END;

CREATE TRIGGER ledger_verifications_delete BEFORE DELETE ON ledger_verifications
BEGIN
  SELECT RAISE(ABORT, 'ledger_verifications: what was found is never deleted');
END;
