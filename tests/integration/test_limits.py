"""The provider's rate limits, shared through a token bucket in a real Valkey."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from safelight.clients import limits
from safelight.clients.limits import CREATES, OTHERS, LocalLimits, SharedLimits, Throttled
from tests.support.servers import Stores

OPENED: list[SharedLimits] = []


@pytest.fixture(autouse=True)
def closed_after() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def bucket(stores: Stores, token: str) -> SharedLimits:
    OPENED.append(SharedLimits(stores.broker_url, token))
    return OPENED[-1]


def spend(some: SharedLimits | LocalLimits, kind: str, times: int) -> int:
    """How many of *times* there was room for."""
    taken = 0
    for _ in range(times):
        try:
            some.take(kind)
        except Throttled:
            continue
        taken += 1
    return taken


def test_all_processes_of_a_token_draw_from_one_bucket(stores: Stores) -> None:
    token = uuid4().hex
    taken: list[int] = []

    def poller() -> None:
        taken.append(spend(bucket(stores, token), CREATES, 60))

    threads = [threading.Thread(target=poller) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    rate = limits.A_MINUTE[CREATES] * limits.SHARE / 60
    assert (
        rate * limits.BURST_SECONDS - 1 <= sum(taken) <= rate * (limits.BURST_SECONDS + seconds) + 1
    )


def test_another_token_has_a_bucket_of_its_own(stores: Stores) -> None:
    one, other = bucket(stores, uuid4().hex), bucket(stores, uuid4().hex)
    spend(one, CREATES, 200)
    other.take(CREATES)
    other.take(OTHERS)


def test_an_empty_bucket_says_when_there_is_room_and_nobody_sleeps(stores: Stores) -> None:
    own = bucket(stores, uuid4().hex)
    started = time.monotonic()
    spend(own, CREATES, 150)
    with pytest.raises(Throttled) as caught:
        for _ in range(5):
            own.take(CREATES)
    assert 0 < (caught.value.after or 0) < 1
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("shared", [True, False])
def test_a_429_holds_up_everyone_for_as_long_as_it_says(stores: Stores, shared: bool) -> None:
    token = uuid4().hex
    one: SharedLimits | LocalLimits = bucket(stores, token) if shared else LocalLimits()
    other = bucket(stores, token) if shared else one
    one.refused(OTHERS, 2.0)
    with pytest.raises(Throttled) as caught:
        other.take(OTHERS)
    assert 1 < (caught.value.after or 0) <= 2
    other.take(CREATES)
    time.sleep(2.1)
    other.take(OTHERS)


@pytest.mark.parametrize("shared", [True, False])
def test_every_429_halves_the_rate_but_not_below_what_is_always_allowed(
    stores: Stores, shared: bool
) -> None:
    own: SharedLimits | LocalLimits = bucket(stores, uuid4().hex) if shared else LocalLimits()
    for _ in range(12):
        own.refused(CREATES, 0.0)
    time.sleep(0.01)
    spend(own, CREATES, 200)
    with pytest.raises(Throttled) as caught:
        own.take(CREATES)
    assert 5 < (caught.value.after or 0) <= 60 / limits.SLOWEST


def test_without_valkey_a_process_goes_on_with_a_share_of_its_own() -> None:
    away = SharedLimits("redis://127.0.0.1:1/0", uuid4().hex)
    started = time.monotonic()
    taken = spend(away, CREATES, 200)
    assert 0 < taken <= limits.A_MINUTE[CREATES] * limits.ALONE / 60 * (limits.BURST_SECONDS + 3)
    assert time.monotonic() - started < 5
