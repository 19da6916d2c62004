"""Tables of reconciliation: runs, their looks, what they found, freezes and corrections. Guards: ``guards/reconciliation.*.sql``."""

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Integer, Table, Text, UniqueConstraint, text

from models.reconciliation import (
    AccountStage,
    BreakAction,
    BreakKind,
    BreakSeverity,
    BreakStatus,
    RunScope,
    RunStatus,
)
from storage.metadata import metadata
from storage.types import Exact, Json, RowId, Timestamp, Word, one_of

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Text, primary_key=True),
    #: a night has one run, however many beats there are; NULL: on demand
    Column("slot", Text),
    Column("scope", Word(RunScope), nullable=False),
    Column("status", Word(RunStatus), nullable=False),
    #: who asked for it: ``beat``, ``http``, a name
    Column("started_by", Text, nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("finished_at", Timestamp),
    UniqueConstraint("slot", name="uq_reconciliations_slot"),
    one_of("scope", RunScope),
    one_of("status", RunStatus),
)

#: how far each venue account of a run is
reconciliation_accounts = Table(
    "reconciliation_accounts",
    metadata,
    Column("run_id", Text, ForeignKey("reconciliations.id"), primary_key=True),
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("stage", Word(AccountStage), nullable=False),
    #: when its next step may begin; NULL once it is over
    Column("due_at", Timestamp),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    #: what came of it, in words
    Column("message", Text, nullable=False, server_default=text("''")),
    #: when its first look began: what was booked since then blurs it
    Column("looked_at", Timestamp),
    Column("updated_at", Timestamp, nullable=False),
    one_of("stage", AccountStage),
    Index(
        "ix_reconciliation_accounts_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_reconciliation_accounts_place", "venue", "account", "stage"),
)

#: What each look saw: differences, what could not be judged, figures. Append-only.
reconciliation_looks = Table(
    "reconciliation_looks",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    #: 1 or 2
    Column("number", Integer, primary_key=True),
    Column("body", Json, nullable=False),
    Column("at", Timestamp, nullable=False),
    ForeignKeyConstraint(
        ["run_id", "venue", "account"],
        ["reconciliation_accounts.run_id", "reconciliation_accounts.venue", "reconciliation_accounts.account"],
        name="fk_reconciliation_looks_account",
    ),
)

breaks = Table(
    "breaks",
    metadata,
    Column("id", Text, primary_key=True),
    #: the run that found it first
    Column("run_id", Text, ForeignKey("reconciliations.id"), nullable=False),
    Column("kind", Word(BreakKind), nullable=False),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    #: what it is about, within its venue account: one break stands open per key
    Column("key", Text, nullable=False),
    Column("asset", Text),
    Column("symbol", Text),
    Column("order_id", Text),
    Column("child_id", Text),
    Column("venue_order_id", Text),
    #: as seen last, in the asset (of an order: filled base)
    Column("ours", Exact),
    Column("cached", Exact),
    Column("theirs", Exact),
    Column("difference", Exact),
    Column("severity", Word(BreakSeverity), nullable=False),
    Column("action", Word(BreakAction), nullable=False),
    Column("status", Word(BreakStatus), nullable=False),
    Column("message", Text, nullable=False),
    Column("found_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Column("decided_at", Timestamp),
    Column("decided_by", Text),
    Column("note", Text),
    one_of("kind", BreakKind),
    one_of("severity", BreakSeverity),
    one_of("action", BreakAction),
    one_of("status", BreakStatus),
    Index(
        "uq_breaks_open",
        "venue",
        "account",
        "key",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
    Index("ix_breaks_key", "venue", "account", "key"),
    Index("ix_breaks_status", "status", "found_at"),
)

#: What a run found, break by break, with the figures of that run. Append-only.
reconciliation_findings = Table(
    "reconciliation_findings",
    metadata,
    Column("run_id", Text, ForeignKey("reconciliations.id"), primary_key=True),
    Column("break_id", Text, ForeignKey("breaks.id"), primary_key=True),
    #: 1: this run found it first
    Column("is_new", Integer, nullable=False),
    Column("ours", Exact),
    Column("cached", Exact),
    Column("theirs", Exact),
    Column("difference", Exact),
    Column("severity", Word(BreakSeverity), nullable=False),
    Column("action", Word(BreakAction), nullable=False),
    Column("message", Text, nullable=False),
    Column("found_at", Timestamp, nullable=False),
    one_of("severity", BreakSeverity),
    one_of("action", BreakAction),
)

#: New sends that are stopped: an asset of a venue account, for as long as a break of it is open. Lifted, never deleted.
freezes = Table(
    "freezes",
    metadata,
    Column("break_id", Text, ForeignKey("breaks.id"), primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("lifted_at", Timestamp),
    Index(
        "ix_freezes_standing",
        "venue",
        "account",
        "asset",
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)

#: What was posted because of breaks. Append-only.
corrections = Table(
    "corrections",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("break_id", Text, ForeignKey("breaks.id"), nullable=False),
    Column("entry_id", RowId, ForeignKey("ledger_entries.id"), nullable=False),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("asset", Text, nullable=False),
    #: what it added to our total; 0 where it only became available
    Column("amount", Exact, nullable=False),
    #: 1: by itself, counted against the day's cap
    Column("automatic", Integer, nullable=False),
    Column("posted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("posted_at", Timestamp, nullable=False),
    UniqueConstraint("entry_id", name="uq_corrections_entry_id"),
    Index("ix_corrections_day", "venue", "account", "asset", "posted_at"),
    Index("ix_corrections_break_id", "break_id"),
)
