-- The feed's guards: a change is never edited, its place is given once, and only what is forgotten is deleted.

CREATE TRIGGER order_events_insert BEFORE INSERT ON order_events
BEGIN
  SELECT RAISE(ABORT, 'order_events: a change is written without a position, which a reader gives it')
    WHERE NEW.position IS NOT NULL;
  SELECT RAISE(ABORT, 'order_events: a change is written with the version that it is')
    WHERE NOT EXISTS (SELECT 1 FROM orders WHERE id = NEW.order_id AND version = NEW.version);
END;

CREATE TRIGGER order_events_update BEFORE UPDATE ON order_events
BEGIN
  SELECT RAISE(ABORT, 'order_events: a change is never edited, and its position is given once')
    WHERE OLD.position IS NOT NULL OR NEW.position IS NULL OR NEW.id IS NOT OLD.id OR NEW.order_id IS NOT OLD.order_id
       OR NEW.version IS NOT OLD.version OR NEW.at IS NOT OLD.at OR NEW.changes IS NOT OLD.changes;
  SELECT RAISE(ABORT, 'order_events: positions follow the last one given')
    WHERE NEW.position <= COALESCE((SELECT position FROM event_head), 0);
END;

CREATE TRIGGER order_events_delete BEFORE DELETE ON order_events
BEGIN
  SELECT RAISE(ABORT, 'order_events: a change is deleted only once the head says that it is forgotten')
    WHERE OLD.position IS NULL OR OLD.position > COALESCE((SELECT forgotten FROM event_head), 0);
END;

CREATE TRIGGER event_head_insert BEFORE INSERT ON event_head
BEGIN
  SELECT RAISE(ABORT, 'event_head: there is one, and it begins at 0')
    WHERE NEW.id <> 1 OR NEW.position <> 0 OR NEW.forgotten <> 0;
END;

CREATE TRIGGER event_head_update BEFORE UPDATE ON event_head
BEGIN
  SELECT RAISE(ABORT, 'event_head: neither end of the feed ever goes back')
    WHERE NEW.id IS NOT OLD.id OR NEW.position < OLD.position OR NEW.forgotten < OLD.forgotten
       OR NEW.forgotten > NEW.position;
END;

CREATE TRIGGER event_head_delete BEFORE DELETE ON event_head
BEGIN
  SELECT RAISE(ABORT, 'event_head: it is never deleted');
END;
