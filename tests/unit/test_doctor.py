"""The doctor's words: what an error says and no guess, in time, whatever hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight import config, deps
from safelight.cli import checks
from safelight.cli.checks_database import skew
from safelight.cli.verdicts import Check, all_at_once, failed
from safelight.db.faults import DatabaseAway, DatabaseRefuses
from safelight.domain import profiles
from safelight.domain.errors import Forbidden, Invalid, SafelightError
from workers.starting import await_database


def test_whether_it_is_up_is_asked_of_what_cannot_be_reached_and_of_nothing_else() -> None:
    assert "up" in failed("x", DatabaseAway("The database cannot be reached.")).remedy
    assert failed("x", Forbidden("This key does not allow that.")).remedy == ""
    assert failed("x", DatabaseRefuses("no", hint="Look at it.")).remedy == "Look at it."
    assert failed("x", ValueError("odd\nwords")) == Check("x", "fail", "ValueError: odd words")


def test_a_surprise_shows_no_secret_and_no_more_than_a_line() -> None:
    error = RuntimeError("cannot connect to amqp://u:hunter22@h\n" + "x" * 5_000)
    seen = failed("broker", error).seen
    assert "hunter22" not in seen
    assert "\n" not in seen
    assert len(seen) <= 500


def test_what_hangs_is_left_behind_with_what_it_had_found_by_then() -> None:
    release = threading.Event()

    def hangs() -> Iterator[Check]:
        yield Check("store", "ok", "put")
        release.wait(30)

    def fails() -> Iterator[Check]:
        yield Check("broker", "ok", "answers")
        raise SafelightError("It does not count.")

    started = time.monotonic()
    found = all_at_once([("store", hangs), ("broker", fails)], 0.3)
    assert time.monotonic() - started < 2
    assert [(c.what, c.verdict, c.seen) for c in found] == [
        ("store", "ok", "put"),
        ("store", "fail", "no answer within 0.3 s"),
        ("broker", "ok", "answers"),
        ("broker", "fail", "It does not count."),
    ]
    release.set()


@pytest.mark.parametrize(
    ("seconds", "verdict", "said"),
    [
        (0.2, "ok", "as the store's"),
        (-12, "ok", "12 s behind"),
        (45, "warn", "45 s ahead of"),
        (-1200, "fail", "1200 s behind"),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much(seconds: float, verdict: str, said: str) -> None:
    check = skew("store", seconds)
    assert (check.verdict, said in check.seen) == (verdict, True)
    assert bool(check.remedy) == (verdict != "ok")


@pytest.mark.parametrize("name", ["SAFELIGHT_PROFILES", "SAFELIGHT_RETENTION_FILE"])
def test_a_file_that_a_setting_names_is_looked_at_before_anything_starts(
    name: str, tmp_path: Path
) -> None:
    """Workers began, and each of their jobs failed."""
    settings = {
        "DATABASE_URL": "postgresql://nowhere/none",
        "BROKER_URL": "redis://nowhere",
        "REPLICATE_API_TOKEN": "r8_none",
        name: str(tmp_path / "not here"),
    }
    try:
        with pytest.raises(Invalid, match=r"not here|cannot be read"):
            deps.require_files(config.load(settings))
        with pytest.raises(Invalid):
            await_database(config.load(settings))
        seen = checks.run_all(settings)[-1]
        assert (seen.what, seen.verdict) == ("settings", "fail")
    finally:
        profiles.use_folder(None)
