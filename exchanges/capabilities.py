"""What a venue can do: as the table has it, as far as an alias may take it over, or the most careful values."""

from dataclasses import replace

from exchanges.aliases import ALIASES, inherited
from exchanges.capability import Amend, AmendSize, Capabilities, IdScope, Paging
from exchanges.capability_table import CAPABILITIES

__all__ = ["CAPABILITIES", "CAREFUL", "Amend", "AmendSize", "Capabilities", "IdScope", "Paging", "capabilities"]

CAREFUL = Capabilities()


def capabilities(ccxt_id: str, *, paper_amends: bool = False) -> Capabilities:
    """``paper_amends``: the built-in venue, which speaks as ``ccxt_id`` does and amends in place besides."""
    alias = ALIASES.get(ccxt_id)
    known = CAPABILITIES.get(ccxt_id, CAREFUL) if alias is None else inherited(alias, CAPABILITIES[alias.of])
    if not paper_amends:
        return known
    return replace(
        known,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,
        amend_keeps_id=True,
        amended_at="amendedOrder.orderId",
    )
