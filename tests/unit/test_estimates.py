"""The estimate on the button is drawn from what was measured, and says what it rests on (K16)."""

from __future__ import annotations

import pytest

from safelight.domain.estimates import FEW, Basis, Measured, estimate

RUNS = {
    "likeness@v2": Measured(20, 0.8, 1.2),
    "rare@v1": Measured(FEW - 1, 9.0, 9.0),
    None: Measured(24, 1.0, 2.0),
}


def test_a_profile_with_runs_of_its_own_is_estimated_from_them() -> None:
    """R-104, R-144: seconds at $0.001525."""
    found = estimate(1000, "likeness@v2", RUNS)
    assert (found.seconds_p50, found.seconds_p95, found.basis) == (800, 1200, Basis.PROFILE)
    assert (found.micro_usd_p50, found.micro_usd_p95) == (1_220_000, 1_830_000)
    assert found.words == (
        "13 min, $1.22; 19 of 20 within 20 min, $1.83 (20 runs measured here, of this profile)"
    )


@pytest.mark.parametrize("profile", ["rare@v1", "new@v1"])
def test_too_few_runs_are_made_up_for_by_all(profile: str) -> None:
    found = estimate(1000, profile, RUNS)
    assert (found.seconds_p50, found.basis, found.runs) == (1000, Basis.ALL, 24)


def test_with_nothing_measured_the_run_on_record_stands_in_and_says_so() -> None:
    """replicate.md 4.5: 1500 steps in 1674.9 s, $2.55. S4's "2 min, $1.85" cannot both be right."""
    found = estimate(1500, "likeness@v2", {})
    assert (found.seconds_p50, found.seconds_p95, found.micro_usd_p95) == (1674.9, None, None)
    assert found.micro_usd_p50 == pytest.approx(2_554_000, abs=1000)
    assert found.words == (
        "about 28 min, $2.55 (one run on record elsewhere; none has succeeded here)"
    )


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"likeness@v2": Measured(1, 0.6, 0.6, 1), None: Measured(1, 0.6, 0.6, 1)},
         "about 10 min, $0.92 (1 run measured here, emulated, of this profile; a spread takes 5)"),
        ({"other@v1": Measured(2, 0.6, 0.6), None: Measured(2, 0.6, 0.6)},
         "about 10 min, $0.92 (2 runs measured here, of all profiles; a spread takes 5)"),
        ({"likeness@v2": Measured(5, 0.6, 1.2, 2)},
         ("10 min, $0.92; 19 of 20 within 20 min, $1.83 "
         "(5 runs measured here, 2 of them emulated, of this profile)")),
    ],
)  # fmt: skip
def test_the_few_runs_there_are_count_and_it_says_how_many_and_which_were_emulated(
    measured: dict[str | None, Measured], words: str
) -> None:
    found = estimate(1000, "likeness@v2", measured)
    assert found.words == words
    assert (found.micro_usd_p95 is None) == (found.runs < FEW)
