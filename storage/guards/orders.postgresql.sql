-- The order book's guards: only legal moves, every change on record, evidence never edited, and deleted only once its order is archived.

CREATE FUNCTION orders_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> 'RECEIVED' OR NEW.version <> 1 OR NEW.filled_quantity <> 0 THEN
    RAISE EXCEPTION 'orders: an order begins as RECEIVED, version 1, unfilled' USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
    VALUES (NEW.updated_at, NEW.id, 'order', NEW.id, NEW.version, NULL, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
  RETURN NULL;
END $$;
CREATE TRIGGER orders_insert AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION orders_guard_insert();

CREATE FUNCTION orders_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.client_order_id, NEW.account, NEW.venue, NEW.symbol, NEW.side, NEW.type, NEW.request, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.client_order_id, OLD.account, OLD.venue, OLD.symbol, OLD.side, OLD.type, OLD.request, OLD.created_at) THEN
    RAISE EXCEPTION 'orders: what the customer asked for can not be changed (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status <> OLD.status AND NOT EXISTS (
      SELECT 1 FROM legal_transitions
       WHERE entity = 'order' AND from_status = OLD.status AND to_status = NEW.status) THEN
    RAISE EXCEPTION 'orders: % may not become % (%)', OLD.status, NEW.status, OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.version NOT IN (OLD.version, OLD.version + 1)
     OR (NEW.version = OLD.version
         AND (NEW.status, NEW.filled_quantity, NEW.filled_cost, NEW.quantity, NEW.price, NEW.reason_code)
             IS DISTINCT FROM
             (OLD.status, OLD.filled_quantity, OLD.filled_cost, OLD.quantity, OLD.price, OLD.reason_code)) THEN
    RAISE EXCEPTION 'orders: a change that the document shows takes the next version (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.filled_quantity < OLD.filled_quantity THEN
    RAISE EXCEPTION 'orders: filled quantity never falls (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.status = 'FILLED') <> (NEW.filled_quantity >= NEW.quantity) THEN
    RAISE EXCEPTION 'orders: FILLED if and only if filled = quantity (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.version <> OLD.version THEN
    INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
      VALUES (NEW.updated_at, NEW.id, 'order', NEW.id, NEW.version, OLD.status, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER orders_update BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION orders_guard_update();

CREATE FUNCTION child_orders_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> 'PLANNED' OR NEW.version <> 1 OR NEW.filled_quantity <> 0 OR NEW.venue_order_id IS NOT NULL THEN
    RAISE EXCEPTION 'child_orders: a child begins as PLANNED, version 1, unfilled' USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
    VALUES (NEW.updated_at, NEW.order_id, 'child', NEW.id, NEW.version, NULL, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
  RETURN NULL;
END $$;
CREATE TRIGGER child_orders_insert AFTER INSERT ON child_orders FOR EACH ROW EXECUTE FUNCTION child_orders_guard_insert();

CREATE FUNCTION child_orders_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.order_id, NEW.slice, NEW.attempt, NEW.venue, NEW.account, NEW.symbol, NEW.venue_client_order_id)
     IS DISTINCT FROM
     (OLD.id, OLD.order_id, OLD.slice, OLD.attempt, OLD.venue, OLD.account, OLD.symbol, OLD.venue_client_order_id)
     OR (OLD.venue_order_id IS NOT NULL AND NEW.venue_order_id IS DISTINCT FROM OLD.venue_order_id) THEN
    RAISE EXCEPTION 'child_orders: identity can not be changed (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status <> OLD.status AND NOT EXISTS (
      SELECT 1 FROM legal_transitions
       WHERE entity = 'child' AND from_status = OLD.status AND to_status = NEW.status) THEN
    RAISE EXCEPTION 'child_orders: % may not become % (%)', OLD.status, NEW.status, OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.version NOT IN (OLD.version, OLD.version + 1)
     OR (NEW.version = OLD.version
         AND (NEW.status, NEW.filled_quantity, NEW.filled_cost, NEW.venue_order_id, NEW.reason_code)
             IS DISTINCT FROM
             (OLD.status, OLD.filled_quantity, OLD.filled_cost, OLD.venue_order_id, OLD.reason_code)) THEN
    RAISE EXCEPTION 'child_orders: a change that the document shows takes the next version (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.filled_quantity < OLD.filled_quantity THEN
    RAISE EXCEPTION 'child_orders: filled quantity never falls (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.epoch < OLD.epoch THEN
    RAISE EXCEPTION 'child_orders: the epoch never falls (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.version <> OLD.version THEN
    INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
      VALUES (NEW.updated_at, NEW.order_id, 'child', NEW.id, NEW.version, OLD.status, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER child_orders_update BEFORE UPDATE ON child_orders FOR EACH ROW EXECUTE FUNCTION child_orders_guard_update();

CREATE FUNCTION sends_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.outcome IS NOT NULL
     OR (NEW.child_id, NEW.number, NEW.epoch, NEW.owner, NEW.timestamp, NEW.window_ms, NEW.intended_at)
        IS DISTINCT FROM
        (OLD.child_id, OLD.number, OLD.epoch, OLD.owner, OLD.timestamp, OLD.window_ms, OLD.intended_at) THEN
    RAISE EXCEPTION 'sends: an intent is never edited, only answered once (%)', OLD.child_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sends_update BEFORE UPDATE ON sends FOR EACH ROW EXECUTE FUNCTION sends_guard_update();

CREATE FUNCTION reports_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.applied_at IS NOT NULL OR NEW.applied_at IS NULL
     OR (NEW.id, NEW.child_id, NEW.order_id, NEW.source, NEW.body, NEW.received_at)
        IS DISTINCT FROM
        (OLD.id, OLD.child_id, OLD.order_id, OLD.source, OLD.body, OLD.received_at) THEN
    RAISE EXCEPTION 'reports: what the venue said is never edited (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reports_update BEFORE UPDATE ON reports FOR EACH ROW EXECUTE FUNCTION reports_guard_update();

CREATE FUNCTION amendments_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'PENDING' OR NEW.decided_at IS NOT NULL THEN
      RAISE EXCEPTION 'amendments: a change begins as PENDING (%)', NEW.order_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.status <> 'PENDING' OR NEW.status = 'PENDING' OR NEW.decided_at IS NULL
     OR (NEW.id, NEW.order_id, NEW.requested_at, NEW.source, NEW.quantity, NEW.price, NEW.previous_quantity,
         NEW.previous_price)
        IS DISTINCT FROM
        (OLD.id, OLD.order_id, OLD.requested_at, OLD.source, OLD.quantity, OLD.price, OLD.previous_quantity,
         OLD.previous_price) THEN
    RAISE EXCEPTION 'amendments: a change is decided once, and never edited (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER amendments_insert BEFORE INSERT ON amendments FOR EACH ROW EXECUTE FUNCTION amendments_guard();
CREATE TRIGGER amendments_update BEFORE UPDATE ON amendments FOR EACH ROW EXECUTE FUNCTION amendments_guard();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused, this table only grows', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER orders_delete BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER orders_truncate BEFORE TRUNCATE ON orders EXECUTE FUNCTION refuse_change();
CREATE TRIGGER child_orders_delete BEFORE DELETE ON child_orders FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER child_orders_truncate BEFORE TRUNCATE ON child_orders EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sends_delete BEFORE DELETE ON sends FOR EACH ROW EXECUTE FUNCTION archive_guard_sends();
CREATE TRIGGER sends_truncate BEFORE TRUNCATE ON sends EXECUTE FUNCTION refuse_change();
CREATE TRIGGER reports_delete BEFORE DELETE ON reports FOR EACH ROW EXECUTE FUNCTION archive_guard_reports();
CREATE TRIGGER reports_truncate BEFORE TRUNCATE ON reports EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fills_update BEFORE UPDATE ON fills FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fills_delete BEFORE DELETE ON fills FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fills_truncate BEFORE TRUNCATE ON fills EXECUTE FUNCTION refuse_change();
CREATE TRIGGER amendments_delete BEFORE DELETE ON amendments FOR EACH ROW EXECUTE FUNCTION archive_guard_amendments();
CREATE TRIGGER amendments_truncate BEFORE TRUNCATE ON amendments EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transitions_update BEFORE UPDATE ON transitions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transitions_delete BEFORE DELETE ON transitions FOR EACH ROW EXECUTE FUNCTION archive_guard_transitions();
CREATE TRIGGER transitions_truncate BEFORE TRUNCATE ON transitions EXECUTE FUNCTION refuse_change();
CREATE TRIGGER legal_transitions_update BEFORE UPDATE ON legal_transitions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER legal_transitions_delete BEFORE DELETE ON legal_transitions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER legal_transitions_insert BEFORE INSERT ON legal_transitions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER legal_transitions_truncate BEFORE TRUNCATE ON legal_transitions EXECUTE FUNCTION refuse_change();
