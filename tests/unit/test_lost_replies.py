"""Which of the provider's predictions is the one whose reply was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from safelight.domain.errors import Retryable
from safelight.domain.provider import RemoteRun, RemoteStatus, RunPage
from safelight.stages.generate import is_this_request
from safelight.stages.submit import MAX_PAGES, find_run

PREVIEW = {"prompt": "photo of sl123 person", "seed": 7, "lora_scale": 1.0}


def run(id: str = "a", **input: object) -> RemoteRun:
    return RemoteRun(id=id, status=RemoteStatus.STARTING, input={**PREVIEW, **input})


def test_a_control_with_the_same_prompt_and_seed_is_not_the_preview() -> None:
    ours = is_this_request(PREVIEW)
    assert ours(run())
    assert not ours(run(lora_scale=0.0))


def test_another_seed_or_prompt_is_another_request() -> None:
    ours = is_this_request(PREVIEW)
    assert not ours(run(seed=8))
    assert not ours(run(prompt="photo of sl124 person"))


def test_a_run_that_another_request_has_adopted_is_not_ours() -> None:
    """Asked for twice with the same seed: two rows, two runs."""
    ours = is_this_request(PREVIEW, {"a"})
    assert not ours(run("a"))
    assert ours(run("b"))


def test_what_the_provider_adds_to_the_input_changes_nothing() -> None:
    assert is_this_request(PREVIEW)(run(megapixels="1", go_fast=False))


NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Pulse:
    def check(self) -> None:
        pass


class Pages:
    """A list of so many pages, a run a minute, newest first."""

    def __init__(self, count: int, unread: int = 0) -> None:
        self.count, self.unread, self.read = count, unread, 0

    def __call__(self, cursor: str | None) -> RunPage:
        self.read += 1
        at = int(cursor or 0)
        one = replace(run(f"run{at}"), created_at=NOW - timedelta(minutes=at))
        return RunPage((one,), str(at + 1) if at + 1 < self.count else None, self.unread)


def found(pages: Pages, id: str, *, minutes: int) -> RemoteRun | None:
    return find_run(
        pages, lambda run: run.id == id, since=NOW - timedelta(minutes=minutes), pulse=Pulse()
    )


def test_the_list_is_read_back_to_the_request_however_many_pages_that_takes() -> None:
    run = found(Pages(500), "run400", minutes=450)
    assert run is not None
    assert run.id == "run400"


def test_a_list_read_back_to_the_request_that_does_not_show_it_is_evidence() -> None:
    pages = Pages(500)
    assert found(pages, "none", minutes=100) is None
    assert pages.read < 120
    assert found(Pages(5), "none", minutes=100) is None


def test_a_list_that_was_not_read_to_the_request_says_nothing_about_it() -> None:
    with pytest.raises(Retryable, match="goes on"):
        found(Pages(MAX_PAGES + 9), "none", minutes=MAX_PAGES + 99)


def test_a_run_that_cannot_be_read_may_be_the_one() -> None:
    with pytest.raises(Retryable, match="cannot be read"):
        found(Pages(5, unread=1), "none", minutes=100)
    assert found(Pages(5, unread=1), "run3", minutes=100) is not None
