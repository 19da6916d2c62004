-- The seals' guards: one chain, each entry in it once, nothing of it ever edited; what waits for its seal waits until it has it.

CREATE FUNCTION ledger_entries_wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_await_seal AFTER INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION ledger_entries_wait();

CREATE FUNCTION ledger_unsealed_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id) OR EXISTS (SELECT 1 FROM ledger_seals WHERE entry_id = NEW.entry_id) THEN
    RAISE EXCEPTION 'ledger_unsealed: entry % is none that waits for its seal', NEW.entry_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_unsealed_insert BEFORE INSERT ON ledger_unsealed FOR EACH ROW EXECUTE FUNCTION ledger_unsealed_guard_insert();

CREATE FUNCTION ledger_unsealed_guard_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM ledger_seals WHERE entry_id = OLD.entry_id) THEN
    RAISE EXCEPTION 'ledger_unsealed: entry % waits until it is sealed', OLD.entry_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER ledger_unsealed_delete BEFORE DELETE ON ledger_unsealed FOR EACH ROW EXECUTE FUNCTION ledger_unsealed_guard_delete();
CREATE TRIGGER ledger_unsealed_update BEFORE UPDATE ON ledger_unsealed FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_unsealed_truncate BEFORE TRUNCATE ON ledger_unsealed FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

-- A second sealer that reads the same last seal meets the primary key.
CREATE FUNCTION ledger_seals_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last_sequence BIGINT := 0;
  last_hash TEXT := repeat('0', 64);
BEGIN
  SELECT sequence, hash INTO last_sequence, last_hash FROM ledger_seals ORDER BY sequence DESC LIMIT 1;
  IF NEW.sequence IS DISTINCT FROM coalesce(last_sequence, 0) + 1 OR NEW.previous_hash IS DISTINCT FROM coalesce(last_hash, repeat('0', 64)) THEN
    RAISE EXCEPTION 'ledger_seals: seal % does not follow the last one, %', NEW.sequence, coalesce(last_sequence, 0) USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.entry_digest !~ '^[0-9a-f]{64}$' OR NEW.hash IS DISTINCT FROM encode(sha256(convert_to(concat_ws('|',
       'steadfill seal 1', NEW.sequence, NEW.entry_id, NEW.entry_digest, NEW.sealed_at, NEW.previous_hash), 'UTF8')), 'hex') THEN
    RAISE EXCEPTION 'ledger_seals: the hash of seal % is not that of what it says', NEW.sequence USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_seals_insert BEFORE INSERT ON ledger_seals FOR EACH ROW EXECUTE FUNCTION ledger_seals_guard();

CREATE FUNCTION ledger_seals_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM ledger_unsealed WHERE entry_id = NEW.entry_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'ledger_seals: entry % does not wait for a seal', NEW.entry_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_seals_take AFTER INSERT ON ledger_seals FOR EACH ROW EXECUTE FUNCTION ledger_seals_taken();
CREATE TRIGGER ledger_seals_append_only BEFORE UPDATE OR DELETE ON ledger_seals FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_seals_truncate BEFORE TRUNCATE ON ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE FUNCTION ledger_heads_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM ledger_seals WHERE sequence = NEW.sequence AND hash = NEW.hash) THEN
    RAISE EXCEPTION 'ledger_heads: the chain has no seal % with this hash', NEW.sequence USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_heads_insert BEFORE INSERT ON ledger_heads FOR EACH ROW EXECUTE FUNCTION ledger_heads_guard();
CREATE TRIGGER ledger_heads_append_only BEFORE UPDATE OR DELETE ON ledger_heads FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_heads_truncate BEFORE TRUNCATE ON ledger_heads FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE TRIGGER ledger_verifications_append_only BEFORE UPDATE OR DELETE ON ledger_verifications FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_verifications_truncate BEFORE TRUNCATE ON ledger_verifications FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
