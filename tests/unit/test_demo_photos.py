"""The demo's photos: one subject, truly varied, and no finding of ours blames one of them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from safelight.domain.photos import PhotoFacts, judge_photo
from safelight.domain.profiles import get_profile
from safelight.local.demo import photos
from safelight.vision.inspect import inspect_file


@pytest.fixture(scope="module")
def facts() -> dict[str, PhotoFacts]:
    return {p.name: inspect_file(p, p.name).facts for p in sorted(photos().glob("*.jpg"))}


def test_there_are_as_many_as_the_default_profile_likes_best(facts: dict[str, PhotoFacts]) -> None:
    """R-19: 15 to 25."""
    gates = get_profile("likeness@v1").gates
    assert gates.ideal_min <= len(facts) <= gates.ideal_max


def test_none_is_blamed_for_anything(facts: dict[str, PhotoFacts]) -> None:
    """R-28, R-29."""
    gates = get_profile("likeness@v1").gates
    found = [f for name, fact in facts.items() for f in judge_photo(fact, gates, name=name)]
    assert {finding.level for finding in found} <= {"note"}


def test_no_two_are_alike_nor_one_another_in_a_mirror(facts: dict[str, PhotoFacts]) -> None:
    """R-38; vision.md: distinct photos are at least 18 bits apart."""
    for a, b in combinations(facts.values(), 2):
        assert a.phash is not None
        assert b.phash is not None
        assert b.mirror_phash is not None
        assert (a.phash ^ b.phash).bit_count() >= 18
        assert (a.phash ^ b.mirror_phash).bit_count() >= 18


def test_their_rights_are_said_beside_them() -> None:
    assert "CC0" in (Path(photos()) / "README.md").read_text()
