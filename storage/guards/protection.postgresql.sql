-- What a breaker went through is written once.

CREATE FUNCTION protection_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: what a breaker went through is never edited nor deleted', TG_TABLE_NAME
    USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER breaker_transitions_update BEFORE UPDATE ON breaker_transitions FOR EACH ROW EXECUTE FUNCTION protection_refuse();
CREATE TRIGGER breaker_transitions_delete BEFORE DELETE ON breaker_transitions FOR EACH ROW EXECUTE FUNCTION protection_refuse();
CREATE TRIGGER breaker_transitions_truncate BEFORE TRUNCATE ON breaker_transitions EXECUTE FUNCTION protection_refuse();
