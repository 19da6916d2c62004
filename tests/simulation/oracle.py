"""What must hold of a schedule: while it runs, and once it has come to rest."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from accounting.holds import FeeIn, hold_needed
from models.clock import micros
from models.reports import NewOrder
from models.transitions import CHILD_FINAL, ORDER_FINAL
from models.vocabulary import Side
from storage.ledger import balances, invariants
from storage.position_proof import prove_equal
from tests.simulation.scene import Clients
from tests.simulation.venue import BASE, FEE_RATE, QUOTE, Venue, VenueOrder
from tests.simulation.world import World

_FINAL = {status.value for status in ORDER_FINAL}
_ANY_OPEN = f"SELECT EXISTS (SELECT 1 FROM orders WHERE status NOT IN ({', '.join(map(repr, sorted(_FINAL)))}))"
_CHILD_FINAL = {status.value for status in CHILD_FINAL}


class Oracle:
    def __init__(self, world: World, venue: Venue, clients: Clients) -> None:
        self._world = world
        self._venue = venue
        self._clients = clients
        self._arrived: Counter[tuple[str, int]] = Counter()
        #: how much had been written when the holds were checked
        self._held_at = -1
        venue.on_arrival = self._arrival
        venue.on_accept = self._accepted

    # --------------------------------------------------------------------------------------------- while it runs

    def _arrival(self, new: NewOrder) -> None:
        """An intent is on record before its request is at the venue, and each intent sends once."""
        stamp = micros(new.timestamp)
        known = self._world.database.rows(
            "SELECT c.id, s.number FROM child_orders c JOIN sends s ON s.child_id = c.id "
            "WHERE c.venue_client_order_id = ? AND s.timestamp = ?",
            new.client_order_id,
            stamp,
        )
        if not known:
            self._world.violate(f"a send of {new.client_order_id} arrived without an intent on record")
        self._arrived[new.client_order_id, stamp] += 1
        if self._arrived[new.client_order_id, stamp] > max(len(known), 1):
            self._world.violate(f"one intent of {new.client_order_id} was sent more than once")

    def _accepted(self, order: VenueOrder, new: NewOrder) -> None:
        """One intent, one effect."""
        same = [entry for entry in self._venue.orders if entry.client_id == new.client_order_id]
        if len(same) > 1:
            self._world.violate(f"the venue has {len(same)} orders under the client id {new.client_order_id}")
        rows = self._world.database.rows(
            "SELECT o.id, o.quantity FROM orders o JOIN child_orders c ON c.order_id = o.id WHERE c.venue_client_order_id = ?",
            new.client_order_id,
        )
        if not rows:
            self._world.violate(f"the venue has an order of nobody's: {new.client_order_id}")
            return
        ((order_id, quantity),) = rows[:1]
        ids = {
            row[0]
            for row in self._world.database.rows(
                "SELECT venue_client_order_id FROM child_orders WHERE order_id = ?", order_id
            )
        }
        effect = sum(
            (
                entry.quantity if entry.is_open else entry.filled
                for entry in self._venue.orders
                if entry.client_id in ids
            ),
            Decimal(0),
        )
        if effect > Decimal(quantity):
            self._world.violate(f"order {order_id} of {quantity} has an effect of {effect}")

    def check_holds(self) -> None:
        """What open orders may still take is held; what has ended holds nothing."""
        database = self._world.database
        if self._held_at == database.writes:
            return
        self._held_at = database.writes
        held: dict[str, dict[str, Decimal]] = {}
        for order_id, asset, amount in database.rows(
            "SELECT h.order_id, a.asset, h.amount FROM order_holds h JOIN ledger_accounts a ON a.id = h.account_id"
        ):
            held.setdefault(order_id, {})[asset] = Decimal(amount)
        fee_in = FeeIn.QUOTE if self._venue.model.fee.value == "quote" else FeeIn.RECEIVED
        for order_id, status, side, quantity, filled, price in database.rows(
            "SELECT id, status, side, quantity, filled_quantity, price FROM orders"
        ):
            left = held.get(order_id, {})
            if status in _FINAL:
                if any(left.values()):
                    self._world.violate(f"order {order_id} is {status} and holds {left}")
                continue
            if status == "RECEIVED":
                continue
            need = hold_needed(
                side=Side(side), base=BASE, quote=QUOTE, remaining=Decimal(quantity) - Decimal(filled),
                price=Decimal(price) if price is not None else Decimal(100), fee_rate=FEE_RATE, fee_in=fee_in,
            )  # fmt: skip
            if left.get(need.asset, Decimal(0)) < need.amount:
                self._world.violate(f"order {order_id} is {status}, needs {need.amount} {need.asset} and holds {left}")

    # -------------------------------------------------------------------------------------------------- in the end

    def at_rest(self) -> bool:
        """Whether there is nothing left to wait for."""
        if self._world.flying or self._clients.waiting:
            return False
        if self._world.broker.busy:
            return False
        ((any_open,),) = self._world.database.unchanged_rows(_ANY_OPEN)
        return not any_open

    def check_end(self) -> None:
        for check in (self._accepted_all, self._all_final, self._fills, self._books, self._timeline, self._alerts):
            check()
        self.check_holds()

    def _accepted_all(self) -> None:
        known = dict(self._world.database.rows("SELECT client_order_id, id FROM orders"))
        for wish in self._clients.wishes:
            if wish.order_id is not None and known.get(wish.request["client_order_id"]) != wish.order_id:
                self._world.violate(f"order {wish.order_id}, which was promised, is lost")

    def _all_final(self) -> None:
        database = self._world.database
        for order_id, status, reason in database.rows("SELECT id, status, reason_code FROM orders"):
            if status not in _FINAL:
                self._world.violate(f"order {order_id} ends {status} ({reason})")
        for child_id, status in database.rows("SELECT id, status FROM child_orders"):
            if status not in _CHILD_FINAL:
                self._world.violate(f"child {child_id} ends {status}")
        for order in self._venue.orders:
            if order.is_open:
                self._world.violate(f"order {order.id} at the venue is still open")

    def _fills(self) -> None:
        """Every trade of the venue is booked once, as it was."""
        theirs = {
            (made.trade.venue_order_id, made.trade.venue_trade_id): (
                made.trade.quantity,
                made.trade.price,
                made.trade.fee,
            )
            for made in self._venue.trades
        }
        ours = {
            (row[0], row[1]): (Decimal(row[2]), Decimal(row[3]), Decimal(row[4]))
            for row in self._world.database.rows(
                "SELECT venue_order_id, venue_trade_id, quantity, price, fee FROM fills"
            )
        }
        if theirs != ours:
            missing, extra = theirs.keys() - ours.keys(), ours.keys() - theirs.keys()
            self._world.violate(f"fills and trades differ: missing {sorted(missing)}, too many {sorted(extra)}")
        for order_id, status, quantity, filled in self._world.database.rows(
            "SELECT o.id, o.status, o.quantity, o.filled_quantity FROM orders o"
        ):
            booked = sum(
                (
                    Decimal(row[0])
                    for row in self._world.database.rows("SELECT quantity FROM fills WHERE order_id = ?", order_id)
                ),
                Decimal(0),
            )
            if booked != Decimal(filled):
                self._world.violate(f"order {order_id} says {filled} filled, its fills say {booked}")
            if (status == "FILLED") != (booked == Decimal(quantity)):
                self._world.violate(f"order {order_id} is {status} with {booked} of {quantity} filled")

    def _books(self) -> None:
        connection: Any = self._world.database.connection
        for sentence in invariants(connection):
            self._world.violate(f"the books: {sentence}")
        for sentence in prove_equal(connection):
            self._world.violate(f"the positions: {sentence}")
        theirs = {asset: amount for asset, amount in self._venue.totals().items() if amount}
        ours = {entry.asset: entry.total for entry in balances(connection, "sim", "main") if entry.total}
        if ours != theirs:
            self._world.violate(f"our balances {_shown(ours)}, the venue's {_shown(theirs)}")
        broken = self._world.database.rows("PRAGMA foreign_key_check")
        if broken:
            self._world.violate(f"foreign keys are broken: {broken}")

    def _timeline(self) -> None:
        """Every version is on record, without a gap, and the last one is what the row says."""
        rows = self._world.database.rows(
            "SELECT entity, entity_id, count(*), max(version), min(version) FROM transitions GROUP BY entity, entity_id"
        )
        recorded = {(row[0], row[1]): row[2:] for row in rows}
        for entity, table in (("order", "orders"), ("child", "child_orders")):
            for row_id, version in self._world.database.rows(f"SELECT id, version FROM {table}"):
                count, last, first = recorded.get((entity, row_id), (0, 0, 0))
                if (count, last, first) != (version, version, 1):
                    self._world.violate(
                        f"the timeline of {entity} {row_id} has {count} entries up to {last} of {version}"
                    )

    def _alerts(self) -> None:
        """Alerts that say that a promise broke are themselves a finding."""
        for kind, message in self._world.database.rows("SELECT kind, message FROM alerts"):
            if kind in ("STRAY_ORDER", "CONTRADICTORY_FILL", "BOOKS_SHORT"):
                self._world.violate(f"alert {kind}: {message}")


def _shown(amounts: dict[str, Decimal]) -> str:
    return ", ".join(f"{asset} {amount}" for asset, amount in sorted(amounts.items()))
