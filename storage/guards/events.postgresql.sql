-- The feed's guards: a change is never edited, its place is given once, and only what is forgotten is deleted.

CREATE FUNCTION order_events_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.position IS NOT NULL THEN
    RAISE EXCEPTION 'order_events: a change is written without a position, which a reader gives it (%)', NEW.order_id
      USING ERRCODE = 'check_violation';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM orders WHERE id = NEW.order_id AND version = NEW.version) THEN
    RAISE EXCEPTION 'order_events: a change is written with the version that it is (%)', NEW.order_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER order_events_insert BEFORE INSERT ON order_events FOR EACH ROW EXECUTE FUNCTION order_events_guard_insert();

CREATE FUNCTION order_events_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.position IS NOT NULL OR NEW.position IS NULL
     OR (NEW.id, NEW.order_id, NEW.version, NEW.at, NEW.changes)
        IS DISTINCT FROM
        (OLD.id, OLD.order_id, OLD.version, OLD.at, OLD.changes) THEN
    RAISE EXCEPTION 'order_events: a change is never edited, and its position is given once (%)', OLD.id
      USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.position <= COALESCE((SELECT position FROM event_head), 0) THEN
    RAISE EXCEPTION 'order_events: positions follow the last one given (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER order_events_update BEFORE UPDATE ON order_events FOR EACH ROW EXECUTE FUNCTION order_events_guard_update();

CREATE FUNCTION order_events_guard_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.position IS NULL OR OLD.position > COALESCE((SELECT forgotten FROM event_head), 0) THEN
    RAISE EXCEPTION 'order_events: a change is deleted only once the head says that it is forgotten (%)', OLD.id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER order_events_delete BEFORE DELETE ON order_events FOR EACH ROW EXECUTE FUNCTION order_events_guard_delete();

CREATE FUNCTION event_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' AND (NEW.id <> 1 OR NEW.position <> 0 OR NEW.forgotten <> 0) THEN
    RAISE EXCEPTION 'event_head: there is one, and it begins at 0' USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.id <> OLD.id OR NEW.position < OLD.position OR NEW.forgotten < OLD.forgotten
                           OR NEW.forgotten > NEW.position) THEN
    RAISE EXCEPTION 'event_head: neither end of the feed ever goes back' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER event_head_insert BEFORE INSERT ON event_head FOR EACH ROW EXECUTE FUNCTION event_head_guard();
CREATE TRIGGER event_head_update BEFORE UPDATE ON event_head FOR EACH ROW EXECUTE FUNCTION event_head_guard();

CREATE FUNCTION events_refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER order_events_truncate BEFORE TRUNCATE ON order_events EXECUTE FUNCTION events_refuse_removal();
CREATE TRIGGER event_head_delete BEFORE DELETE ON event_head FOR EACH ROW EXECUTE FUNCTION events_refuse_removal();
CREATE TRIGGER event_head_truncate BEFORE TRUNCATE ON event_head EXECUTE FUNCTION events_refuse_removal();
