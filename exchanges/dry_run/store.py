"""Where the orders of a dry run are kept: durable, and shared by every process of the deployment."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from models.dry_run import DryRunOrder
from models.reports import Trade


class DryRunAccount(Protocol):
    """One simulated venue account inside a transaction, in which nobody else reads or changes it."""

    def add(self, order: DryRunOrder) -> None:
        """The client id must be free: ``by_client_id`` tells, and nobody comes between."""
        ...

    def save(self, order: DryRunOrder, trades: Sequence[Trade] = (), changes: Mapping[str, Decimal] = ...) -> None:
        """The order as it is now, its new trades, and by asset what they add to the account."""
        ...

    def order(self, order_id: str) -> DryRunOrder | None: ...

    def by_client_id(self, client_order_id: str) -> DryRunOrder | None: ...

    def open_orders(self, symbol: str | None = None) -> Sequence[DryRunOrder]:
        """Oldest first; of every symbol without one."""
        ...

    def trades(self, order_id: str) -> Sequence[Trade]:
        """Oldest first."""
        ...

    def trades_since(self, symbol: str, since: datetime) -> Sequence[Trade]:
        """From ``since`` on, oldest first."""
        ...

    def changes(self) -> Mapping[str, Decimal]:
        """By asset, what all trades together have added to the account or taken from it."""
        ...


class DryRunStore(Protocol):
    def account(self, venue: str, account: str) -> AbstractContextManager[DryRunAccount]:
        """A transaction alone with the account; committed at the end of the block, rolled back on an exception."""
        ...
