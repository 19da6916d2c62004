-- What was found is written once.

CREATE FUNCTION anomalies_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused, findings only grow', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER anomalies_append_only BEFORE UPDATE OR DELETE ON anomalies FOR EACH ROW EXECUTE FUNCTION anomalies_refuse();
CREATE TRIGGER anomalies_truncate BEFORE TRUNCATE ON anomalies EXECUTE FUNCTION anomalies_refuse();
