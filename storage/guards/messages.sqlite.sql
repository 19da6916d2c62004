-- The guards of messages: what happened to one is never edited, and forgotten only with the message itself.

CREATE TRIGGER message_events_update BEFORE UPDATE ON message_events
BEGIN
  SELECT RAISE(ABORT, 'message_events: what happened is never edited');
END;

CREATE TRIGGER message_events_delete BEFORE DELETE ON message_events
BEGIN
  SELECT RAISE(ABORT, 'message_events: the events of a message are forgotten with it, not before')
    WHERE EXISTS (SELECT 1 FROM messages WHERE id = OLD.message_id);
END;

CREATE TRIGGER messages_update BEFORE UPDATE ON messages
BEGIN
  SELECT RAISE(ABORT, 'messages: identity can not be changed')
    WHERE NEW.id IS NOT OLD.id OR NEW.first_at IS NOT OLD.first_at;
  SELECT RAISE(ABORT, 'messages: deliveries never become fewer')
    WHERE NEW.attempts < OLD.attempts;
  SELECT RAISE(ABORT, 'messages: dead is final')
    WHERE OLD.status = 'dead' AND NEW.status <> 'dead';
END;

CREATE TRIGGER dead_letters_update BEFORE UPDATE ON dead_letters
BEGIN
  SELECT RAISE(ABORT, 'dead_letters: what was kept is never edited')
    WHERE NEW.id IS NOT OLD.id OR NEW.task IS NOT OLD.task OR NEW.message_id IS NOT OLD.message_id
       OR NEW.body IS NOT OLD.body OR NEW.code IS NOT OLD.code OR NEW.message IS NOT OLD.message
       OR NEW.order_id IS NOT OLD.order_id OR NEW.created_at IS NOT OLD.created_at;
  SELECT RAISE(ABORT, 'dead_letters: a letter is decided once')
    WHERE OLD.status <> 'open' AND (
          NEW.status IS NOT OLD.status OR NEW.decided_at IS NOT OLD.decided_at OR NEW.decided_by IS NOT OLD.decided_by
       OR NEW.note IS NOT OLD.note OR NEW.outcome IS NOT OLD.outcome);
END;

CREATE TRIGGER dead_letters_delete BEFORE DELETE ON dead_letters
BEGIN
  SELECT RAISE(ABORT, 'dead_letters: a letter is discarded, never deleted');
END;
