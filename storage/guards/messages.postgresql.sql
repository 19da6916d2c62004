-- The guards of messages: what happened to one is never edited, and forgotten only with the message itself.

CREATE FUNCTION message_events_guard_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM messages WHERE id = OLD.message_id) THEN
    RAISE EXCEPTION 'message_events: the events of a message are forgotten with it, not before (%)', OLD.message_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER message_events_delete BEFORE DELETE ON message_events FOR EACH ROW EXECUTE FUNCTION message_events_guard_delete();

CREATE FUNCTION messages_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER message_events_update BEFORE UPDATE ON message_events FOR EACH ROW EXECUTE FUNCTION messages_refuse();
CREATE TRIGGER message_events_truncate BEFORE TRUNCATE ON message_events EXECUTE FUNCTION messages_refuse();
CREATE TRIGGER dead_letters_delete BEFORE DELETE ON dead_letters FOR EACH ROW EXECUTE FUNCTION messages_refuse();
CREATE TRIGGER dead_letters_truncate BEFORE TRUNCATE ON dead_letters EXECUTE FUNCTION messages_refuse();

CREATE FUNCTION messages_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.first_at) IS DISTINCT FROM (OLD.id, OLD.first_at) THEN
    RAISE EXCEPTION 'messages: identity can not be changed (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.attempts < OLD.attempts THEN
    RAISE EXCEPTION 'messages: deliveries never become fewer (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.status = 'dead' AND NEW.status <> 'dead' THEN
    RAISE EXCEPTION 'messages: dead is final (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER messages_update BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION messages_guard_update();

CREATE FUNCTION dead_letters_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.task, NEW.message_id, NEW.body, NEW.code, NEW.message, NEW.order_id, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.task, OLD.message_id, OLD.body, OLD.code, OLD.message, OLD.order_id, OLD.created_at) THEN
    RAISE EXCEPTION 'dead_letters: what was kept is never edited (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.status <> 'open'
     AND (NEW.status, NEW.decided_at, NEW.decided_by, NEW.note, NEW.outcome)
         IS DISTINCT FROM
         (OLD.status, OLD.decided_at, OLD.decided_by, OLD.note, OLD.outcome) THEN
    RAISE EXCEPTION 'dead_letters: a letter is decided once (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER dead_letters_update BEFORE UPDATE ON dead_letters FOR EACH ROW EXECUTE FUNCTION dead_letters_guard_update();
