-- The guards of positions: what a position was is never edited, and it moves on only by its next change.

CREATE TRIGGER positions_insert BEFORE INSERT ON positions
BEGIN
  SELECT RAISE(ABORT, 'positions: a position begins before its first change')
    WHERE NEW.number IS NOT 0;
  SELECT RAISE(ABORT, 'positions: this position exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM positions WHERE id = NEW.id)
       OR EXISTS (SELECT 1 FROM positions
                   WHERE venue = NEW.venue AND account = NEW.account AND asset = NEW.asset
                     AND cost_asset = NEW.cost_asset AND strategy = NEW.strategy);
END;

CREATE TRIGGER positions_update BEFORE UPDATE ON positions
BEGIN
  SELECT RAISE(ABORT, 'positions: whose position it is can not be changed')
    WHERE NEW.id IS NOT OLD.id OR NEW.venue IS NOT OLD.venue OR NEW.account IS NOT OLD.account
       OR NEW.asset IS NOT OLD.asset OR NEW.cost_asset IS NOT OLD.cost_asset OR NEW.strategy IS NOT OLD.strategy
       OR NEW.mode IS NOT OLD.mode;
  SELECT RAISE(ABORT, 'positions: a position moves only by its next change')
    WHERE NEW.number IS NOT OLD.number + 1
       OR NOT EXISTS (SELECT 1 FROM position_changes WHERE position_id = OLD.id AND number = NEW.number);
END;

CREATE TRIGGER positions_delete BEFORE DELETE ON positions
BEGIN
  SELECT RAISE(ABORT, 'positions: a position is never deleted');
END;

CREATE TRIGGER position_changes_insert BEFORE INSERT ON position_changes
BEGIN
  SELECT RAISE(ABORT, 'position_changes: this change exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM position_changes WHERE position_id = NEW.position_id AND number = NEW.number)
       OR EXISTS (SELECT 1 FROM position_changes WHERE entry_id = NEW.entry_id);
  SELECT RAISE(ABORT, 'position_changes: a position changes by the entry of a fill')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id AND kind = 'fill');
  SELECT RAISE(ABORT, 'position_changes: a change is never before the one before it')
    WHERE EXISTS (SELECT 1 FROM position_changes WHERE position_id = NEW.position_id AND number = NEW.number - 1 AND at > NEW.at);
  SELECT RAISE(ABORT, 'position_changes: an amount is no decimal in plain notation')
    WHERE exact_ok(NEW.quantity) = 0
       OR exact_ok(NEW.average_cost) = 0 OR exact_ok(NEW.average_fees) = 0
       OR exact_ok(NEW.average_realized) = 0 OR exact_ok(NEW.average_realized_fees) = 0
       OR exact_ok(NEW.fifo_cost) = 0 OR exact_ok(NEW.fifo_fees) = 0
       OR exact_ok(NEW.fifo_realized) = 0 OR exact_ok(NEW.fifo_realized_fees) = 0
       OR exact_ok(NEW.head_quantity) = 0 OR exact_ok(NEW.head_cost) = 0 OR exact_ok(NEW.head_fees) = 0;
END;

CREATE TRIGGER position_changes_move AFTER INSERT ON position_changes
BEGIN
  UPDATE positions SET number = NEW.number WHERE id = NEW.position_id;
  SELECT RAISE(ABORT, 'position_changes: there is no such position')
    WHERE NOT EXISTS (SELECT 1 FROM positions WHERE id = NEW.position_id AND number = NEW.number);
END;

CREATE TRIGGER position_changes_update BEFORE UPDATE ON position_changes
BEGIN
  SELECT RAISE(ABORT, 'position_changes: what a position was is never edited');
END;

CREATE TRIGGER position_changes_delete BEFORE DELETE ON position_changes
BEGIN
  SELECT RAISE(ABORT, 'position_changes: what a position was is never deleted');
END;
