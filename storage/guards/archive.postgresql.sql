-- The archive's guards: a history leaves the database only when it is in a file, and what is said of that is never edited.

CREATE FUNCTION archived_orders_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
      SELECT 1 FROM orders
       WHERE id = NEW.order_id AND version = NEW.version
         AND status IN ('FILLED', 'CANCELED', 'EXPIRED', 'DENIED', 'REJECTED')) THEN
    RAISE EXCEPTION 'archived_orders: only what has ended, as it is now, is archived (%)', NEW.order_id
      USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (SELECT 1 FROM child_orders
              WHERE order_id = NEW.order_id AND status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')) THEN
    RAISE EXCEPTION 'archived_orders: a child of it is live (%)', NEW.order_id USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (SELECT 1 FROM reports WHERE order_id = NEW.order_id AND applied_at IS NULL)
     OR EXISTS (SELECT 1 FROM amendments WHERE order_id = NEW.order_id AND status = 'PENDING')
     OR EXISTS (SELECT 1 FROM order_holds WHERE order_id = NEW.order_id AND amount <> 0) THEN
    RAISE EXCEPTION 'archived_orders: something of it is not settled (%)', NEW.order_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER archived_orders_insert BEFORE INSERT ON archived_orders FOR EACH ROW EXECUTE FUNCTION archived_orders_guard_insert();

CREATE FUNCTION archive_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused, this table only grows', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER archived_orders_append_only BEFORE UPDATE OR DELETE ON archived_orders FOR EACH ROW EXECUTE FUNCTION archive_refuse();
CREATE TRIGGER archived_orders_truncate BEFORE TRUNCATE ON archived_orders EXECUTE FUNCTION archive_refuse();
CREATE TRIGGER archive_files_append_only BEFORE UPDATE OR DELETE ON archive_files FOR EACH ROW EXECUTE FUNCTION archive_refuse();
CREATE TRIGGER archive_files_truncate BEFORE TRUNCATE ON archive_files EXECUTE FUNCTION archive_refuse();
CREATE TRIGGER cleanup_runs_append_only BEFORE UPDATE OR DELETE ON cleanup_runs FOR EACH ROW EXECUTE FUNCTION archive_refuse();
CREATE TRIGGER cleanup_runs_truncate BEFORE TRUNCATE ON cleanup_runs EXECUTE FUNCTION archive_refuse();

-- What belongs to an order may go once the order's history up to it is in a file. Of each table the key that says so.
CREATE FUNCTION archive_guard_transitions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM archived_orders WHERE order_id = OLD.order_id AND last_transition_id >= OLD.id) THEN
    RAISE EXCEPTION 'transitions: DELETE is refused, the record only grows until its order is archived (%)', OLD.order_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION archive_guard_reports() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.applied_at IS NULL
     OR NOT EXISTS (SELECT 1 FROM archived_orders WHERE order_id = OLD.order_id AND last_report_id >= OLD.id) THEN
    RAISE EXCEPTION 'reports: DELETE is refused, what the venue said stays until its order is archived (%)', OLD.order_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION archive_guard_sends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
      SELECT 1 FROM child_orders child JOIN archived_orders archived ON archived.order_id = child.order_id
       WHERE child.id = OLD.child_id AND archived.archived_at >= OLD.intended_at) THEN
    RAISE EXCEPTION 'sends: DELETE is refused, an intent stays until its order is archived (%)', OLD.child_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION archive_guard_amendments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'PENDING'
     OR NOT EXISTS (SELECT 1 FROM archived_orders WHERE order_id = OLD.order_id AND last_amendment_id >= OLD.id) THEN
    RAISE EXCEPTION 'amendments: DELETE is refused, a change stays until its order is archived (%)', OLD.order_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;
