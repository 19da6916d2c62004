"""The shapes of messages and dead letters, for the API's description only."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import ProblemField, Time

MessageStatus = Literal["published", "received", "succeeded", "failed", "killed", "returned", "expired", "dead"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Message(_Shape):
    """What is known of one message. It is written in batches and may lag by a fraction of a second."""

    id: str
    task: str
    queue: str
    order_id: str | None
    child_id: str | None
    subject: str | None = Field(description="what else it is about: a client order id, a venue, a market")
    status: MessageStatus
    attempts: int = Field(description="deliveries to a worker")
    first_at: Time
    published_at: Time | None
    received_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    worker: str | None = Field(description="who had it last")
    run_ms: int | None


class Messages(_Shape):
    items: list[Message]


class Spread(_Shape):
    p50_ms: float | None
    p99_ms: float | None


class TaskFigures(_Shape):
    task: str
    queue: str
    published: int
    received: int = Field(description="messages that came to a worker")
    redelivered: int = Field(description="deliveries beyond the first of a message")
    succeeded: int
    failed: int
    expired: int
    dead: int
    wait: Spread = Field(description="from the publishing to the beginning of the task")
    run: Spread = Field(description="of the task itself")


class MessageStats(_Shape):
    since: Time
    counted: int
    complete: bool = Field(description="false: there were more messages than are counted; these are the newest")
    items: list[TaskFigures]


class MessageEvent(_Shape):
    event: str
    at: Time = Field(description="on the clock of the process that saw it")
    worker: str | None
    pid: int | None
    detail: dict[str, Any] | None


class LetterDecision(_Shape):
    at: Time
    by: str
    note: str
    outcome: str


class DeadLetter(_Shape):
    id: int
    task: str = Field(description="empty where it names none")
    queue: str | None
    message_id: str | None
    order_id: str | None
    child_id: str | None
    code: str
    message: str
    errors: list[ProblemField]
    kept: Literal["whole", "cut", "redacted", "unreadable"]
    deliveries: int | None = Field(description="how often a worker began on it, where that is why")
    count: int = Field(description="how often it was read; the same content is one letter")
    created_at: Time
    status: Literal["open", "replayed", "discarded"]
    decision: LetterDecision | None


class DeadLetterShown(DeadLetter):
    body: Any = Field(description="redacted and bounded")
    events: list[MessageEvent]


class DeadLetters(_Shape):
    items: list[DeadLetter]
    next_before: int | None = Field(description="the `before` of the next page")


class DecisionRequest(_Shape):
    note: str | None = Field(default=None, max_length=1000)
    by: str | None = Field(default=None, max_length=64, description="who decides, for the record")
