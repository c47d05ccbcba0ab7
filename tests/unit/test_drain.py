"""Which slot of a process drains its queue."""

from __future__ import annotations

import threading
import time

from safelight.flow.drain import PATIENCE, Drain


def elsewhere(ask: object) -> object:
    """What another thread is answered."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))  # type: ignore[operator]
    thread.start()
    thread.join()
    return answers[0]


def test_the_first_slot_with_a_quick_batch_drains_and_the_others_stop() -> None:
    drain = Drain()
    assert drain.proceed(quick=True)
    assert not elsewhere(lambda: drain.proceed(quick=True))
    assert drain.proceed(quick=True), "the one that drains goes on"


def test_a_slot_whose_batch_was_slow_always_goes_on() -> None:
    drain = Drain()
    assert drain.proceed(quick=True)
    assert elsewhere(lambda: drain.proceed(quick=False))


def test_a_slot_that_comes_waits_until_the_queue_is_drained() -> None:
    drain = Drain()
    drain.proceed(quick=True)
    waited: list[float] = []

    def wait() -> None:
        started = time.monotonic()
        drain.wait()
        waited.append(time.monotonic() - started)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(PATIENCE / 3)
    drain.end()
    thread.join()
    assert waited[0] < PATIENCE


def test_nobody_waits_for_a_slot_that_is_held_up() -> None:
    drain = Drain()
    drain.proceed(quick=True)
    started = time.monotonic()
    elsewhere(drain.wait)
    assert time.monotonic() - started < 10 * PATIENCE
    assert elsewhere(lambda: drain.proceed(quick=True)), "it is held up: another may go on"


def test_a_slot_that_drains_waits_for_nobody_and_paces_its_batches() -> None:
    drain = Drain()
    drain.pace()  # drains nothing yet: no pause
    drain.proceed(quick=True)
    drain.wait()
    started = time.monotonic()
    drain.pace()
    drain.proceed(quick=True)
    drain.pace()
    assert time.monotonic() - started > 0.03


def test_a_slot_that_turns_slow_drains_no_more() -> None:
    drain = Drain()
    drain.proceed(quick=True)
    drain.proceed(quick=False)
    assert elsewhere(lambda: drain.proceed(quick=True))
