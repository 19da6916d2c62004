"""A venue's keys for what it pushes: ``docs/streams.md`` tells what each does."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from settings.paper import PaperVenue

#: symbols whose books one account may watch: each is a subscription, and work in the one process that streams
MOST_BOOKS = 20


class StreamedVenue(PaperVenue):
    """What ``VenueSettings`` has of streams."""

    #: Fills and ends of orders are heard over WebSocket as well; polling goes on. Off: a stream is one more connection
    #: that signs in with the account's keys.
    streams: bool = False
    #: where every WebSocket connection goes instead of the venue's own address
    ws_url: str | None = None
    #: symbols whose order books are followed, to look at
    stream_books: tuple[str, ...] = Field(default=(), max_length=MOST_BOOKS)
    #: Milliseconds between polls while the stream is healthy; 0: as without one. It bounds how late an event is found
    #: that a healthy-looking stream never told.
    stream_poll_ms: int = Field(default=5_000, ge=0, le=60_000)

    @field_validator("ws_url")
    @classmethod
    def _a_stream_address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("ws", "wss") or not urlsplit(value).hostname):
            raise ValueError("must be an address like wss://host or ws://127.0.0.1:9100")
        return value.rstrip("/") if value else None

    @property
    def streams_at(self) -> str | None:
        """``ws_url``, or for the built-in venue the port where its requests go."""
        base_url: str | None = getattr(self, "base_url", None)
        if self.ws_url is None and self.paper and base_url is not None:
            return f"ws{base_url.removeprefix('http')}"
        return self.ws_url

    @model_validator(mode="after")
    def _can_stream(self) -> Self:
        if not self.streams:
            return self
        from exchanges.streams.ccxt_pro_import import can_stream

        ccxt_id: str = getattr(self, "ccxt_id", "")
        if not can_stream(ccxt_id):
            raise ValueError(f"has streams = true, and ccxt has no streams for {ccxt_id}. Remove streams: it is polled")
        if getattr(self, "dry_run", False):
            raise ValueError("has streams = true with dry_run, whose orders no venue knows. Remove streams")
        if getattr(self, "base_url", None) is not None and self.streams_at is None:
            raise ValueError(
                "has streams = true and a base_url, but no ws_url: requests would go to one place and the keys to the "
                "venue's own streams. Set ws_url to where the WebSocket side of base_url is, or remove streams"
            )
        return self
