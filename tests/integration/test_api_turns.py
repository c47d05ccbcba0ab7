"""One owner's crowd of requests does not keep another owner's waiting."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from safelight.db import subjects
from safelight.db.transaction import Tx
from safelight.domain.nouns import Subject
from safelight.web.app import CONNECTIONS
from safelight.web.turns import AT_ONCE, Turns
from tests.support.api import Door, assert_problem


def test_a_crowd_of_one_owner_waits_in_turn_and_another_owner_does_not(
    acme: Door, other: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_of(acme).state.turns = Turns(at_once=2)  # of the four connections that a test has
    go = threading.Event()
    inside = most = 0
    lock = threading.Lock()
    plain = subjects.find

    def slow(tx: Tx, owner_id: UUID, **more: Any) -> list[Subject]:
        nonlocal inside, most
        if owner_id == acme.owner_id:
            with lock:
                inside += 1
                most = max(most, inside)
            go.wait(30)
            with lock:
                inside -= 1
            return []
        return plain(tx, owner_id, **more)

    monkeypatch.setattr(subjects, "find", slow)
    with ThreadPoolExecutor(30) as crowd:
        asked = [crowd.submit(acme.get, "/v1/subjects", timeout=60) for _ in range(30)]
        while inside < 2:
            time.sleep(0.01)
        assert other.get("/v1/policy", timeout=20).status_code == 200
        go.set()
        assert {answer.result().status_code for answer in asked} == {200}
    assert most == 2


def test_one_owner_cannot_hold_every_connection_of_a_process() -> None:
    assert 2 * AT_ONCE <= CONNECTIONS


def app_of(owner: Door) -> Any:
    return owner.client._client._transport.app  # type: ignore[attr-defined]


def test_the_answer_to_one_too_many_is_a_429(acme: Door) -> None:
    app = app_of(acme)
    app.state.turns = Turns(at_once=0, wait_seconds=0.05)
    answer = acme.get("/v1/subjects")
    assert_problem(answer, 429, "too-many-requests")
    assert int(answer.headers["retry-after"]) >= 1
    app.state.turns = Turns()
    assert acme.get("/v1/subjects").status_code == 200
    assert app.state.turns._of == {}
