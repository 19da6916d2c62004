-- The guards of positions: what a position was is never edited, and it moves on only by its next change.

CREATE FUNCTION positions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: what a position was is never edited nor deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER positions_delete BEFORE DELETE ON positions FOR EACH ROW EXECUTE FUNCTION positions_refuse();
CREATE TRIGGER positions_truncate BEFORE TRUNCATE ON positions EXECUTE FUNCTION positions_refuse();
CREATE TRIGGER position_changes_update BEFORE UPDATE ON position_changes FOR EACH ROW EXECUTE FUNCTION positions_refuse();
CREATE TRIGGER position_changes_delete BEFORE DELETE ON position_changes FOR EACH ROW EXECUTE FUNCTION positions_refuse();
CREATE TRIGGER position_changes_truncate BEFORE TRUNCATE ON position_changes EXECUTE FUNCTION positions_refuse();

CREATE FUNCTION positions_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.number IS DISTINCT FROM 0 THEN
    RAISE EXCEPTION 'positions: a position begins before its first change' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER positions_insert BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION positions_guard_insert();

CREATE FUNCTION positions_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.venue, NEW.account, NEW.asset, NEW.cost_asset, NEW.strategy, NEW.mode)
     IS DISTINCT FROM
     (OLD.id, OLD.venue, OLD.account, OLD.asset, OLD.cost_asset, OLD.strategy, OLD.mode) THEN
    RAISE EXCEPTION 'positions: whose position it is can not be changed (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.number IS DISTINCT FROM OLD.number + 1
     OR NOT EXISTS (SELECT 1 FROM position_changes WHERE position_id = OLD.id AND number = NEW.number) THEN
    RAISE EXCEPTION 'positions: position % moves only by its next change', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER positions_update BEFORE UPDATE ON positions FOR EACH ROW EXECUTE FUNCTION positions_guard_update();

CREATE FUNCTION position_changes_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id AND kind = 'fill') THEN
    RAISE EXCEPTION 'position_changes: a position changes by the entry of a fill' USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (SELECT 1 FROM position_changes WHERE position_id = NEW.position_id AND number = NEW.number - 1 AND at > NEW.at) THEN
    RAISE EXCEPTION 'position_changes: a change is never before the one before it' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER position_changes_insert BEFORE INSERT ON position_changes FOR EACH ROW EXECUTE FUNCTION position_changes_guard_insert();

CREATE FUNCTION position_changes_apply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE positions SET number = NEW.number WHERE id = NEW.position_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'position_changes: there is no position %', NEW.position_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER position_changes_move AFTER INSERT ON position_changes FOR EACH ROW EXECUTE FUNCTION position_changes_apply();
