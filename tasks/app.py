"""The Celery app."""

from celery import Celery

from tasks import exact_messages, redis_guard, redis_transport

exact_messages.install()
redis_guard.install()
redis_transport.install()

app = Celery("steadfill", task_cls="tasks.poison:GuardedTask")
app.config_from_object("celeryconfig")
# By name: only a worker needs it.
app.steps["consumer"].update(
    ("tasks.dead_letters_queue:DeadLetterQueue", "tasks.dead_letters_unreadable:UnreadableMessages")
)
