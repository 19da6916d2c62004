"""Capabilities in words, for people. Pure."""

from exchanges import client_ids
from exchanges.capabilities import Amend, AmendSize, Capabilities, IdScope, Paging

_SCOPES = {
    IdScope.OPEN_ORDERS: "unique among open orders only",
    IdScope.ALWAYS: "unique for good",
    IdScope.UNKNOWN: "nobody says whether a repeat is refused",
}
_PAGING = {
    Paging.BY_ID: "oldest first, page by page after the last id",
    Paging.FORWARD: "oldest first, page by page from the last time seen",
    Paging.BACKWARD: "newest first, page by page back to the oldest time seen",
    Paging.BY_PAGE: "newest first, by the number of the page",
    Paging.BY_OFFSET: "newest first, by how many were seen",
    Paging.SINGLE: "one page only: a full one counts as not read",
}
_SIZES = {
    AmendSize.TOTAL: "the quantity is the whole order's, fills included",
    AmendSize.REMAINING: "the quantity is what is still to fill",
    AmendSize.NONE: "it has no amendment whose quantity is documented",
}


def in_words(ccxt_id: str, can: Capabilities) -> list[tuple[str, str]]:
    """(what, how it is there), in the order in which they matter."""
    return [
        ("A send without an answer", unanswered(can)),
        ("Client ids", f"{_SCOPES[can.client_ids_unique]}; as `{client_ids.pattern(ccxt_id)}`"),
        ("Found by client id", found(can)),
        ("Lists are read", lists(can)),
        ("Too many requests", rate_limited(can)),
        ("Limit orders", limits(can)),
        ("Market buys", market_buys(can)),
        (
            "Reply to a create",
            "an acknowledgement, the order is read after it" if can.acknowledges_only else "the order",
        ),
        ("Amendments", amendments(can)),
        ("Icebergs", icebergs(can)),
        ("Fees", fees(can)),
        ("Requests are timed", timed(can)),
    ]


def unanswered(can: Capabilities) -> str:
    if can.enforces_deadline:
        return "sent again once the venue's own clock has passed its deadline and no trace shows"
    if can.deadline_header:
        return f"looked for, never sent again; a person decides (`{can.deadline_header}` bounds how late it arrives)"
    return "looked for, never sent again; a person decides"


def found(can: Capabilities) -> str:
    if can.finds_by is not None:
        return f"by `{can.finds_by}`, then in its lists"
    return "in its lists, filtered by it" if can.lists_filter is not None else "in its lists"


def lists(can: Capabilities) -> str:
    words = _PAGING[can.paging]
    if can.open_orders_page_param:
        words += "; open orders by page numbers, until two looks agree"
    if can.lists_all_open:
        words += "; those of all symbols at once"
    if can.look_days is not None:
        words += f"; {can.look_days} days a question"
    if can.trades_kept is not None:
        words += f"; trades older than {can.trades_kept.days} days are not shown"
    return words


def rate_limited(can: Capabilities) -> str:
    if can.rate_limit_is_rejection:
        return "a create that is answered so was surely not taken, and is sent again later"
    return "a create that is answered so counts as a send without an answer"


def limits(can: Capabilities) -> str:
    kinds = [name for name in ("GTC", "IOC", "FOK") if name in can.times_in_force]
    return ", ".join(kinds) + (", post-only" if can.post_only else "; no post-only")


def market_buys(can: Capabilities) -> str:
    if can.market_buy_params is None:
        return "refused: the venue takes only an amount of quote to spend; use a limit order that is IOC"
    return "by quantity of the base asset"


def amendments(can: Capabilities) -> str:
    if can.amend is Amend.IN_PLACE and can.amend_size is not AmendSize.NONE:
        deadline = ", under a deadline" if can.amend_deadline else ""
        return f"in place; {_SIZES[can.amend_size]}{deadline}"
    why = "the venue itself would replace the order" if can.amend is Amend.REPLACE else _SIZES[can.amend_size]
    return f"cancel, read what filled, send the rest: {why}"


def icebergs(can: Capabilities) -> str:
    return f"the venue's own (`{can.iceberg_param}`) or slices" if can.native_iceberg else "slices, one order each"


def fees(can: Capabilities) -> str:
    asset = {"received": "asset that is received", "quote": "quote asset", "base": "base asset"}[can.fee_in]
    return f"expected in the {asset}"


def timed(can: Capabilities) -> str:
    if not can.signs_milliseconds:
        return "by this machine's clock"
    return "by the venue's clock" + (", each later than the one before" if can.increasing_nonce else "")
