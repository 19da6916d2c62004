-- The archive's guards: a history leaves the database only when it is in a file, and what is said of that is never edited.

CREATE TRIGGER archived_orders_insert BEFORE INSERT ON archived_orders
BEGIN
  SELECT RAISE(ABORT, 'archived_orders: this version is archived already')
    WHERE EXISTS (SELECT 1 FROM archived_orders WHERE order_id = NEW.order_id AND version = NEW.version);
  SELECT RAISE(ABORT, 'archived_orders: there is no such file')
    WHERE NOT EXISTS (SELECT 1 FROM archive_files WHERE name = NEW.file);
  SELECT RAISE(ABORT, 'archived_orders: only what has ended, as it is now, is archived')
    WHERE NOT EXISTS (
      SELECT 1 FROM orders
       WHERE id = NEW.order_id AND version = NEW.version
         AND status IN ('FILLED', 'CANCELED', 'EXPIRED', 'DENIED', 'REJECTED'));
  SELECT RAISE(ABORT, 'archived_orders: a child of it is live')
    WHERE EXISTS (SELECT 1 FROM child_orders
                   WHERE order_id = NEW.order_id AND status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED'));
  SELECT RAISE(ABORT, 'archived_orders: something of it is not settled')
    WHERE EXISTS (SELECT 1 FROM reports WHERE order_id = NEW.order_id AND applied_at IS NULL)
       OR EXISTS (SELECT 1 FROM amendments WHERE order_id = NEW.order_id AND status = 'PENDING')
       OR EXISTS (SELECT 1 FROM order_holds WHERE order_id = NEW.order_id AND amount <> '0');
END;

CREATE TRIGGER archived_orders_update BEFORE UPDATE ON archived_orders
BEGIN
  SELECT RAISE(ABORT, 'archived_orders: where a history is can not be changed');
END;

CREATE TRIGGER archived_orders_delete BEFORE DELETE ON archived_orders
BEGIN
  SELECT RAISE(ABORT, 'archived_orders: where a history is can not be forgotten');
END;

CREATE TRIGGER archive_files_insert BEFORE INSERT ON archive_files
BEGIN
  SELECT RAISE(ABORT, 'archive_files: this file is on record and is never replaced')
    WHERE EXISTS (SELECT 1 FROM archive_files WHERE name = NEW.name);
END;

CREATE TRIGGER archive_files_update BEFORE UPDATE ON archive_files
BEGIN
  SELECT RAISE(ABORT, 'archive_files: what a file is can not be changed');
END;

CREATE TRIGGER archive_files_delete BEFORE DELETE ON archive_files
BEGIN
  SELECT RAISE(ABORT, 'archive_files: a file is never forgotten');
END;

CREATE TRIGGER cleanup_runs_insert BEFORE INSERT ON cleanup_runs
BEGIN
  SELECT RAISE(ABORT, 'cleanup_runs: this row exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM cleanup_runs WHERE id = NEW.id);
END;

CREATE TRIGGER cleanup_runs_update BEFORE UPDATE ON cleanup_runs
BEGIN
  SELECT RAISE(ABORT, 'cleanup_runs: what was removed stays on record');
END;

CREATE TRIGGER cleanup_runs_delete BEFORE DELETE ON cleanup_runs
BEGIN
  SELECT RAISE(ABORT, 'cleanup_runs: what was removed stays on record');
END;
