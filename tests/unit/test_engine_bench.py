"""The engine's benchmark: what its trainings go through is what real ones pay for."""

from __future__ import annotations

from benchmarks.engines.safelight_worker import STAGES
from safelight.domain.queues import Queue


def test_the_benchmarks_stages_go_through_all_queues_and_one_is_paid() -> None:
    assert [kind.policy.queue for kind in STAGES] == list(Queue)
    assert [kind.policy.paid for kind in STAGES] == [False, True, False, False, False]
