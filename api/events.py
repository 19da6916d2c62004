"""The feed of changes: every version of every order, to be read on from any place."""

import re
import time
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.context import Context, context_for
from api.problems import JsonResponse
from api.queries import Query
from models.errors import Refusal
from storage.events import Page, read_page

router = APIRouter()

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1_000
LONGEST_WAIT_S = 30

#: what ``next_cursor`` is: the feed's name and a position; a position alone will do as well
_CURSOR = re.compile(r"(?:([0-9a-f]{8})\.)?([0-9]{1,18})", re.ASCII)


class Gone(Refusal):
    """The place that a reader wants to go on from is not in this feed, so that it may have missed something."""

    status = 410
    code = "EVENTS_GONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    #: the feed that the cursor is of; None where it is a position alone
    feed: str | None
    #: None: from the oldest that is kept
    after: int | None
    limit: int
    wait_s: int


@router.get("/v1/events", **describe.EVENTS)
async def events(request: Request) -> Response:
    """Every change of every order behind a cursor, in order, each with the document as it left it."""
    wanted = _wanted(request)
    context = context_for(request)
    deadline = time.monotonic() + wanted.wait_s
    while True:
        page = await context.work.run(partial(read_page, context.runtime.engine, wanted.after, wanted.limit))
        _refuse_gone(wanted, page, context)
        left_s = deadline - time.monotonic()
        if page.items or left_s <= 0 or context.news.closed:
            return JsonResponse({"items": page.items, "next_cursor": _next_cursor(wanted, page)})
        await context.news.wait(page.head.forgotten if wanted.after is None else wanted.after, left_s)


def _wanted(request: Request) -> Wanted:
    query = Query(request, describe.EVENTS_PARAMETERS)
    feed: str | None = None
    after: int | None = None
    if request.query_params.get("after"):
        cursor = query.text("after")
        match = _CURSOR.fullmatch(cursor or "")
        if match is not None:
            feed, after = match[1], int(match[2])
        elif cursor is not None:
            query.refuse("after", "must be the next_cursor of an answer of this feed, or the position of an item")
    limit = query.count("limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT)
    wait_s = query.count("wait_s", default=0, most=LONGEST_WAIT_S, least=0)
    query.finish()
    return Wanted(feed=feed, after=after, limit=limit, wait_s=wait_s)


def _refuse_gone(wanted: Wanted, page: Page, context: Context) -> None:
    """Raise Gone where the cursor's place is none of this feed any more, or never was."""
    head, after = page.head, wanted.after
    if after is None:
        return
    if (wanted.feed is not None and wanted.feed != head.feed) or after > head.position:
        raise Gone(
            f"The cursor is of another feed than this one ({head.feed}), which has given {head.position} positions so "
            "far: the database is another one, or was restored. Read without `after`, from the oldest change that is "
            "kept, and compare versions with what is known already.",
            code="EVENTS_OF_ANOTHER_FEED",
        )
    if after < head.forgotten:
        keep_days = context.runtime.settings.events.keep_days
        raise Gone(
            f"The changes up to position {head.forgotten} are deleted: they are kept for {keep_days} days (keep_days "
            "in [events]). Read without `after`, from the oldest that is kept; GET /v1/orders has every order as it is.",
        )


def _next_cursor(wanted: Wanted, page: Page) -> str:
    position = page.items[-1]["position"] if page.items else wanted.after
    return f"{page.head.feed}.{page.head.forgotten if position is None else position}"
