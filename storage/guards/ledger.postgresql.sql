-- The ledger's guards: balances move only by a leg, each leg once; entries, legs and holds are never edited by hand.

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % is refused, the books are append-only; post a new entry instead', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_entries_no_truncate BEFORE TRUNCATE ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_legs_append_only BEFORE UPDATE OR DELETE ON ledger_legs FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_legs_no_truncate BEFORE TRUNCATE ON ledger_legs FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_accounts_no_delete BEFORE DELETE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_accounts_no_truncate BEFORE TRUNCATE ON ledger_accounts FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER order_holds_no_delete BEFORE DELETE ON order_holds FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER order_holds_no_truncate BEFORE TRUNCATE ON order_holds FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER venue_accounts_append_only BEFORE UPDATE OR DELETE ON venue_accounts FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER venue_accounts_no_truncate BEFORE TRUNCATE ON venue_accounts FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE FUNCTION ledger_accounts_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.balance <> 0 OR NEW.last_leg_id <> 0 THEN
    RAISE EXCEPTION 'ledger_accounts: an account begins with a balance of 0' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_accounts_insert BEFORE INSERT ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_accounts_guard_insert();

CREATE FUNCTION ledger_accounts_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.venue, NEW.account, NEW.asset, NEW.kind) IS DISTINCT FROM (OLD.id, OLD.venue, OLD.account, OLD.asset, OLD.kind) THEN
    RAISE EXCEPTION 'ledger_accounts: what account % stands for can not be changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NOT EXISTS (
      SELECT 1 FROM ledger_legs leg
       WHERE leg.id = NEW.last_leg_id AND leg.id > OLD.last_leg_id
         AND ((leg.debit_account_id = OLD.id AND NEW.balance = OLD.balance + leg.amount)
           OR (leg.credit_account_id = OLD.id AND NEW.balance = OLD.balance - leg.amount))) THEN
    RAISE EXCEPTION 'ledger_accounts: the balance of account % moves only by a leg, once and in order', OLD.id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_accounts_update BEFORE UPDATE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_accounts_guard_update();

-- Legs of one account take their ids under its lock: a later id is a later move, whoever inserts them.
CREATE FUNCTION ledger_legs_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM ledger_accounts WHERE id IN (NEW.debit_account_id, NEW.credit_account_id) ORDER BY id FOR NO KEY UPDATE;
  NEW.id := nextval('ledger_legs_id_seq');
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_legs_insert BEFORE INSERT ON ledger_legs FOR EACH ROW EXECUTE FUNCTION ledger_legs_number();

CREATE FUNCTION ledger_legs_apply() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  entry ledger_entries%ROWTYPE;
  debit ledger_accounts%ROWTYPE;
  credit ledger_accounts%ROWTYPE;
  holder TEXT;
BEGIN
  SELECT * INTO entry FROM ledger_entries WHERE id = NEW.entry_id;
  IF NOT FOUND OR NEW.ordinal NOT BETWEEN 1 AND entry.leg_count
     OR (SELECT count(*) FROM ledger_legs WHERE entry_id = NEW.entry_id AND ordinal BETWEEN 1 AND NEW.ordinal) <> NEW.ordinal THEN
    RAISE EXCEPTION 'ledger_legs: entry % has no place for a leg %', NEW.entry_id, NEW.ordinal USING ERRCODE = 'check_violation';
  END IF;
  UPDATE ledger_accounts SET balance = balance + NEW.amount, last_leg_id = NEW.id WHERE id = NEW.debit_account_id RETURNING * INTO debit;
  UPDATE ledger_accounts SET balance = balance - NEW.amount, last_leg_id = NEW.id WHERE id = NEW.credit_account_id RETURNING * INTO credit;
  IF debit.id IS NULL OR credit.id IS NULL OR debit.id = credit.id
     OR (debit.venue, debit.account, debit.asset) IS DISTINCT FROM (credit.venue, credit.account, credit.asset)
     OR NEW.asset IS DISTINCT FROM debit.asset THEN
    RAISE EXCEPTION 'ledger_legs: a leg moves one asset between two accounts of one venue account' USING ERRCODE = 'check_violation';
  END IF;
  holder := coalesce(entry.order_id, 'foreign');
  IF debit.kind = 'hold' THEN
    INSERT INTO order_holds AS held (order_id, account_id, amount, last_leg_id) VALUES (holder, debit.id, NEW.amount, NEW.id)
      ON CONFLICT (order_id, account_id) DO UPDATE SET amount = held.amount + excluded.amount, last_leg_id = excluded.last_leg_id;
  END IF;
  IF credit.kind = 'hold' THEN
    UPDATE order_holds SET amount = amount - NEW.amount, last_leg_id = NEW.id WHERE order_id = holder AND account_id = credit.id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'order_holds: order % holds nothing on account %', holder, credit.id USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_legs_move AFTER INSERT ON ledger_legs FOR EACH ROW EXECUTE FUNCTION ledger_legs_apply();

CREATE FUNCTION order_holds_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before NUMERIC := 0;
  before_leg BIGINT := 0;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.order_id, NEW.account_id) IS DISTINCT FROM (OLD.order_id, OLD.account_id) THEN
      RAISE EXCEPTION 'order_holds: whose hold it is can not be changed' USING ERRCODE = 'check_violation';
    END IF;
    before := OLD.amount;
    before_leg := OLD.last_leg_id;
  END IF;
  IF NOT EXISTS (
      SELECT 1 FROM ledger_legs leg JOIN ledger_entries entry ON entry.id = leg.entry_id
                JOIN ledger_accounts account ON account.id = NEW.account_id
       WHERE leg.id = NEW.last_leg_id AND leg.id > before_leg AND account.kind = 'hold'
         AND coalesce(entry.order_id, 'foreign') = NEW.order_id
         AND ((leg.debit_account_id = NEW.account_id AND NEW.amount = before + leg.amount)
           OR (leg.credit_account_id = NEW.account_id AND NEW.amount = before - leg.amount))) THEN
    RAISE EXCEPTION 'order_holds: the hold of order % moves only by a leg of its own', NEW.order_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER order_holds_insert BEFORE INSERT ON order_holds FOR EACH ROW EXECUTE FUNCTION order_holds_guard();
CREATE TRIGGER order_holds_update BEFORE UPDATE ON order_holds FOR EACH ROW EXECUTE FUNCTION order_holds_guard();
