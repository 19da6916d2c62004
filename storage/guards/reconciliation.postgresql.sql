-- The guards of reconciliation: what was seen, found and posted is never edited; states move one way, a break is decided once.

CREATE FUNCTION reconciliation_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused, what reconciliation saw and did stays on record', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER reconciliation_looks_update BEFORE UPDATE ON reconciliation_looks FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_looks_delete BEFORE DELETE ON reconciliation_looks FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_looks_truncate BEFORE TRUNCATE ON reconciliation_looks EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_findings_update BEFORE UPDATE ON reconciliation_findings FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_findings_delete BEFORE DELETE ON reconciliation_findings FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_findings_truncate BEFORE TRUNCATE ON reconciliation_findings EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER corrections_update BEFORE UPDATE ON corrections FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER corrections_delete BEFORE DELETE ON corrections FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER corrections_truncate BEFORE TRUNCATE ON corrections EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliations_delete BEFORE DELETE ON reconciliations FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliations_truncate BEFORE TRUNCATE ON reconciliations EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_accounts_delete BEFORE DELETE ON reconciliation_accounts FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER reconciliation_accounts_truncate BEFORE TRUNCATE ON reconciliation_accounts EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER breaks_delete BEFORE DELETE ON breaks FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER breaks_truncate BEFORE TRUNCATE ON breaks EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER freezes_delete BEFORE DELETE ON freezes FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse();
CREATE TRIGGER freezes_truncate BEFORE TRUNCATE ON freezes EXECUTE FUNCTION reconciliation_refuse();

CREATE FUNCTION reconciliations_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> 'running' OR (NEW.id, NEW.slot, NEW.scope, NEW.started_by, NEW.started_at)
     IS DISTINCT FROM (OLD.id, OLD.slot, OLD.scope, OLD.started_by, OLD.started_at) THEN
    RAISE EXCEPTION 'reconciliations: a run is over once, and only its end changes (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reconciliations_update BEFORE UPDATE ON reconciliations FOR EACH ROW EXECUTE FUNCTION reconciliations_guard_update();

CREATE FUNCTION reconciliation_accounts_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.stage IN ('done', 'failed', 'skipped')
     OR (NEW.run_id, NEW.venue, NEW.account) IS DISTINCT FROM (OLD.run_id, OLD.venue, OLD.account) THEN
    RAISE EXCEPTION 'reconciliation_accounts: what an account came to is never edited (%)', OLD.run_id
      USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.stage = 'looked' AND NEW.stage NOT IN ('looked', 'done', 'failed') THEN
    RAISE EXCEPTION 'reconciliation_accounts: the second look follows the first (%)', OLD.run_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reconciliation_accounts_update BEFORE UPDATE ON reconciliation_accounts FOR EACH ROW EXECUTE FUNCTION reconciliation_accounts_guard_update();

CREATE FUNCTION breaks_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.run_id, NEW.kind, NEW.venue, NEW.account, NEW.key, NEW.asset, NEW.symbol, NEW.order_id, NEW.child_id,
      NEW.venue_order_id, NEW.found_at)
     IS DISTINCT FROM
     (OLD.id, OLD.run_id, OLD.kind, OLD.venue, OLD.account, OLD.key, OLD.asset, OLD.symbol, OLD.order_id, OLD.child_id,
      OLD.venue_order_id, OLD.found_at) THEN
    RAISE EXCEPTION 'breaks: what a break is about is never edited (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.status <> 'open' AND NOT (OLD.status = 'corrected' AND NEW.status = 'accepted') THEN
    RAISE EXCEPTION 'breaks: a break is decided once (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.status <> 'open' AND (NEW.ours, NEW.cached, NEW.theirs, NEW.difference, NEW.severity, NEW.action, NEW.message)
     IS DISTINCT FROM (OLD.ours, OLD.cached, OLD.theirs, OLD.difference, OLD.severity, OLD.action, OLD.message) THEN
    RAISE EXCEPTION 'breaks: a closed break keeps its figures (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status <> 'open' AND (NEW.decided_at IS NULL OR NEW.decided_by IS NULL) THEN
    RAISE EXCEPTION 'breaks: what closes a break says who did and when (%)', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER breaks_update BEFORE UPDATE ON breaks FOR EACH ROW EXECUTE FUNCTION breaks_guard_update();

CREATE FUNCTION breaks_lift_freezes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'open' AND NEW.status <> 'open' THEN
    UPDATE freezes SET lifted_at = NEW.decided_at WHERE break_id = NEW.id AND lifted_at IS NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER breaks_lift AFTER UPDATE ON breaks FOR EACH ROW EXECUTE FUNCTION breaks_lift_freezes();

CREATE FUNCTION freezes_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL
     OR (NEW.break_id, NEW.asset, NEW.venue, NEW.account, NEW.since)
        IS DISTINCT FROM (OLD.break_id, OLD.asset, OLD.venue, OLD.account, OLD.since)
     OR EXISTS (SELECT 1 FROM breaks WHERE id = OLD.break_id AND status = 'open') THEN
    RAISE EXCEPTION 'freezes: a freeze is lifted once, and with its break (%)', OLD.break_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER freezes_update BEFORE UPDATE ON freezes FOR EACH ROW EXECUTE FUNCTION freezes_guard_update();
