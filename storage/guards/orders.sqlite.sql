-- The order book's guards: only legal moves, every change on record, evidence never edited, and deleted only once its order is archived.

CREATE TRIGGER orders_insert AFTER INSERT ON orders
BEGIN
  SELECT RAISE(ABORT, 'orders: an order begins as RECEIVED, version 1, unfilled')
    WHERE NEW.status <> 'RECEIVED' OR NEW.version <> 1 OR NEW.filled_quantity <> '0';
  INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
    VALUES (NEW.updated_at, NEW.id, 'order', NEW.id, NEW.version, NULL, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
END;

CREATE TRIGGER orders_update BEFORE UPDATE ON orders
BEGIN
  SELECT RAISE(ABORT, 'orders: what the customer asked for can not be changed')
    WHERE NEW.id IS NOT OLD.id OR NEW.client_order_id IS NOT OLD.client_order_id OR NEW.account IS NOT OLD.account
       OR NEW.venue IS NOT OLD.venue OR NEW.symbol IS NOT OLD.symbol OR NEW.side IS NOT OLD.side
       OR NEW.type IS NOT OLD.type OR NEW.request IS NOT OLD.request OR NEW.created_at IS NOT OLD.created_at;
  SELECT RAISE(ABORT, 'orders: this status may not become that one')
    WHERE NEW.status <> OLD.status AND NOT EXISTS (
      SELECT 1 FROM legal_transitions
       WHERE entity = 'order' AND from_status = OLD.status AND to_status = NEW.status);
  SELECT RAISE(ABORT, 'orders: a change that the document shows takes the next version')
    WHERE NEW.version NOT IN (OLD.version, OLD.version + 1)
       OR (NEW.version = OLD.version AND (
             NEW.status <> OLD.status OR NEW.filled_quantity <> OLD.filled_quantity OR NEW.filled_cost <> OLD.filled_cost
          OR NEW.quantity <> OLD.quantity OR NEW.price IS NOT OLD.price OR NEW.reason_code IS NOT OLD.reason_code));
  SELECT RAISE(ABORT, 'orders: filled quantity never falls')
    WHERE exact_cmp(NEW.filled_quantity, OLD.filled_quantity) < 0;
  SELECT RAISE(ABORT, 'orders: FILLED if and only if filled = quantity')
    WHERE (NEW.status = 'FILLED') <> (exact_cmp(NEW.filled_quantity, NEW.quantity) >= 0);
END;

CREATE TRIGGER orders_record AFTER UPDATE ON orders WHEN NEW.version <> OLD.version
BEGIN
  INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
    VALUES (NEW.updated_at, NEW.id, 'order', NEW.id, NEW.version, OLD.status, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
END;

CREATE TRIGGER orders_delete BEFORE DELETE ON orders
BEGIN
  SELECT RAISE(ABORT, 'orders: an order is never deleted');
END;

CREATE TRIGGER child_orders_insert AFTER INSERT ON child_orders
BEGIN
  SELECT RAISE(ABORT, 'child_orders: a child begins as PLANNED, version 1, unfilled')
    WHERE NEW.status <> 'PLANNED' OR NEW.version <> 1 OR NEW.filled_quantity <> '0' OR NEW.venue_order_id IS NOT NULL;
  INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
    VALUES (NEW.updated_at, NEW.order_id, 'child', NEW.id, NEW.version, NULL, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
END;

CREATE TRIGGER child_orders_update BEFORE UPDATE ON child_orders
BEGIN
  SELECT RAISE(ABORT, 'child_orders: identity can not be changed')
    WHERE NEW.id IS NOT OLD.id OR NEW.order_id IS NOT OLD.order_id OR NEW.slice IS NOT OLD.slice
       OR NEW.attempt IS NOT OLD.attempt OR NEW.venue IS NOT OLD.venue OR NEW.account IS NOT OLD.account
       OR NEW.symbol IS NOT OLD.symbol OR NEW.venue_client_order_id IS NOT OLD.venue_client_order_id
       OR (OLD.venue_order_id IS NOT NULL AND NEW.venue_order_id IS NOT OLD.venue_order_id);
  SELECT RAISE(ABORT, 'child_orders: this status may not become that one')
    WHERE NEW.status <> OLD.status AND NOT EXISTS (
      SELECT 1 FROM legal_transitions
       WHERE entity = 'child' AND from_status = OLD.status AND to_status = NEW.status);
  SELECT RAISE(ABORT, 'child_orders: a change that the document shows takes the next version')
    WHERE NEW.version NOT IN (OLD.version, OLD.version + 1)
       OR (NEW.version = OLD.version AND (
             NEW.status <> OLD.status OR NEW.filled_quantity <> OLD.filled_quantity OR NEW.filled_cost <> OLD.filled_cost
          OR NEW.venue_order_id IS NOT OLD.venue_order_id OR NEW.reason_code IS NOT OLD.reason_code));
  SELECT RAISE(ABORT, 'child_orders: filled quantity never falls')
    WHERE exact_cmp(NEW.filled_quantity, OLD.filled_quantity) < 0;
  SELECT RAISE(ABORT, 'child_orders: the epoch never falls')
    WHERE NEW.epoch < OLD.epoch;
END;

CREATE TRIGGER child_orders_record AFTER UPDATE ON child_orders WHEN NEW.version <> OLD.version
BEGIN
  INSERT INTO transitions (at, order_id, entity, entity_id, version, from_status, to_status, filled_quantity, cause, detail)
    VALUES (NEW.updated_at, NEW.order_id, 'child', NEW.id, NEW.version, OLD.status, NEW.status, NEW.filled_quantity, NEW.cause, NEW.cause_detail);
END;

CREATE TRIGGER child_orders_delete BEFORE DELETE ON child_orders
BEGIN
  SELECT RAISE(ABORT, 'child_orders: a child is never deleted');
END;

CREATE TRIGGER sends_update BEFORE UPDATE ON sends
BEGIN
  SELECT RAISE(ABORT, 'sends: an intent is never edited, only answered once')
    WHERE OLD.outcome IS NOT NULL OR NEW.child_id IS NOT OLD.child_id OR NEW.number IS NOT OLD.number
       OR NEW.epoch IS NOT OLD.epoch OR NEW.owner IS NOT OLD.owner OR NEW.timestamp IS NOT OLD.timestamp
       OR NEW.window_ms IS NOT OLD.window_ms OR NEW.intended_at IS NOT OLD.intended_at;
END;

CREATE TRIGGER sends_delete BEFORE DELETE ON sends
BEGIN
  SELECT RAISE(ABORT, 'sends: an intent is deleted only once its order is archived')
    WHERE NOT EXISTS (
      SELECT 1 FROM child_orders child JOIN archived_orders archived ON archived.order_id = child.order_id
       WHERE child.id = OLD.child_id AND archived.archived_at >= OLD.intended_at);
END;

CREATE TRIGGER reports_update BEFORE UPDATE ON reports
BEGIN
  SELECT RAISE(ABORT, 'reports: what the venue said is never edited')
    WHERE OLD.applied_at IS NOT NULL OR NEW.applied_at IS NULL OR NEW.id IS NOT OLD.id OR NEW.child_id IS NOT OLD.child_id
       OR NEW.order_id IS NOT OLD.order_id OR NEW.source IS NOT OLD.source OR NEW.body IS NOT OLD.body
       OR NEW.received_at IS NOT OLD.received_at;
END;

CREATE TRIGGER reports_delete BEFORE DELETE ON reports
BEGIN
  SELECT RAISE(ABORT, 'reports: what the venue said is deleted only once its order is archived')
    WHERE OLD.applied_at IS NULL
       OR NOT EXISTS (SELECT 1 FROM archived_orders WHERE order_id = OLD.order_id AND last_report_id >= OLD.id);
END;

CREATE TRIGGER fills_update BEFORE UPDATE ON fills
BEGIN
  SELECT RAISE(ABORT, 'fills: a fill is never edited');
END;

CREATE TRIGGER fills_delete BEFORE DELETE ON fills
BEGIN
  SELECT RAISE(ABORT, 'fills: a fill is never deleted');
END;

CREATE TRIGGER amendments_insert BEFORE INSERT ON amendments
BEGIN
  SELECT RAISE(ABORT, 'amendments: a change begins as PENDING')
    WHERE NEW.status <> 'PENDING' OR NEW.decided_at IS NOT NULL;
END;

CREATE TRIGGER amendments_update BEFORE UPDATE ON amendments
BEGIN
  SELECT RAISE(ABORT, 'amendments: a change is decided once, and never edited')
    WHERE OLD.status <> 'PENDING' OR NEW.status = 'PENDING' OR NEW.decided_at IS NULL
       OR NEW.id IS NOT OLD.id OR NEW.order_id IS NOT OLD.order_id OR NEW.requested_at IS NOT OLD.requested_at
       OR NEW.source IS NOT OLD.source OR NEW.quantity IS NOT OLD.quantity OR NEW.price IS NOT OLD.price
       OR NEW.previous_quantity IS NOT OLD.previous_quantity OR NEW.previous_price IS NOT OLD.previous_price;
END;

CREATE TRIGGER amendments_delete BEFORE DELETE ON amendments
BEGIN
  SELECT RAISE(ABORT, 'amendments: a change is deleted only once its order is archived')
    WHERE OLD.status = 'PENDING'
       OR NOT EXISTS (SELECT 1 FROM archived_orders WHERE order_id = OLD.order_id AND last_amendment_id >= OLD.id);
END;

CREATE TRIGGER transitions_update BEFORE UPDATE ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the record is append-only');
END;

CREATE TRIGGER transitions_delete BEFORE DELETE ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the record is append-only until its order is archived')
    WHERE NOT EXISTS (SELECT 1 FROM archived_orders WHERE order_id = OLD.order_id AND last_transition_id >= OLD.id);
END;

CREATE TRIGGER legal_transitions_insert BEFORE INSERT ON legal_transitions
BEGIN
  SELECT RAISE(ABORT, 'legal_transitions: changed by a migration only');
END;

CREATE TRIGGER legal_transitions_update BEFORE UPDATE ON legal_transitions
BEGIN
  SELECT RAISE(ABORT, 'legal_transitions: changed by a migration only');
END;

CREATE TRIGGER legal_transitions_delete BEFORE DELETE ON legal_transitions
BEGIN
  SELECT RAISE(ABORT, 'legal_transitions: changed by a migration only');
END;
