-- What a breaker went through is written once.

CREATE TRIGGER breaker_transitions_update BEFORE UPDATE ON breaker_transitions
BEGIN
  SELECT RAISE(ABORT, 'breaker_transitions: what a breaker went through is never edited');
END;

CREATE TRIGGER breaker_transitions_delete BEFORE DELETE ON breaker_transitions
BEGIN
  SELECT RAISE(ABORT, 'breaker_transitions: what a breaker went through is never deleted');
END;
