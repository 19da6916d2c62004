-- What was taken over without a reason is on record for good; it is only ever explained, never made more.

CREATE FUNCTION unexplained_moves_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.unexplained <> NEW.amount OR NEW.amount = 0
       OR NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id) THEN
      RAISE EXCEPTION 'unexplained_moves: what is taken over is unexplained at first, as a whole' USING ERRCODE = 'check_violation';
    END IF;
  ELSIF (NEW.entry_id, NEW.venue, NEW.account, NEW.asset, NEW.amount, NEW.taken_at)
        IS DISTINCT FROM (OLD.entry_id, OLD.venue, OLD.account, OLD.asset, OLD.amount, OLD.taken_at)
     OR abs(NEW.unexplained) > abs(OLD.unexplained) OR sign(NEW.unexplained) * sign(OLD.amount) < 0 THEN
    RAISE EXCEPTION 'unexplained_moves: what was taken over is only ever explained' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER unexplained_moves_change BEFORE INSERT OR UPDATE ON unexplained_moves FOR EACH ROW EXECUTE FUNCTION unexplained_moves_guard();
CREATE TRIGGER unexplained_moves_delete BEFORE DELETE ON unexplained_moves FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER unexplained_moves_truncate BEFORE TRUNCATE ON unexplained_moves FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
