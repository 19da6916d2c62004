-- What was found is written once.

CREATE TRIGGER anomalies_insert BEFORE INSERT ON anomalies
BEGIN
  SELECT RAISE(ABORT, 'anomalies: this finding exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM anomalies WHERE id = NEW.id);
END;

CREATE TRIGGER anomalies_update BEFORE UPDATE ON anomalies
BEGIN
  SELECT RAISE(ABORT, 'anomalies: a finding is never edited');
END;

CREATE TRIGGER anomalies_delete BEFORE DELETE ON anomalies
BEGIN
  SELECT RAISE(ABORT, 'anomalies: a finding is never deleted');
END;
