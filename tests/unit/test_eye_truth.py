"""The eye's judgements on rendered people with a known truth; docs/eye.md has the larger run's numbers."""

import itertools
from pathlib import Path

import pytest
from PIL import Image

from safelight.config import models_folder
from safelight.domain import limits
from safelight.domain.duplicates import distance, drop_duplicates, same_look
from safelight.domain.measured import Framing
from safelight.domain.members import SetPhoto
from safelight.domain.profiles import get_profile
from safelight.vision.inspect import measure
from safelight.vision.models import check
from safelight.vision.nets import Nets
from tests.support import labelled, people, photos
from tests.support.labelled import DUPLICATES, Score, saved, seen

pytestmark = pytest.mark.skipif(bool(check(models_folder())), reason="no models: make models")


@pytest.fixture(scope="module")
def nets() -> Nets:
    return Nets(models_folder())


@pytest.fixture(scope="module")
def scores(nets: Nets) -> dict[str, Score]:
    shots = [*labelled.shots(36, seed=3), *labelled.groups(6), *labelled.covered(4)]
    return labelled.judge(shots, nets)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "least"),
    [
        ("face found", 0.98),
        ("framing", 0.95),
        ("head to toe", 0.95),
        ("people", 0.98),
        ("background", 0.98),
        ("light", 0.9),
        ("angle", 0.75),
    ],
)
def test_a_judgement_is_right_as_often_as_the_docs_say(
    scores: dict[str, Score], question: str, least: float
) -> None:
    """R-35, R-36, R-40, R-46 to R-53."""
    score = scores[question]
    assert score.total >= 15
    assert score.right >= least, score.misses


def test_duplicates_are_told_from_distinct_photos_of_one_person(nets: Nets, tmp_path: Path) -> None:
    """R-38: mirrored, resized, recompressed, brightened, cropped a little."""
    gates = get_profile("likeness@v1").gates
    pictures = [people.render(shot) for shot in people.variants(people.person(4), 10, seed=4)]
    facts = [measure(saved(p, tmp_path / f"{n}.jpg"), nets) for n, p in enumerate(pictures)]
    right = total = 0
    for known, picture in zip(facts, pictures, strict=True):
        for damage in DUPLICATES.values():
            again = measure(saved(damage(picture), tmp_path / "again.jpg"), nets)
            right, total = right + (same_look(known, again, gates) is not None), total + 1
    assert right / total >= 0.98
    for a, b in itertools.combinations(facts, 2):
        assert distance(a, b)[0] > gates.near_duplicate_bits


def test_of_ten_distinct_photos_before_one_backdrop_nine_are_kept(
    nets: Nets, tmp_path: Path
) -> None:
    """R-38: to the hash a small figure on an even ground is the ground."""
    gates = get_profile("fashion-fullbody@v2").gates
    shots = list(labelled.studio(40))
    facts = [measure(saved(people.render(s), tmp_path / "a.jpg"), nets) for s in shots]
    pairs = itertools.combinations(facts, 2)
    assert sum(distance(a, b)[0] <= gates.near_duplicate_bits for a, b in pairs) >= 8
    photos = [SetPhoto(str(number), f"{number}.jpg", known) for number, known in enumerate(facts)]
    kept, findings = drop_duplicates(photos, gates)
    assert len(kept) >= 9
    assert {item.kind for item in findings} >= {"similar"}
    copy = measure(saved(labelled.mirrored(people.render(shots[3])), tmp_path / "a.jpg"), nets)
    again = SetPhoto("again", "again.jpg", copy)
    assert len(drop_duplicates([*photos, again], gates)[0]) == len(kept)


def test_a_blurred_face_before_a_sharp_background_is_blurred(nets: Nets) -> None:
    """R-35, R-45: and a sharp face before a blurred background is not."""
    low, high = people.SPANS["close-up"]
    picture = people.render(people.Shot(people.person(8), low, high, busy=True))
    known = seen(picture, nets)
    assert known.face is not None
    assert known.blur is None
    left = round(known.face.x - 0.3 * known.face.width)
    top = round(known.face.y - 0.4 * known.face.height)
    right = round(known.face.x + 1.3 * known.face.width)
    bottom = round(known.face.y + 1.2 * known.face.height)
    face = (left, top, right, bottom)
    soft = labelled.blurred(known.face.width / 50)(picture)
    portrait, mistake = soft.copy(), picture.copy()
    portrait.paste(picture.crop(face), (left, top))
    mistake.paste(soft.crop(face), (left, top))
    sharp, soft_face = (seen(image, nets).sharpness_face for image in (portrait, mistake))
    assert sharp is not None
    assert soft_face is not None
    assert sharp > limits.BLURRED_FACE.value > soft_face
    assert seen(mistake, nets).blur == "defocus"


def test_the_largest_face_is_the_main_one_and_sizes_are_those_of_the_full_photo(
    nets: Nets, tmp_path: Path
) -> None:
    shot = people.Shot(people.person(5), *people.SPANS["medium"], size=(1536, 2048))
    measured = measure(saved(people.render(shot), tmp_path / "a.jpg"), nets).measured
    assert measured is not None
    assert measured.face is not None
    assert measured.face.width == pytest.approx(people.truth(shot).face_pixels, rel=0.15)
    assert measured.framing is Framing.MEDIUM
    assert measured.jpeg_quality == pytest.approx(92, abs=0.5)
    assert len(measured.keypoints or ()) == 33
    assert measured.face.vector() is not None


def test_the_same_photo_gives_the_same_measurements(nets: Nets, tmp_path: Path) -> None:
    """Same input, same findings: also from a process that has just started."""
    path = saved(people.render(people.Shot(people.person(6))), tmp_path / "a.jpg")
    once = measure(path, nets)
    assert measure(path, nets) == once == measure(path, Nets(models_folder()))


def test_a_turned_photo_is_measured_upright(nets: Nets, tmp_path: Path) -> None:
    """An identity that is measured on a face lying on its side is worth nothing."""
    picture = people.render(people.Shot(people.person(7), *people.SPANS["medium"]))
    upright = measure(saved(picture, tmp_path / "a.jpg", 98), nets).measured
    exif = picture.getexif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.jpg"
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, "JPEG", quality=98, exif=exif)
    facts = measure(turned, nets)
    assert facts.orientation == 6
    assert upright is not None
    assert facts.measured is not None
    assert facts.measured.framing is upright.framing
    assert facts.measured.face is not None
    assert upright.face is not None
    assert facts.measured.face.x == pytest.approx(upright.face.x, abs=4)


def test_a_model_that_is_fetched_while_the_eye_runs_is_used_from_the_next_photo_on(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    nets, path = Nets(folder), photos.photo(tmp_path, "a.jpg")
    before = measure(path, nets).measured
    assert before is not None
    assert (before.faces, before.lacked) == (None, ("faces", "person"))
    for file in models_folder().iterdir():
        (folder / file.name).symlink_to(file)
    after = measure(path, nets).measured
    assert after is not None
    assert (after.faces, after.lacked) == ((), ())


def test_without_the_pose_model_a_close_up_is_no_close_up_either(tmp_path: Path) -> None:
    """Else a set of which only close-ups are told would seem to hold nothing else."""
    folder = tmp_path / "models"
    folder.mkdir()
    for file in models_folder().iterdir():
        if "pose" not in file.name:
            (folder / file.name).symlink_to(file)
    picture = people.render(next(labelled.shots(1)))
    assert seen(picture, Nets(models_folder())).framing is Framing.CLOSE_UP
    without = seen(picture, Nets(folder))
    assert (without.framing, without.lacked) == (None, ("pose",))
    assert "pose" in dict(without.not_measured)["framing"]


def test_what_a_face_is_too_small_to_tell_says_so(nets: Nets) -> None:
    picture = people.render(next(labelled.shots(1)))
    small = seen(picture, nets).face
    assert small is not None
    share = 24 / small.width
    size = (round(picture.width * share), round(picture.height * share))
    ground = Image.new("RGB", picture.size, (128, 120, 110))
    ground.paste(picture.resize(size), (0, 0))
    measured = seen(ground, nets)
    assert measured.face is not None
    assert measured.face.embedding is None
    why = dict(measured.not_measured)
    assert "28 pixels" in why["identity"]
    assert "40 pixels" in why["light"]
    assert "112 pixels" in why["smoothing"]
