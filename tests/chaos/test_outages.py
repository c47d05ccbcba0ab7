"""Outages one by one, on real processes: a broker whose links die, a broker that is away, a database that
is restarted again and again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from safelight.chaos.checks import check
from safelight.chaos.load import Load
from safelight.chaos.nemesis import Nemesis
from safelight.chaos.run import rest
from safelight.chaos.schedule import Fault
from safelight.chaos.waits import sampling
from safelight.chaos.world import World, world
from safelight.db import invariants

pytestmark = pytest.mark.slow
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "12"))
"""How long the broker is away; `make outages` takes five minutes."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("outages"), dict(os.environ)) as found:
        yield found


def loaded(found: World, trainings: int, seconds: float, seed: int) -> Load:
    load = Load(found, trainings, seconds, seed)
    load.start()
    return load


def states(found: World, ids: list[UUID]) -> set[str]:
    with found.cx.db.transaction() as tx:
        return {row["state"] for row in invariants.trainings(tx) if row["id"] in ids}


def wait_for(what: Callable[[], bool], seconds: float) -> float:
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s"
        time.sleep(0.2)
    return time.monotonic() - started


def at_rest(found: World, load: Load) -> None:
    load.finish()
    rest(found, 90.0, lambda _line: None)
    with sampling(found) as waits:
        load.more(1)
        rest(found, 90.0, lambda _line: None)
    broken = [v for v in check(found, load.accepted, waits) if not v.holds]
    assert broken == []


def test_half_open_broker_links_are_consumed_from_again_within_a_minute(found: World) -> None:
    found.links["broker"].half_open()
    time.sleep(1)
    load = loaded(found, 2, 1.0, 101)
    load.finish()
    assert len(load.accepted) == 2
    started = time.monotonic()
    wait_for(lambda: not states(found, load.accepted) & {"queued", "preparing"}, 60)
    print(f"half-open: all queues consumed again after {time.monotonic() - started:.1f} s")
    at_rest(found, load)


def test_the_api_accepts_while_the_broker_is_away_and_the_backlog_drains_after(
    found: World,
) -> None:
    found.links["broker"].down()
    load = loaded(found, 4, OUTAGE_SECONDS / 2, 102)
    load.finish()
    time.sleep(OUTAGE_SECONDS / 2)
    assert len(load.accepted) == 4, load.refused
    assert states(found, load.accepted) <= {"queued", "canceled"}
    found.links["broker"].up()
    at_rest(found, load)


@pytest.mark.skipif(OUTAGE_SECONDS < 60, reason="most of a minute: `make outages` runs it")
def test_ten_restarts_of_the_database_under_load_leave_no_half_state(found: World) -> None:
    load = loaded(found, 6, 20.0, 103)
    nemesis = Nemesis(found, 103)
    for _ in range(10):
        nemesis.strike(Fault("database restarted"))
        time.sleep(2.5)
    assert nemesis.met["database restarted"].struck == 10
    at_rest(found, load)


def test_nothing_was_left_behind(found: World) -> None:
    """The checks of each look at all that was ever done in this world."""
    with found.cx.db.transaction() as tx:
        assert invariants.broken_histories(tx) == []
        assert invariants.stale_writes(tx) == []
