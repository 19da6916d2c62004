"""``docs/venues.md`` from the table of capabilities: ``python -m ops.venues_page`` prints it, ``make docs`` writes it."""

import sys
from collections.abc import Iterator

from exchanges.aliases import ALIASES, Alias
from exchanges.capabilities import CAPABILITIES, CAREFUL, Amend, Capabilities, IdScope, capabilities
from exchanges.capability_notes import NOTES
from exchanges.capability_words import in_words

_SCOPES = {IdScope.OPEN_ORDERS: "open orders", IdScope.ALWAYS: "yes", IdScope.UNKNOWN: "unknown"}
#: stands for a venue that has no entry
NO_ENTRY = "any other"

_HEAD = """\
# Venues

What Steadfill knows of each venue, and what it does there because of it. Made from
[`exchanges/capability_table.py`](../exchanges/capability_table.py) by `make docs`: change the table, not this page.

A venue is named in `steadfill.toml` by its class of ccxt (`ccxt_id`). Any class will do; for one that is not listed here the
[most careful values](#a-venue-without-an-entry) hold; some share a class [under another name](#classes-under-another-name). What each venue's errors prove is in
[`exchanges/venue_codes.py`](../exchanges/venue_codes.py), with a table of answers in `tests/contract/evidence_rows/`.
"""
_ALIASES = """\
## Classes under another name

ccxt has classes that are another class with other addresses (`exchanges/aliases.py`). How such a venue is spoken to is
the same, so requests, lists, client ids and codes are read as its parent's. What the parent promises holds only where its
own documentation names the address as one of its service; elsewhere the most careful values hold, `steadfill doctor` says
so, and a send whose answer was lost waits for a person. Nothing is written here of classes whose parent has no entry, or
that have no spot market.
"""
_CAREFUL = """\
## A venue without an entry

Nothing is assumed that could trade twice, lose an order or book a wrong number. It can be traded on, with less comfort:
a send whose answer was lost waits for a person (`SEND_UNKNOWN`, `steadfill order resolve`). `steadfill doctor` says so too.
Begin with small orders. An entry is written from the venue's documentation and proven by a server of its dialect
in `tests/contract/dialects/`.
"""


def page() -> str:
    parts = [_HEAD, *_overview()]
    for ccxt_id, can in CAPABILITIES.items():
        about = NOTES[ccxt_id]
        parts += [
            f'\n## {about.name}\n\n`ccxt_id = "{ccxt_id}"` · written from <{about.source}>\n',
            *_table(ccxt_id, can),
        ]
        parts += ["", *(f"- {note}" for note in about.notes)] if about.notes else []
    parts += ["\n" + _ALIASES, *_aliases(), "\n" + _CAREFUL, *_table("", CAREFUL)]
    return "\n".join(parts) + "\n"


def _overview() -> Iterator[str]:
    yield "| venue | proves absence | client ids unique | finds by client id | market buys | amends in place | own icebergs |"
    yield "|---|---|---|---|---|---|---|"
    for ccxt_id, can in [*CAPABILITIES.items(), (NO_ENTRY, CAREFUL)]:
        cells = (
            ccxt_id,
            _yes(can.enforces_deadline),
            _SCOPES[can.client_ids_unique],
            _yes(can.finds_by is not None),
            _yes(can.market_buy_params is not None),
            _yes(can.amend is Amend.IN_PLACE),
            _yes(can.native_iceberg),
        )
        yield f"| {' | '.join(cells)} |"


def _aliases() -> Iterator[str]:
    yield "| class | venue | speaks as | its promises | proves absence | client ids unique | source |"
    yield "|---|---|---|---|---|---|---|"
    for ccxt_id, alias in ALIASES.items():
        can = capabilities(ccxt_id)
        cells = (
            ccxt_id,
            alias.name,
            alias.of,
            _held(alias),
            _yes(can.enforces_deadline),
            _SCOPES[can.client_ids_unique],
        )
        yield f"| {' | '.join(cells)} | <{alias.source}> |"
    yield ""
    for ccxt_id, alias in ALIASES.items():
        yield from (f"- {ccxt_id}: {note}" for note in alias.notes)


def _held(alias: Alias) -> str:
    return "hold" if alias.one_service else "not taken over"


def _table(ccxt_id: str, can: Capabilities) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for what, how in in_words(ccxt_id, can):
        yield f"| {what} | {how.replace('|', chr(92) + '|')} |"


def _yes(value: bool) -> str:
    return "yes" if value else "–"


if __name__ == "__main__":
    sys.stdout.write(page())
