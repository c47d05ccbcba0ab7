"""Files that are not what they seem cost themselves, and nothing else. `make mutants` runs thousands."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.mutants import (
    KINDS,
    archives,
    captions,
    configs,
    logs,
    photos,
    webhooks,
    weights,
    zips,
)
from benchmarks.mutants.outcome import Outcome
from benchmarks.mutants.running import Reader, run
from tests.support import bad_kind
from tests.support.mutants import mutants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

PACKAGE = "benchmarks.mutants"
HERE = {
    "archives": (archives, {"BadArchive", "read"}),
    "weights": (weights, {"BadArchive", "faulty", "whole"}),
    "configs": (configs, {"read", "said not to be"}),
    "zips": (zips, {"a zip", "no zip", "a document", "no document"}),
    "logs": (logs, {"points", "no points"}),
    "captions": (captions, {"a caption"}),
    "webhooks": (webhooks, {"taken", "refused"}),
}
"""Each kind, and the endings that a handful of it must show: else it reads nothing, or refuses nothing."""


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader([f"{PACKAGE}.{kind}" for kind in HERE], seed=2) as reader:
        yield reader


def test_every_kind_is_here() -> None:
    assert {"photos", *HERE} == set(KINDS)


@pytest.mark.parametrize("kind", HERE)
def test_no_mutant_hangs_takes_memory_or_ends_in_an_error_without_a_name(
    kind: str, reader: Reader
) -> None:
    outcome = run(f"{PACKAGE}.{kind}", 60, readers=[reader])
    assert outcome.files == 60
    assert outcome.wrong == []
    assert outcome.passed, outcome
    assert set(outcome.endings) >= HERE[kind][1]


@pytest.mark.parametrize("kind", HERE)
def test_the_same_seed_makes_the_same_mutants_of_a_kind(kind: str) -> None:
    made = [HERE[kind][0].mutant(random.Random(f"{seed}-7")) for seed in (4, 4, 5, 6)]
    assert made[0] == made[1]
    assert len(set(made)) > 1


@pytest.mark.slow
def test_no_photo_hangs_crashes_or_takes_memory_and_each_has_its_finding() -> None:
    outcome = photos.run(200, seed=1)
    assert outcome.files == 200
    assert outcome.wrong == []
    assert outcome.passed, outcome
    assert {"seen", "truncated", "undecodable", "not-an-image", "too-many-pixels"} <= set(
        outcome.endings
    )


def test_the_same_seed_makes_the_same_photos() -> None:
    assert list(mutants(30, 4)) == list(mutants(30, 4)) != list(mutants(30, 5))


# What looks for hangs has to find one.


@pytest.mark.parametrize(
    ("what", "ending", "says"),
    [
        (bad_kind.HANGS, "hung", "no end"),
        (bad_kind.EATS, "surprise: MemoryError", "MemoryError"),
        (bad_kind.DIES, "died", "the process died (exit 3)"),
        (bad_kind.SURPRISES, "surprise: ZeroDivisionError", "ZeroDivisionError"),
        (bad_kind.FILLS, "read", "90,000,008 bytes of disk"),
    ],
)
def test_a_reader_that_breaks_its_promise_is_found_out(
    what: int, ending: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAD", str(what))
    monkeypatch.setattr("benchmarks.mutants.running.patience", lambda: 1.0)
    seconds = 0.5 if what == bad_kind.HANGS else 10
    with Reader(["tests.support.bad_kind"], 0, seconds=seconds) as reader:
        outcome = run("tests.support.bad_kind", 1, readers=[reader])
        assert not outcome.passed
        assert dict(outcome.endings) == {ending: 1}
        assert says in str(outcome.wrong + outcome.late)
        monkeypatch.setenv("BAD", str(bad_kind.REFUSES))
        if outcome.died:  # another process takes its place, which has the new word
            again = run("tests.support.bad_kind", 1, readers=[reader])
            assert (again.passed, dict(again.endings)) == (True, {"BadArchive": 1})


def test_memory_over_the_cap_and_a_file_that_takes_too_long_do_not_pass() -> None:
    outcome = Outcome("x", cap=100)
    assert outcome.passed
    outcome.memory = 101
    assert not outcome.passed
    outcome.memory = 0
    outcome.took("x 1", 1e9)
    assert not outcome.passed


def test_the_command_tells_the_table_and_fails_where_something_is_wrong(tmp_path: Path) -> None:
    command = (sys.executable, "-m", PACKAGE, "captions", "--count", "5", "--seed", "3")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "captions" in done.stdout.splitlines()[2]
    assert '"passed": true' in done.stdout.splitlines()[-1]
