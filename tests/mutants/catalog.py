"""Every mutant, by what it breaks."""

from collections.abc import Mapping
from dataclasses import replace

from tests.mutants.amends import AMENDS
from tests.mutants.books import BOOKS
from tests.mutants.claims import CLAIMS
from tests.mutants.messages import MESSAGES
from tests.mutants.mutant import Cell, Mutant
from tests.mutants.proofs import PROOFS
from tests.mutants.sends import SENDS

#: These the simulation finds by itself, each within the first hundred seeds when it was written down.
SCHEDULES = 300
FOUND_BY_SEEDS: Mapping[str, str] = {
    "blind-retry": "two orders at the venue",
    "send-before-the-intent": "a send leaves while a transaction is open",
    "another-client-id-for-each-send": "a send arrives that is not on record",
    "rescue-without-a-look": "trades at the venue that are in no fill",
    "resend-before-the-deadline": "two orders at the venue",
    "our-clock-for-the-proof": "two orders at the venue",
    "limit-is-proof-everywhere": "two orders at the venue",
    "fills-without-a-key": "fills that are no trades",
    "hold-released-while-unknown": "an order holds less than it needs",
    "hold-released-twice": "the ledger's guard refuses a hold below zero",
    "filled-by-status": "trades at the venue that are in no fill",
    "end-before-its-fills": "trades at the venue that are in no fill",
    "cancels-answer-is-final": "trades at the venue that are in no fill",
}


def _with_schedules(mutant: Mutant) -> Mutant:
    sees = FOUND_BY_SEEDS.get(mutant.name)
    if sees is None:
        return mutant
    return replace(mutant, cells=(*mutant.cells, Cell(test=f"simulation:{SCHEDULES}", sees=sees)))


MUTANTS = tuple(_with_schedules(mutant) for mutant in (*SENDS, *PROOFS, *CLAIMS, *BOOKS, *AMENDS, *MESSAGES))
