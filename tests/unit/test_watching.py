"""How often, and by which calls, what is in flight is looked at."""

from __future__ import annotations

from uuid import UUID, uuid4

from safelight.domain.errors import Retryable
from safelight.domain.provider import RemoteRun, RemoteStatus, RunPage
from safelight.stages.poll import (
    FEW,
    LIST_CALLS_A_MINUTE,
    LOGS_A_TURN,
    InFlight,
    Seen,
    pause,
    watch,
)


class Pulse:
    def check(self) -> None:
        pass


def flying(count: int, **more: float) -> list[InFlight]:
    return [InFlight(uuid4(), f"run{n}", 60.0, **more) for n in range(count)]


class Provider:
    def __init__(self, runs: list[InFlight]) -> None:
        self.ids = [run.provider_id for run in runs]
        self.gets: list[str] = []
        self.lists = 0
        self.fail_at: int | None = None

    def get(self, id: str) -> RemoteRun:
        self.gets.append(id)
        return RemoteRun(id=id, status=RemoteStatus.PROCESSING, input={}, logs="log")

    def page(self, cursor: str | None) -> RunPage:
        if self.lists == self.fail_at:
            raise Retryable("503")
        self.lists += 1
        start = int(cursor or 0)
        some = tuple(
            RemoteRun(id=id, status=RemoteStatus.PROCESSING, input={})
            for id in self.ids[start : start + 100]
        )
        return RunPage(some, str(start + 100) if start + 100 < len(self.ids) else None)


def look(runs: list[InFlight], provider: Provider) -> tuple[list[list[Seen]], Retryable | None]:
    written: list[list[Seen]] = []
    problem = watch(
        runs, provider.get, provider.page, Pulse(), lambda seen: written.append(list(seen)),
        vanished_seconds=1800,
    )  # fmt: skip
    return written, problem


def test_a_thousand_are_seen_with_ten_list_calls_and_a_few_logs() -> None:
    runs = flying(1000)
    provider = Provider(runs)
    written, problem = look(runs, provider)
    assert problem is None
    assert provider.lists == 10
    assert len(provider.gets) == LOGS_A_TURN
    assert {seen.id for part in written for seen in part} == {run.id for run in runs}


def test_every_page_is_written_before_the_next_is_asked_for() -> None:
    runs = flying(300)
    provider = Provider(runs)
    provider.fail_at = 2
    written, problem = look(runs, provider)
    assert problem is not None
    assert [len(part) for part in written] == [100, 100]


def test_few_are_asked_for_one_by_one() -> None:
    runs = flying(FEW)
    provider = Provider(runs)
    look(runs, provider)
    assert (provider.lists, len(provider.gets)) == (0, FEW)


def test_logs_are_read_of_those_that_are_looked_at_and_then_of_those_not_read_for_longest() -> None:
    runs = flying(50, log_age=10.0)
    looked_at = InFlight(UUID(int=1), "run7", 60.0, log_age=86_410.0)
    stale = InFlight(UUID(int=2), "run8", 60.0, log_age=500.0)
    runs[7], runs[8] = looked_at, stale
    provider = Provider(runs)
    look(runs, provider)
    assert provider.gets[:2] == ["run7", "run8"]


def test_watching_ten_thousand_costs_no_more_than_its_share_of_calls() -> None:
    assert pause(flying(10_000), 5.0) == 100 * 60 / LIST_CALLS_A_MINUTE
    assert pause(flying(100), 5.0) == 5.0


def test_few_that_are_far_from_their_end_are_looked_at_less_often_and_soon_near_it() -> None:
    assert pause(flying(3, left=600.0), 5.0) == 30.0
    assert pause(flying(3, left=60.0), 5.0) == 15.0
    assert pause(flying(3, left=1.0), 5.0) == 2.5
    assert pause(flying(3), 5.0) == 5.0, "where nothing is known, as usual"
