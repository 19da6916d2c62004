"""Instruments shared by all processes: one document per venue."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from models.instrument import Instrument
from models.instrument_codec import instrument_from_dict, instrument_to_dict
from storage.engine import read, write
from storage.service_tables import instrument_sets
from storage.upsert import upsert


class DatabaseInstruments:
    """The store behind the processes' instrument caches."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def load(self, venue: str, known: datetime | None = None) -> tuple[Sequence[Instrument], datetime | None] | None:
        """What was saved last, and when the venue said so; nothing and None where nothing was. None: it is of ``known``."""
        saved = select(instrument_sets).where(instrument_sets.c.venue == venue)
        with read(self._engine) as conn:
            if known is not None:
                at = conn.scalar(select(instrument_sets.c.fetched_at).where(instrument_sets.c.venue == venue))
                if at == known:
                    return None
            row = conn.execute(saved).one_or_none()
        if row is None:
            return [], None
        return [instrument_from_dict(values) for values in json.loads(row.body)], row.fetched_at

    def save(self, venue: str, instruments: Sequence[Instrument]) -> None:
        """Replace everything of ``venue``; an empty answer of the venue replaces nothing."""
        if not instruments:
            return
        values = {
            "body": json.dumps([instrument_to_dict(instrument) for instrument in instruments]),
            "fetched_at": max(instrument.fetched_at for instrument in instruments),
        }
        with write(self._engine) as conn:
            statement = upsert(conn, instrument_sets).values(venue=venue, **values)
            conn.execute(statement.on_conflict_do_update(index_elements=["venue"], set_=values))
