-- The ledger's guards: balances move only by a leg, each leg once; entries, legs and holds are never edited by hand.
-- They do not lean on CHECK, UNIQUE or FOREIGN KEY alone: INSERT OR IGNORE, OR REPLACE and a PRAGMA get around those.

CREATE TRIGGER ledger_entries_insert BEFORE INSERT ON ledger_entries
BEGIN
  SELECT RAISE(ABORT, 'ledger_entries: this key or id is taken, an entry is never replaced')
    WHERE EXISTS (SELECT 1 FROM ledger_entries WHERE key = NEW.key) OR EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.id);
  SELECT RAISE(ABORT, 'ledger_entries: the number of legs and the time are whole numbers above 0')
    WHERE typeof(NEW.leg_count) <> 'integer' OR NEW.leg_count < 1 OR typeof(NEW.posted_at) <> 'integer' OR NEW.posted_at < 1;
END;

CREATE TRIGGER ledger_entries_update BEFORE UPDATE ON ledger_entries
BEGIN
  SELECT RAISE(ABORT, 'ledger_entries: an entry is never edited; post a new one instead');
END;

CREATE TRIGGER ledger_entries_delete BEFORE DELETE ON ledger_entries
BEGIN
  SELECT RAISE(ABORT, 'ledger_entries: an entry is never deleted; post a new one instead');
END;

CREATE TRIGGER ledger_legs_update BEFORE UPDATE ON ledger_legs
BEGIN
  SELECT RAISE(ABORT, 'ledger_legs: a leg is never edited; post a new entry instead');
END;

CREATE TRIGGER ledger_legs_delete BEFORE DELETE ON ledger_legs
BEGIN
  SELECT RAISE(ABORT, 'ledger_legs: a leg is never deleted; post a new entry instead');
END;

CREATE TRIGGER ledger_accounts_delete BEFORE DELETE ON ledger_accounts
BEGIN
  SELECT RAISE(ABORT, 'ledger_accounts: an account is never deleted');
END;

CREATE TRIGGER order_holds_delete BEFORE DELETE ON order_holds
BEGIN
  SELECT RAISE(ABORT, 'order_holds: a hold is released by an entry, never deleted');
END;

CREATE TRIGGER venue_accounts_insert BEFORE INSERT ON venue_accounts
BEGIN
  SELECT RAISE(ABORT, 'venue_accounts: this account is opened already')
    WHERE EXISTS (SELECT 1 FROM venue_accounts WHERE venue = NEW.venue AND account = NEW.account);
END;

CREATE TRIGGER venue_accounts_update BEFORE UPDATE ON venue_accounts
BEGIN
  SELECT RAISE(ABORT, 'venue_accounts: an opening is never edited');
END;

CREATE TRIGGER venue_accounts_delete BEFORE DELETE ON venue_accounts
BEGIN
  SELECT RAISE(ABORT, 'venue_accounts: an opening is never deleted');
END;

CREATE TRIGGER ledger_accounts_insert BEFORE INSERT ON ledger_accounts
BEGIN
  SELECT RAISE(ABORT, 'ledger_accounts: an account begins with a balance of 0')
    WHERE NEW.balance IS NOT '0' OR NEW.last_leg_id IS NOT 0;
  SELECT RAISE(ABORT, 'ledger_accounts: this account exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM ledger_accounts WHERE id = NEW.id)
       OR EXISTS (SELECT 1 FROM ledger_accounts
                   WHERE venue = NEW.venue AND account = NEW.account AND asset = NEW.asset AND kind = NEW.kind);
END;

CREATE TRIGGER ledger_accounts_update BEFORE UPDATE ON ledger_accounts
BEGIN
  SELECT RAISE(ABORT, 'ledger_accounts: what an account stands for can not be changed')
    WHERE NEW.id IS NOT OLD.id OR NEW.venue IS NOT OLD.venue OR NEW.account IS NOT OLD.account
       OR NEW.asset IS NOT OLD.asset OR NEW.kind IS NOT OLD.kind;
  SELECT RAISE(ABORT, 'ledger_accounts: a balance moves only by a leg, once and in order')
    WHERE NOT EXISTS (
      SELECT 1 FROM ledger_legs leg
       WHERE leg.id = NEW.last_leg_id AND leg.id > OLD.last_leg_id
         AND ((leg.debit_account_id = OLD.id AND NEW.balance = exact_add(OLD.balance, leg.amount))
           OR (leg.credit_account_id = OLD.id AND NEW.balance = exact_sub(OLD.balance, leg.amount))));
  SELECT RAISE(ABORT, 'ledger_accounts: what is available or held can not fall below 0')
    WHERE NEW.kind IN ('available', 'hold') AND NEW.balance LIKE '-%';
END;

CREATE TRIGGER ledger_legs_insert BEFORE INSERT ON ledger_legs
BEGIN
  SELECT RAISE(ABORT, 'ledger_legs: this leg exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM ledger_legs WHERE id = NEW.id)
       OR EXISTS (SELECT 1 FROM ledger_legs WHERE entry_id = NEW.entry_id AND ordinal = NEW.ordinal);
  SELECT RAISE(ABORT, 'ledger_legs: the amount is no decimal above 0 in plain notation')
    WHERE exact_ok(NEW.amount) = 0 OR NEW.amount = '0' OR NEW.amount LIKE '-%';
END;

CREATE TRIGGER ledger_legs_move AFTER INSERT ON ledger_legs
BEGIN
  SELECT RAISE(ABORT, 'ledger_legs: legs are numbered without a gap, leave the id to the database')
    WHERE NEW.id < 1 OR (NEW.id > 1 AND NOT EXISTS (SELECT 1 FROM ledger_legs WHERE id = NEW.id - 1));
  SELECT RAISE(ABORT, 'ledger_legs: the entry has no place for this leg')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_entries WHERE id = NEW.entry_id AND NEW.ordinal BETWEEN 1 AND leg_count)
       OR (SELECT count(*) FROM ledger_legs WHERE entry_id = NEW.entry_id AND ordinal BETWEEN 1 AND NEW.ordinal) IS NOT NEW.ordinal;
  SELECT RAISE(ABORT, 'ledger_legs: a leg moves one asset between two accounts of one venue account')
    WHERE NOT EXISTS (
      SELECT 1 FROM ledger_accounts debit
        JOIN ledger_accounts credit
          ON credit.venue = debit.venue AND credit.account = debit.account AND credit.asset = debit.asset AND credit.id <> debit.id
       WHERE debit.id = NEW.debit_account_id AND credit.id = NEW.credit_account_id AND debit.asset = NEW.asset);

  UPDATE ledger_accounts SET balance = exact_add(balance, NEW.amount), last_leg_id = NEW.id WHERE id = NEW.debit_account_id;
  UPDATE ledger_accounts SET balance = exact_sub(balance, NEW.amount), last_leg_id = NEW.id WHERE id = NEW.credit_account_id;
  SELECT RAISE(ABORT, 'ledger_legs: both balances have to move')
    WHERE (SELECT count(*) FROM ledger_accounts
            WHERE id IN (NEW.debit_account_id, NEW.credit_account_id) AND last_leg_id = NEW.id) <> 2;

  UPDATE order_holds SET amount = exact_add(amount, NEW.amount), last_leg_id = NEW.id
    WHERE account_id = NEW.debit_account_id AND order_id = (SELECT coalesce(order_id, 'foreign') FROM ledger_entries WHERE id = NEW.entry_id);
  INSERT INTO order_holds (order_id, account_id, amount, last_leg_id)
    SELECT coalesce(entry.order_id, 'foreign'), NEW.debit_account_id, NEW.amount, NEW.id
      FROM ledger_entries entry
     WHERE entry.id = NEW.entry_id
       AND EXISTS (SELECT 1 FROM ledger_accounts WHERE id = NEW.debit_account_id AND kind = 'hold')
       AND NOT EXISTS (SELECT 1 FROM order_holds
                        WHERE order_id = coalesce(entry.order_id, 'foreign') AND account_id = NEW.debit_account_id);
  UPDATE order_holds SET amount = exact_sub(amount, NEW.amount), last_leg_id = NEW.id
    WHERE account_id = NEW.credit_account_id AND order_id = (SELECT coalesce(order_id, 'foreign') FROM ledger_entries WHERE id = NEW.entry_id);
  SELECT RAISE(ABORT, 'order_holds: a leg out of or into a hold has to be one of an order that holds as much')
    WHERE (SELECT count(*) FROM ledger_accounts WHERE id IN (NEW.debit_account_id, NEW.credit_account_id) AND kind = 'hold')
       <> (SELECT count(*) FROM order_holds
            WHERE order_id = (SELECT coalesce(order_id, 'foreign') FROM ledger_entries WHERE id = NEW.entry_id)
              AND account_id IN (NEW.debit_account_id, NEW.credit_account_id) AND last_leg_id = NEW.id);
END;

CREATE TRIGGER order_holds_insert BEFORE INSERT ON order_holds
BEGIN
  SELECT RAISE(ABORT, 'order_holds: this hold exists and is never replaced')
    WHERE EXISTS (SELECT 1 FROM order_holds WHERE order_id = NEW.order_id AND account_id = NEW.account_id);
  SELECT RAISE(ABORT, 'order_holds: a hold moves only by a leg of its own order')
    WHERE NOT EXISTS (
      SELECT 1 FROM ledger_legs leg JOIN ledger_entries entry ON entry.id = leg.entry_id
                JOIN ledger_accounts account ON account.id = NEW.account_id
       WHERE leg.id = NEW.last_leg_id AND account.kind = 'hold' AND coalesce(entry.order_id, 'foreign') = NEW.order_id
         AND leg.debit_account_id = NEW.account_id AND NEW.amount = leg.amount);
END;

CREATE TRIGGER order_holds_update BEFORE UPDATE ON order_holds
BEGIN
  SELECT RAISE(ABORT, 'order_holds: whose hold it is can not be changed')
    WHERE NEW.order_id IS NOT OLD.order_id OR NEW.account_id IS NOT OLD.account_id;
  SELECT RAISE(ABORT, 'order_holds: a hold moves only by a leg of its own order')
    WHERE NOT EXISTS (
      SELECT 1 FROM ledger_legs leg JOIN ledger_entries entry ON entry.id = leg.entry_id
       WHERE leg.id = NEW.last_leg_id AND leg.id > OLD.last_leg_id AND coalesce(entry.order_id, 'foreign') = OLD.order_id
         AND ((leg.debit_account_id = OLD.account_id AND NEW.amount = exact_add(OLD.amount, leg.amount))
           OR (leg.credit_account_id = OLD.account_id AND NEW.amount = exact_sub(OLD.amount, leg.amount))));
  SELECT RAISE(ABORT, 'order_holds: a hold can not fall below 0')
    WHERE NEW.amount LIKE '-%';
END;
