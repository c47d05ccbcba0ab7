"""Files that are not what they seem cost themselves, and nothing else. `make mutants` runs 10,000."""

import pytest

from benchmarks.mutants.photos import CAP, SLOWEST, run
from tests.support.mutants import mutants


@pytest.mark.slow
def test_no_mutant_hangs_crashes_or_takes_memory_and_each_has_its_finding() -> None:
    outcome = run(200, seed=1)
    assert outcome.files == 200
    assert outcome.wrong == []
    assert outcome.slowest < SLOWEST, outcome.slowest_file
    assert outcome.memory < CAP
    assert {"seen", "truncated", "undecodable", "not-an-image", "too-many-pixels"} <= set(
        outcome.kinds
    )


def test_the_same_seed_makes_the_same_mutants() -> None:
    assert list(mutants(30, 4)) == list(mutants(30, 4)) != list(mutants(30, 5))
