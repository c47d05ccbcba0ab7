"""A short chaos run, seeded, as a person runs it; and what draws and breaks it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.chaos.broken import BREAKS, BUILDS
from safelight.chaos.schedule import MATRIX, draw


def test_the_same_seed_draws_the_same_strikes_and_another_seed_others() -> None:
    assert draw(7, 300) == draw(7, 300)
    assert draw(7, 300) != draw(8, 300)
    assert all(0 < strike.at < 300 for strike in draw(7, 300))


def test_a_long_run_draws_every_fault_there_is() -> None:
    drawn = {strike.fault.name for strike in draw(1, 3600)}
    assert drawn == {name for _, name, _, _ in MATRIX}


def test_faults_can_be_chosen_by_name_and_target() -> None:
    strikes = draw(3, 120, only=["stop past lease: submit", "broker flushed"])
    assert {s.fault.name for s in strikes} == {"stop past lease", "broker flushed"}
    assert {s.fault.target for s in strikes if s.fault.name == "stop past lease"} == {"submit"}


def test_every_broken_build_says_what_it_breaks() -> None:
    assert set(BREAKS) == set(BUILDS)


@pytest.mark.slow
def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path) -> None:
    """I1 to I7, on real processes; `make chaos SEED=4 MINUTES=1` is the same run."""
    ran = subprocess.run(
        [sys.executable, "-m", "safelight.cli", "chaos", "--seed", "4", "--minutes", "1", "--json",
         "--home", str(tmp_path / "home")],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )  # fmt: skip
    assert ran.stdout, ran.stderr[-2000:]
    report = json.loads(ran.stdout)
    broken = {name: v for name, v in report["promises"].items() if not v["holds"]}
    assert broken == {}, report
    assert ran.returncode == 0
    assert report["trainings"]["accepted"] >= 9
    assert sum(report["faults"].values()) >= 5
