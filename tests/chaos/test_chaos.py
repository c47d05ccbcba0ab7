"""A short chaos run, seeded, as a person runs it; and what draws and breaks it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.chaos.broken import BREAKS, BUILDS
from safelight.chaos.provider_faults import LIST_DELAY_SECONDS, PROVIDER
from safelight.chaos.schedule import MATRIX, Strike, draw
from safelight.chaos.world import SETTINGS


def test_the_same_seed_draws_the_same_strikes_and_another_seed_others() -> None:
    assert draw(7, 300) == draw(7, 300)
    assert draw(7, 300) != draw(8, 300)
    assert all(0 < strike.at < 300 for strike in draw(7, 300))


def test_a_long_run_draws_every_fault_there_is() -> None:
    drawn = {strike.fault.name for strike in draw(1, 3600)}
    assert drawn == {name for _, name, _, _ in MATRIX}


def test_the_broker_is_down_for_a_minute_or_more_once_in_a_long_run() -> None:
    def outages(seconds: float) -> list[Strike]:
        return [
            s for s in draw(1, seconds) if s.fault.name == "link down" and s.fault.seconds >= 60
        ]

    assert outages(240) == []
    (once,) = outages(600)
    assert once.fault.target == "broker"


def test_the_provider_has_no_credit_and_links_expire_and_500_comes_before_accepting() -> None:
    drawn = {(f["on"], f["do"], f.get("status")) for faults in PROVIDER.values() for f in faults}
    assert ("create_training", "credit", None) in drawn
    assert ("delivery", "missing", None) in drawn
    assert ("create_training", "refuse", 500) in drawn
    assert set(PROVIDER) == {
        t for _, name, ts, _ in MATRIX if name == "provider faults" for t in ts
    }


def test_an_unknown_is_waited_for_longer_than_lists_lag() -> None:
    assert float(SETTINGS["SAFELIGHT_UNKNOWN_WAIT_SECONDS"]) > LIST_DELAY_SECONDS


def test_faults_can_be_chosen_by_name_and_target() -> None:
    strikes = draw(3, 120, only=["stop past lease: submit", "broker flushed"])
    assert {s.fault.name for s in strikes} == {"stop past lease", "broker flushed"}
    assert {s.fault.target for s in strikes if s.fault.name == "stop past lease"} == {"submit"}


def test_every_broken_build_says_what_it_breaks() -> None:
    assert set(BREAKS) == set(BUILDS)


@pytest.mark.parametrize("build", BUILDS)
def test_a_broken_build_finds_what_it_is_to_break(build: str) -> None:
    """`make chaos-broken` runs them; a statement in other words would leave the promise whole."""
    breaks = f"from safelight.chaos.broken import BUILDS; BUILDS[{build!r}]()"
    subprocess.run([sys.executable, "-c", breaks], check=True)


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
    assert sum(met["struck"] for met in report["faults"].values()) >= 5
    assert report["promises"]["I6"]["looked_at"] >= 20, "claims were looked at when it was quiet"
