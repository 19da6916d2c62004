-- The guards of reconciliation: what was seen, found and posted is never edited; states move one way, a break is decided once.

CREATE TRIGGER reconciliation_looks_update BEFORE UPDATE ON reconciliation_looks
BEGIN
  SELECT RAISE(ABORT, 'reconciliation_looks: what was seen is never edited');
END;

CREATE TRIGGER reconciliation_looks_delete BEFORE DELETE ON reconciliation_looks
BEGIN
  SELECT RAISE(ABORT, 'reconciliation_looks: what was seen is never deleted');
END;

CREATE TRIGGER reconciliation_findings_update BEFORE UPDATE ON reconciliation_findings
BEGIN
  SELECT RAISE(ABORT, 'reconciliation_findings: what was found is never edited');
END;

CREATE TRIGGER reconciliation_findings_delete BEFORE DELETE ON reconciliation_findings
BEGIN
  SELECT RAISE(ABORT, 'reconciliation_findings: what was found is never deleted');
END;

CREATE TRIGGER corrections_update BEFORE UPDATE ON corrections
BEGIN
  SELECT RAISE(ABORT, 'corrections: what was posted is never edited');
END;

CREATE TRIGGER corrections_delete BEFORE DELETE ON corrections
BEGIN
  SELECT RAISE(ABORT, 'corrections: what was posted is never deleted');
END;

CREATE TRIGGER reconciliations_update BEFORE UPDATE ON reconciliations
BEGIN
  SELECT RAISE(ABORT, 'reconciliations: a run is over once, and only its end changes')
    WHERE OLD.status <> 'running' OR NEW.id IS NOT OLD.id OR NEW.slot IS NOT OLD.slot OR NEW.scope IS NOT OLD.scope
       OR NEW.started_by IS NOT OLD.started_by OR NEW.started_at IS NOT OLD.started_at;
END;

CREATE TRIGGER reconciliations_delete BEFORE DELETE ON reconciliations
BEGIN
  SELECT RAISE(ABORT, 'reconciliations: a run is never deleted');
END;

CREATE TRIGGER reconciliation_accounts_update BEFORE UPDATE ON reconciliation_accounts
BEGIN
  SELECT RAISE(ABORT, 'reconciliation_accounts: what an account came to is never edited')
    WHERE OLD.stage IN ('done', 'failed', 'skipped') OR NEW.run_id IS NOT OLD.run_id OR NEW.venue IS NOT OLD.venue
       OR NEW.account IS NOT OLD.account;
  SELECT RAISE(ABORT, 'reconciliation_accounts: the second look follows the first')
    WHERE OLD.stage = 'looked' AND NEW.stage NOT IN ('looked', 'done', 'failed');
END;

CREATE TRIGGER reconciliation_accounts_delete BEFORE DELETE ON reconciliation_accounts
BEGIN
  SELECT RAISE(ABORT, 'reconciliation_accounts: never deleted');
END;

CREATE TRIGGER breaks_update BEFORE UPDATE ON breaks
BEGIN
  SELECT RAISE(ABORT, 'breaks: what a break is about is never edited')
    WHERE NEW.id IS NOT OLD.id OR NEW.run_id IS NOT OLD.run_id OR NEW.kind IS NOT OLD.kind OR NEW.venue IS NOT OLD.venue
       OR NEW.account IS NOT OLD.account OR NEW.key IS NOT OLD.key OR NEW.asset IS NOT OLD.asset
       OR NEW.symbol IS NOT OLD.symbol OR NEW.order_id IS NOT OLD.order_id OR NEW.child_id IS NOT OLD.child_id
       OR NEW.venue_order_id IS NOT OLD.venue_order_id OR NEW.found_at IS NOT OLD.found_at;
  SELECT RAISE(ABORT, 'breaks: a break is decided once')
    WHERE OLD.status <> 'open' AND NOT (OLD.status = 'corrected' AND NEW.status = 'accepted');
  SELECT RAISE(ABORT, 'breaks: a closed break keeps its figures')
    WHERE OLD.status <> 'open' AND (NEW.ours IS NOT OLD.ours OR NEW.cached IS NOT OLD.cached OR NEW.theirs IS NOT OLD.theirs
       OR NEW.difference IS NOT OLD.difference OR NEW.severity IS NOT OLD.severity OR NEW.action IS NOT OLD.action
       OR NEW.message IS NOT OLD.message);
  SELECT RAISE(ABORT, 'breaks: what closes a break says who did and when')
    WHERE NEW.status <> 'open' AND (NEW.decided_at IS NULL OR NEW.decided_by IS NULL);
END;

CREATE TRIGGER breaks_delete BEFORE DELETE ON breaks
BEGIN
  SELECT RAISE(ABORT, 'breaks: a break is closed, never deleted');
END;

CREATE TRIGGER breaks_lift AFTER UPDATE OF status ON breaks WHEN OLD.status = 'open' AND NEW.status <> 'open'
BEGIN
  UPDATE freezes SET lifted_at = NEW.decided_at WHERE break_id = NEW.id AND lifted_at IS NULL;
END;

CREATE TRIGGER freezes_update BEFORE UPDATE ON freezes
BEGIN
  SELECT RAISE(ABORT, 'freezes: a freeze is lifted once, and with its break')
    WHERE OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL OR NEW.break_id IS NOT OLD.break_id
       OR NEW.asset IS NOT OLD.asset OR NEW.venue IS NOT OLD.venue OR NEW.account IS NOT OLD.account
       OR NEW.since IS NOT OLD.since OR EXISTS (SELECT 1 FROM breaks WHERE id = OLD.break_id AND status = 'open');
END;

CREATE TRIGGER freezes_delete BEFORE DELETE ON freezes
BEGIN
  SELECT RAISE(ABORT, 'freezes: a freeze is lifted, never deleted');
END;
