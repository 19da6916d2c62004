-- What was taken over without a reason is on record for good; it is only ever explained, never made more.

CREATE TRIGGER unexplained_moves_insert BEFORE INSERT ON unexplained_moves
BEGIN
  SELECT RAISE(ABORT, 'unexplained_moves: what is taken over is unexplained at first, as a whole, and once')
    WHERE NEW.unexplained IS NOT NEW.amount OR exact_ok(NEW.amount) = 0 OR NEW.amount = '0'
       OR NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id)
       OR EXISTS (SELECT 1 FROM unexplained_moves WHERE entry_id = NEW.entry_id);
END;

CREATE TRIGGER unexplained_moves_update BEFORE UPDATE ON unexplained_moves
BEGIN
  SELECT RAISE(ABORT, 'unexplained_moves: what was taken over is only ever explained')
    WHERE NEW.entry_id IS NOT OLD.entry_id OR NEW.venue IS NOT OLD.venue OR NEW.account IS NOT OLD.account
       OR NEW.asset IS NOT OLD.asset OR NEW.amount IS NOT OLD.amount OR NEW.taken_at IS NOT OLD.taken_at
       OR exact_ok(NEW.unexplained) = 0
       OR (OLD.amount LIKE '-%' AND (exact_cmp(NEW.unexplained, OLD.unexplained) < 0 OR exact_cmp(NEW.unexplained, '0') > 0))
       OR (OLD.amount NOT LIKE '-%' AND (exact_cmp(NEW.unexplained, OLD.unexplained) > 0 OR NEW.unexplained LIKE '-%'));
END;

CREATE TRIGGER unexplained_moves_delete BEFORE DELETE ON unexplained_moves
BEGIN
  SELECT RAISE(ABORT, 'unexplained_moves: what was taken over stays on record');
END;
