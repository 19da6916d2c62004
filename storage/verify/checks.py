"""Every check of `verify`, in the order in which they run. A new one is a ``Check`` in a file beside this, and a row here."""

from collections.abc import Sequence

from storage.verify.chain import chain_check
from storage.verify.findings import Check
from storage.verify.guards import GUARDS
from storage.verify.journal import JOURNAL
from storage.verify.orders import ORDERS
from storage.verify.positions import POSITIONS

CHECKS: Sequence[Check] = (GUARDS, chain_check(), JOURNAL, ORDERS, POSITIONS)
