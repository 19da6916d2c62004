"""Celery's settings, and nothing else: broker, queues, routes, beat schedule."""

from urllib.parse import urlsplit

from celery.schedules import crontab
from kombu import Exchange, Queue

from settings import load_settings
from tasks import queues
from tasks.topology import DEAD_EXCHANGE

_settings = load_settings()
_on_rabbitmq = urlsplit(_settings.broker_url).scheme in ("amqp", "amqps", "pyamqp")

#: A task that runs longer is killed with its process. What a silent worker holds on Redis goes to another within 3 s
#: (tasks/redis_transport.py); VISIBILITY_S is the last net under that.
HARD_LIMIT_S = 45
SOFT_LIMIT_S = 30
VISIBILITY_S = 120
#: Quorum queues set a message aside after so many deliveries. Poison is counted before (`[messages] max_deliveries`);
#: this is for what ends a worker before anything can be counted. A queue's arguments can't be changed once it exists.
DELIVERY_LIMIT = 20


def _queue(name: str) -> Queue:
    if not _on_rabbitmq or name == queues.ORDERS:
        # The door for other services is what a plain Celery client declares when it sends to a queue by name.
        return Queue(name, Exchange(name, type="direct"), routing_key=name)
    return Queue(
        name,
        # Native delayed delivery works through topic exchanges only.
        Exchange(name, type="topic"),
        routing_key=name,
        queue_arguments={"x-queue-type": "quorum"}
        if name == queues.HOUSEKEEPING  # hints that run out of date by design are no dead letters
        else {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": f"{name}.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


broker_url = _settings.broker_url
broker_connection_retry_on_startup = True
# A queue that vanishes between its declaration and its use, or a Redis that is full, is borne as a lost connection is:
# the worker connects again and declares everything anew, where it would end.
broker_channel_error_retry = True
# RabbitMQ: a worker behind a network that swallows everything notices within twice this, and another gets its messages.
broker_heartbeat = 20
broker_transport_options = (
    {"confirm_publish": True}
    if _on_rabbitmq
    else {
        "visibility_timeout": VISIBILITY_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
)
# Chords only; a step's outcome is its row.
result_backend = _settings.redis_url
task_ignore_result = True

imports = (
    "tasks.prepare",
    "tasks.validate",
    "tasks.plan",
    "tasks.commit",
    "tasks.settle",
    "tasks.lookup",
    "tasks.withdraw",
    "tasks.amend",
    "tasks.recall",
    "tasks.follow_up",
    "tasks.track",
    "tasks.probe",
    "tasks.rescue",
    "tasks.refresh",
    "tasks.costs",
    "tasks.cleanup",
    "tasks.anomalies",
    "tasks.backup",
    "tasks.seal",
    "tasks.movements",
    "tasks.verify",
    "tasks.reconcile",
    "tasks.reconcile_orders",
    "workflows.intake",
    "workflows.after_restore",
    "workflows.relay",
    "workflows.nightly",
    "workflows.process",
)

task_queues = [_queue(name) for name in queues.QUEUES]
task_routes = {task: {"queue": queue, "routing_key": queue} for task, queue in queues.ROUTES.items()}
task_default_queue = queues.STEPS
task_default_exchange = queues.STEPS
task_default_exchange_type = "topic" if _on_rabbitmq else "direct"
task_default_routing_key = queues.STEPS
task_create_missing_queues = True

task_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]
enable_utc = True
timezone = "UTC"

# Keeps what it can't accept as dead letters.
worker_consumer = "tasks.dead_letters_consumer:KeepingConsumer"
task_acks_late = True
task_reject_on_worker_lost = True
# One that is ended for its time goes back as well: nobody else may know of it.
task_acks_on_timeout = False
task_track_started = False
task_time_limit = HARD_LIMIT_S
task_soft_time_limit = SOFT_LIMIT_S
# A second publish for every message, of no use to Flower.
task_send_sent_event = False
# Flower switches the workers' events on when it starts, as does `celery events`; unwatched they cost a tenth.
worker_send_task_events = False
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = False
worker_hijack_root_logger = False
worker_soft_shutdown_timeout = 10.0
worker_max_tasks_per_child = 50_000
worker_max_memory_per_child = 400_000  # KiB

#: seconds; each message is worthless once the next one is due
TRACK_EVERY_S = 1.0
PROBE_EVERY_S = 2.0
RESCUE_EVERY_S = 5.0  # a net: every worker with threads looks twice a second by itself
RELAY_EVERY_S = 5.0
REFRESH_EVERY_S = 300.0
MEASURE_EVERY_S = 60.0
CLEANUP_EVERY_S = 3600.0
EXAMINE_EVERY_S = 3600.0
RESTORED_EVERY_S = 5.0  # how soon sending goes on after a restore
SEAL_EVERY_S = 5.0
MOVEMENTS_EVERY_S = 900.0
VERIFY_EVERY_S = 3600.0  # a look whether a day has passed since the last one
SWEEP_EVERY_S = 30.0
WATCH_SERIES_EVERY_S = 60.0


def _every(task: str, seconds: float) -> dict[str, object]:
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 2.0)}}


beat_schedule = {
    "look at what rests at the venues": _every("orders.watch", TRACK_EVERY_S),
    "look whether a breaker is to be probed": _every("venues.look", PROBE_EVERY_S),
    "send on what stands too long": _every("orders.rescue", RESCUE_EVERY_S),
    "publish what stayed in the outbox": _every("orders.relay", RELAY_EVERY_S),
    "read the venues' instruments again": _every("venues.refresh_all", REFRESH_EVERY_S),
    "read what the market did while orders worked": _every("orders.measure", MEASURE_EVERY_S),
    "finish a restore": _every("orders.finish_restore", RESTORED_EVERY_S),
    "see whether fees, slippage and delays have moved": _every("orders.watch_series", WATCH_SERIES_EVERY_S),
    "look at the database's file": _every("storage.examine", EXAMINE_EVERY_S),
    "forget what is no longer needed": _every("storage.cleanup", CLEANUP_EVERY_S),
    "book what came in and left at the venues": _every("venues.movements_all", MOVEMENTS_EVERY_S),
    "seal what was posted": _every("ledger.seal", SEAL_EVERY_S),
    "verify the books once a day": _every("ledger.verify", VERIFY_EVERY_S),
    "send on what a reconciliation left": _every("reconciliations.sweep", SWEEP_EVERY_S),
}
if _settings.backup.nightly:
    beat_schedule["copy the database"] = {
        "task": "storage.backup",
        "schedule": crontab(hour=str(_settings.backup.hour), minute="0"),
        "options": {"expires": 3600},
    }
if _settings.reconciliation.orders_every_s:
    beat_schedule["compare open orders"] = _every("orders.compare_all", _settings.reconciliation.orders_every_s)
if _settings.reconciliation.nightly_at != "never":
    _hour, _minute = _settings.reconciliation.nightly_at.split(":")
    # An hour late it is still this night's; the run's slot keeps a second beat from beginning another.
    beat_schedule["reconcile with the venues"] = {
        "task": "reconciliations.nightly",
        "schedule": crontab(hour=int(_hour), minute=int(_minute)),
        "options": {"expires": 3600.0},
    }
beat_max_loop_interval = 1.0
