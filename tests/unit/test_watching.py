"""How often, and by which calls, what is in flight is looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from safelight.domain.errors import (
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
    Unavailable,
    Unreadable,
)
from safelight.domain.provider import RemoteRun, RemoteStatus, RunPage
from safelight.stages.poll import (
    CALLS_A_MINUTE,
    FEW,
    LEAST_LOGS,
    LOGS_A_TURN,
    SINGLES_A_TURN,
    InFlight,
    Memory,
    Seen,
    Turn,
    pause,
    watch,
)


class Pulse:
    def check(self) -> None:
        pass


def flying(count: int, **more: float) -> list[InFlight]:
    return [InFlight(uuid4(), f"run{n}", 60.0 + count - n, **more) for n in range(count)]


class Provider:
    """Its list has all of *runs*, newest first."""

    def __init__(self, runs: list[InFlight]) -> None:
        now = datetime.now(UTC)
        self.listed = [
            (run.provider_id, now - timedelta(seconds=run.age_seconds))
            for run in sorted(runs, key=lambda run: run.age_seconds)
        ]
        self.gets: list[str] = []
        self.lists = 0
        self.fail_at: int | None = None
        self.list_fault: SafelightError = Retryable("503")
        self.faults: dict[str, SafelightError] = {}

    def get(self, id: str) -> RemoteRun:
        self.gets.append(id)
        if id in self.faults:
            raise self.faults[id]
        return RemoteRun(id=id, status=RemoteStatus.PROCESSING, input={}, logs="log")

    def page(self, cursor: str | None) -> RunPage:
        if self.lists == self.fail_at:
            raise self.list_fault
        self.lists += 1
        start = int(cursor or 0)
        some = tuple(
            RemoteRun(id=id, status=RemoteStatus.PROCESSING, input={}, created_at=created)
            for id, created in self.listed[start : start + 100]
        )
        return RunPage(some, str(start + 100) if start + 100 < len(self.listed) else None)


def look(
    runs: list[InFlight], provider: Provider, memory: Memory | None = None
) -> tuple[list[list[Seen]], Turn]:
    written: list[list[Seen]] = []
    before = provider.lists + len(provider.gets)
    turn = watch(
        runs, provider.get, provider.page, Pulse(), lambda seen: written.append(list(seen)),
        memory or Memory(), vanished_seconds=1800,
    )  # fmt: skip
    assert turn.calls == provider.lists + len(provider.gets) - before + (
        provider.fail_at is not None
    )
    return written, turn


def ids(written: list[list[Seen]]) -> set[UUID]:
    return {seen.id for part in written for seen in part}


def test_a_thousand_are_seen_with_ten_list_calls_and_a_few_logs() -> None:
    runs = flying(1000, log_age=10.0)
    provider = Provider(runs)
    written, turn = look(runs, provider)
    assert turn.problem is None
    assert provider.lists == 10
    assert len(provider.gets) == LOGS_A_TURN
    assert {seen.id for part in written for seen in part} == {run.id for run in runs}


def test_ended_runs_in_the_list_cost_their_pages_and_no_single_gets() -> None:
    """A steady state: a third as many as run have ended, and lie between them."""
    runs = flying(4000, log_age=10.0)
    ended = [InFlight(uuid4(), f"ended{n}", 61.0 + 3 * n) for n in range(1333)]
    provider = Provider(runs + ended)
    written, _ = look(runs, provider)
    assert {seen.id for part in written for seen in part} == {run.id for run in runs}
    assert provider.lists == 54
    assert len(provider.gets) == LOGS_A_TURN - 54 // 20


def test_after_a_long_turn_the_older_half_is_looked_at_alone_and_then_all() -> None:
    """What has just begun hardly ever ends: for the same calls, what may end is seen more often."""
    runs = flying(4000)
    provider, memory = Provider(runs), Memory()
    for _ in range(2):
        written, turn = look(runs, provider, memory)
        assert ids(written) == {run.id for run in runs}
        waits = pause(runs, 5.0, turn) + turn.seconds
        written, turn = look(runs, provider, memory)
        assert ids(written) == {run.id for run in runs if run.age_seconds > 2060}
        assert pause(runs, 5.0, turn) + turn.seconds == pytest.approx(waits)
        assert waits == pytest.approx(60 * 30 / CALLS_A_MINUTE), "40 pages and 20"
    assert provider.lists == 120


def test_a_turn_that_is_not_long_is_followed_by_another_over_all() -> None:
    runs = flying(1500)
    provider, memory = Provider(runs), Memory()
    for _ in range(3):
        written, _ = look(runs, provider, memory)
        assert ids(written) == {run.id for run in runs}


@pytest.mark.parametrize("refusal", [ProviderRefused("unknown cursor"), NotFound("no such page")])
def test_a_provider_that_refuses_an_old_cursor_is_asked_for_all_from_then_on(
    refusal: SafelightError,
) -> None:
    runs = flying(3000)
    provider, memory = Provider(runs), Memory()
    look(runs, provider, memory)
    page = provider.page
    refused: list[str] = []

    def forgetful(cursor: str | None) -> RunPage:
        if cursor is not None and not refused:
            refused.append(cursor)
            provider.lists += 1
            raise refusal
        return page(cursor)

    provider.page = forgetful  # type: ignore[method-assign]
    for _ in range(3):
        written, turn = look(runs, provider, memory)
        assert turn.problem is None
        assert ids(written) == {run.id for run in runs}


def test_a_refusal_that_is_not_about_the_cursor_ends_the_turn_and_not_the_halves() -> None:
    runs = flying(3000)
    provider, memory = Provider(runs), Memory()
    look(runs, provider, memory)
    page = provider.page

    def refused(cursor: str | None) -> RunPage:
        provider.lists += 1
        raise ProviderRefused("403")

    provider.page = refused  # type: ignore[method-assign]
    _, turn = look(runs, provider, memory)
    assert isinstance(turn.problem, ProviderRefused)
    assert memory.cursors_last
    provider.page = page  # type: ignore[method-assign]
    look(runs, provider, memory)
    assert memory.half is not None


def test_a_list_that_is_not_found_ends_the_turn_and_not_the_watch() -> None:
    provider = Provider(flying(100))

    def lost(cursor: str | None) -> RunPage:
        provider.lists += 1
        raise NotFound("404")

    provider.page = lost  # type: ignore[method-assign]
    _, turn = look(flying(100), provider)
    assert isinstance(turn.problem, NotFound)


def test_a_half_that_would_spare_hardly_a_page_is_not_looked_at_alone() -> None:
    """Few run, the young ones together, the older ones each among thirty that have ended."""
    young = [InFlight(uuid4(), f"young{n}", 100.0 + n / 10) for n in range(100)]
    older = [InFlight(uuid4(), f"older{n}", 200.0 + 31 * n) for n in range(100)]
    ended = [InFlight(uuid4(), f"ended{n}", 200.5 + n) for n in range(3100)]
    provider, memory = Provider(young + older + ended), Memory()
    for _ in range(2):
        written, turn = look(young + older, provider, memory)
        assert turn.carried == 0
        assert ids(written) == {run.id for run in young + older}


def test_a_turn_that_met_a_fault_is_followed_by_one_over_all() -> None:
    runs = flying(3000)
    provider, memory = Provider(runs), Memory()
    look(runs, provider, memory)
    provider.fail_at = 35
    _, turn = look(runs, provider, memory)
    assert turn.problem is not None
    provider.fail_at = None
    written, _ = look(runs, provider, memory)
    assert ids(written) == {run.id for run in runs}


def test_of_ten_thousand_two_logs_a_turn_are_read() -> None:
    runs = flying(12_000, log_age=10.0)
    provider = Provider(runs)
    look(runs, provider)
    assert len(provider.gets) == LEAST_LOGS


def test_paging_ends_where_what_is_left_is_older_than_the_page_or_many_pages_bring_nothing() -> (
    None
):
    runs = flying(20)
    gone = [InFlight(uuid4(), f"gone{n}", 500.0) for n in range(30)]
    foreign = [InFlight(uuid4(), f"foreign{n}", 1000.0 + n) for n in range(5000)]
    provider = Provider(runs + foreign)
    look(runs + gone, provider)
    assert (provider.lists, len(provider.gets)) == (1, 30), "by their age they were on that page"
    provider = Provider(runs + foreign)
    old = [InFlight(uuid4(), f"old{n}", 99_000.0) for n in range(3)]
    look(runs + old, provider)
    assert (provider.lists, len(provider.gets)) == (4, 3), "three pages in vain, for three runs"


def test_a_list_that_is_behind_does_not_have_its_newest_runs_got_singly() -> None:
    known = [InFlight(uuid4(), f"known{n}", 200.0 + n) for n in range(300)]
    new = [InFlight(uuid4(), f"new{n}", 40.0) for n in range(300)]
    provider = Provider(known)
    look(known + new, provider)
    assert (provider.lists, len(provider.gets)) == (3, 0)


def test_so_many_that_no_page_shows_are_got_singly_and_others_in_another_turn() -> None:
    runs = flying(20)
    missing = [InFlight(uuid4(), f"missing{n}", 500.0) for n in range(500)]
    got: set[str] = set()
    for _ in range(2):
        provider = Provider(runs)
        look(runs + missing, provider)
        assert len(provider.gets) == SINGLES_A_TURN
        got |= set(provider.gets)
    assert len(got) > SINGLES_A_TURN


@pytest.mark.parametrize("fault", [Retryable("no status we know"), ProviderRefused("403")])
def test_one_run_that_cannot_be_read_keeps_no_other_from_being_looked_at(
    fault: SafelightError,
) -> None:
    runs = flying(4)
    provider = Provider(runs)
    provider.faults["run0"] = fault
    written, turn = look(runs, provider)
    assert ids(written) == {run.id for run in runs[1:]}
    assert turn.unreadable == {runs[0].id: fault}
    assert turn.problem is None


@pytest.mark.parametrize(
    "fault", [Unavailable("no connection"), TokenRefused(), Retryable("503", after=20)]
)
def test_a_fault_that_would_meet_all_of_them_ends_the_turn(fault: SafelightError) -> None:
    runs = flying(4)
    provider = Provider(runs)
    provider.faults = {run.provider_id: fault for run in runs}
    _, turn = look(runs, provider)
    assert turn.problem is fault
    assert len(provider.gets) == 1


def test_a_run_that_is_not_known_soon_after_it_was_accepted_is_left_for_later() -> None:
    runs = flying(1)
    provider = Provider(runs)
    provider.faults["run0"] = NotFound()
    assert look(runs, provider)[0] == []


def test_every_page_is_written_before_the_next_is_asked_for() -> None:
    runs = flying(300)
    provider = Provider(runs)
    provider.fail_at = 2
    provider.list_fault = Unavailable("no connection")
    written, turn = look(runs, provider)
    assert turn.problem is provider.list_fault
    assert [len(part) for part in written] == [100, 100]


@pytest.mark.parametrize(
    "fault",
    [Unreadable("over 64 MiB"), Retryable("500"), ProviderRefused("another host"), NotFound("404")],
)
def test_where_a_page_of_the_list_cannot_be_had_some_are_got_singly_all_the_same(
    fault: SafelightError,
) -> None:
    """One odd run in a page, or one that breaks the provider's own list, must not hide all others."""
    runs = flying(300)
    provider = Provider(runs)
    provider.fail_at, provider.list_fault = 1, fault
    written, turn = look(runs, provider)
    assert turn.problem is fault, "it is told all the same"
    assert [len(part) for part in written] == [100] + [1] * SINGLES_A_TURN
    assert not {seen.id for seen in written[0]} & ids(written[1:])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_list_that_leads_back_to_itself_ends(steps: int) -> None:
    runs = flying(500)
    provider = Provider(runs)
    page = provider.page

    def back(cursor: str | None) -> RunPage:
        found = page(cursor)
        return replace(found, next=str(100 * (int(cursor or 0) // 100 % (steps + 1) + 1)))

    provider.page = back  # type: ignore[method-assign]
    written, turn = look(runs, provider)
    assert isinstance(turn.problem, Unreadable)
    assert provider.lists == steps + 2
    assert len(ids(written)) == 100 * (steps + 2) + SINGLES_A_TURN


def test_an_answer_about_another_run_says_nothing_of_the_one_that_was_asked_for() -> None:
    class Mistaken(Provider):
        def get(self, id: str) -> RemoteRun:
            return super().get("run1" if id == "run0" else id)

    runs = flying(3)
    written, turn = look(runs, Mistaken(runs))
    assert ids(written) == {run.id for run in runs[1:]}
    assert "run1 was answered" in str(turn.unreadable[runs[0].id])


def test_three_gets_in_a_row_that_fail_end_the_turn_and_others_come_first_the_next_time() -> None:
    runs = flying(FEW)
    provider = Provider(runs)
    provider.faults = {run.provider_id: Retryable("500") for run in runs[:4]}
    seen: set[UUID] = set()
    for _ in range(60):
        provider.gets.clear()
        written, turn = look(runs, provider)
        assert len(provider.gets) == FEW or turn.problem is not None
        seen |= ids(written)
    assert seen == {run.id for run in runs[4:]}


def test_however_many_cannot_be_read_the_others_are_looked_at_in_the_same_turn() -> None:
    runs = flying(FEW)
    provider = Provider(runs)
    provider.faults = {run.provider_id: Unreadable("no run") for run in runs[:6]}
    written, turn = look(runs, provider)
    assert ids(written) == {run.id for run in runs[6:]}
    assert turn.problem is None


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


def test_a_pause_counts_all_that_the_turn_before_it_cost() -> None:
    """So many calls a minute, however they were made, and however long they took."""
    assert pause(flying(10_000), 5.0, Turn(calls=140)) == 140 * 60 / CALLS_A_MINUTE
    assert pause(flying(10_000), 5.0, Turn(calls=140, seconds=12.0)) == 30.0
    assert pause(flying(10_000), 5.0, Turn(calls=140, seconds=90.0)) == 5.0
    assert pause(flying(100), 5.0, Turn(calls=9)) == 5.0


def test_few_that_are_far_from_their_end_are_looked_at_less_often_and_soon_near_it() -> None:
    assert pause(flying(3, left=600.0), 5.0, Turn()) == 30.0
    assert pause(flying(3, left=60.0), 5.0, Turn()) == 15.0
    assert pause(flying(3, left=1.0), 5.0, Turn()) == 2.5
    assert pause(flying(3), 5.0, Turn()) == 5.0, "where nothing is known, as usual"
