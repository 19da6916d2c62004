"""Which tests of crashes, stops and outages run in ``make test``: one variant of each kind, the stacks in turn.

All variants on all stacks take half an hour, and the fault matrix shows the same stages on every stack in minutes.
``make test-all`` (``STEADFILL_TESTS=all``) runs them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ACCEPTANCE = Path(__file__).parent

#: The other way round: what is left to ``make test-all`` of files whose other tests always run. Of all pieces killed at once
#: one stack is enough here, since test_up_survives.py kills them in turn on the next, and test_recovery.py on the third.
AT_LENGTH = (
    "test_orders_are_executed_and_every_killed_piece_comes_back[postgres-redis",
    "test_orders_are_executed_and_every_killed_piece_comes_back[postgres-rabbitmq",
    "test_outage_of_some_seconds_is_waited_out[refuse-postgres-redis",
    "test_outage_of_some_seconds_is_waited_out[close-sqlite-embedded",
)

#: file → the beginnings of the names of the tests that always run; files that are not here run whole
ALWAYS: Mapping[str, Sequence[str]] = {
    "test_poison.py": (
        "test_a_step_that_kills_its_worker_is_given_up_and_its_order_waits_for_a_replay[postgres-redis-in-a-worker",
        "test_a_request_that_kills_its_worker_is_kept_and_can_be_sent_again[sqlite-embedded",
        "test_what_nobody_can_read_is_kept_and_the_workers_live[postgres-redis",
        "test_what_rabbitmq_set_aside_is_a_letter",
    ),
    "test_shutdown.py": (
        "test_send_that_outlasts_the_shutdown_is_taken_up_by_another_worker[postgres-redis-commit.sending",
        "test_signals_to_all_workers_under_load_on_every_stack[postgres-rabbitmq-TERM",
        "test_api_that_is_told_to_stop_answers_what_is_in_flight[sqlite-embedded-15",
    ),
    "test_deploys.py": (
        "test_restart_of_all_workers_in_turn_under_load_loses_and_doubles_nothing[postgres-rabbitmq",
        "test_order_in_a_status_of_a_newer_version_is_left_alone_and_the_others_go_on[sqlite-embedded",
    ),
    "test_notify_failures.py": (
        "test_relay_that_is_killed_between_publish_and_delete_sends_the_notice_again[sqlite-embedded",
        "test_flushed_broker_loses_only_what_it_had_taken",
    ),
    "test_recovery.py": ("test_each_process_is_killed_in_turn_and_every_order_ends_filled_once[postgres-rabbitmq",),
    "test_crashes.py": (
        "test_kill_of_the_sender_while_its_request_is_under_way[sqlite-embedded-after",
        "test_kill_of_the_sender_while_its_request_is_under_way[postgres-redis-before",
        "test_kill_of_the_sender_whose_request_arrives_past_its_window",
        "test_kill_of_everything_with_orders_in_every_step[sqlite-embedded",
        "test_kill_of_everything_with_orders_in_every_step[postgres-rabbitmq",
        "test_sender_that_is_stopped_past_its_lease_in_the_middle_of_a_send[postgres-redis",
        "test_sender_that_is_stopped_before_its_request_arrives",
        "test_kill_of_beat_delays_what_rests_until_it_is_back[sqlite-embedded",
        "test_kill_of_the_api",
        "test_kill_of_the_worker_of_the_steps",
        "test_broker_that_goes_and_comes_back[postgres-rabbitmq",
        "test_broker_that_forgets_everything",
        "test_database_that_crashes_and_comes_back[postgres-redis",
        "test_venue_that_crashes_and_comes_back",
    ),
    "test_kill_in_a_send.py": (
        "test_order_whose_sender_was_killed_in_the_send_is_found_by_the_next[celery_setup_worker-celery_redis",
    ),
    "test_worker_kill.py": (
        "test_orders_of_a_killed_worker_are_each_sent_once_and_filled[celery_setup_worker-celery_rabbitmq",
    ),
    "test_up_survives.py": ("test_each_piece_is_killed_in_turn_and_no_order_is_lost_or_doubled[postgres-redis",),
    "test_amend.py": ("test_the_same_patch_64_times_at_once_has_one_effect[postgres-redis", "test_another"),
    "test_schedules.py": (
        "test_a_twap_is_sent_in_slices_at_their_times[postgres-rabbitmq",
        "test_many_schedules_at_once_end_filled[postgres-redis",
        "test_pov",
        "test_a_schedule_survives_the_death_of_its_workers[postgres-redis-all",
    ),
    "test_database.py": (
        "test_postgresql_is_killed_and_comes_back_under_load",
        "test_network_to_postgresql_is_cut_and_swallows_everything",
    ),
    "test_redis.py": (
        "test_redis_forgets_everything_while_orders_are_in_every_step",
        "test_everything_is_killed_at_the_same_time_under_load",
    ),
    "test_venue_outages.py": (
        "test_an_outage_opens_the_breaker_orders_wait_and_each_is_sent_once_when_it_is_over[sqlite-embedded-fails",
        "test_a_burst_of_orders_never_brings_a_ban[sqlite-embedded",
    ),
    # That it loses every queue is for test-all: RabbitMQ 3.10 itself may answer INTERNAL_ERROR from then on, for quorum
    # queues that were declared again while they were being deleted, until it is restarted.
    "test_rabbitmq.py": ("test_network_to_rabbitmq_is_cut_and_swallows_everything",),
}


def shortened(items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """``(run, left to make test-all)``; everything runs when all of it was asked for."""
    if os.environ.get("STEADFILL_TESTS") == "all":
        return list(items), []
    left = [item for item in items if not _always(item)]
    return [item for item in items if item not in left], left


def _always(item: pytest.Item) -> bool:
    if not item.path.is_relative_to(ACCEPTANCE):
        return True
    if item.name.startswith(AT_LENGTH):
        return False
    names = ALWAYS.get(item.path.name)
    return names is None or item.name.startswith(tuple(names))
