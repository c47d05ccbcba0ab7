"""How often the eye is right: precision and recall of each judgement on labelled cases.

Rendered people with a known truth, and real faces from packages where they can be fetched. Prints the
table of docs/eye.md; the last line is JSON. `make bench NAME=eye_truth` (a few minutes).
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.manners import say, workplace
from safelight.config import models_folder
from safelight.domain import limits
from safelight.domain.duplicates import same_look
from safelight.domain.photos import PhotoFacts
from safelight.domain.profiles import get_profile
from safelight.domain.quality import is_cut, is_half
from safelight.vision.inspect import measure
from safelight.vision.nets import Nets
from tests.support import labelled, people, real_photos
from tests.support.labelled import Score, saved, seen

SHOTS = 240
GATES = get_profile("likeness@v1").gates


def duplicates(folder: Path, pictures: list[Image.Image], nets: Nets) -> Score:
    """Pairs of a photo and its damaged self, and pairs of distinct photos, at the profile's bits."""
    score = Score("duplicate")
    facts = [measure(saved(p, folder / f"{n}.jpg"), nets) for n, p in enumerate(pictures)]
    for number, (picture, known) in enumerate(zip(pictures, facts, strict=True)):
        for name, damage in labelled.DUPLICATES.items():
            again = measure(saved(damage(picture), folder / "again.jpg"), nets)
            score.add(True, same_look(known, again, GATES) is not None, f"{number} {name}")
    _distinct(score, facts)
    return score


def one_backdrop(folder: Path, sets: int, nets: Nets) -> Score:
    """Pairs of distinct full-body photos of one person before one backdrop, and each one's copies."""
    score = Score("duplicate, one backdrop")
    for who in range(sets):
        pictures = [people.render(shot) for shot in labelled.studio(60 + who)]
        facts = [measure(saved(p, folder / "shot.jpg"), nets) for p in pictures]
        for number, (picture, known) in enumerate(zip(pictures, facts, strict=True)):
            for name, damage in labelled.DUPLICATES.items():
                again = measure(saved(damage(picture), folder / "again.jpg"), nets)
                same = same_look(known, again, GATES) is not None
                score.add(True, same, f"{who}: {number} {name}")
        _distinct(score, facts)
    return score


def _distinct(score: Score, facts: list[PhotoFacts]) -> None:
    for (m, a), (n, b) in itertools.combinations(enumerate(facts), 2):
        score.add(False, same_look(a, b, GATES) is not None, f"{m} and {n}")


def close_ups(count: int, seed: int) -> Iterator[Image.Image]:
    """Large rendered faces, for judgements that need one."""
    for number in range(count):
        low, high = people.SPANS["close-up"]
        who = people.person(seed + number)
        yield people.render(
            people.Shot(who, low, high, turn=(0, 25, -25)[number % 3], seed=seed + number)
        )


def turned_heads() -> Iterator[Image.Image]:
    """Heads turned by up to 65 degrees, large and middling."""
    for number, turn in enumerate((0, 20, -20, 35, -35, 50, -50, 65, -65)):
        for kind in ("close-up", "medium"):
            low, high = people.SPANS[kind]
            who = people.person(300 + number)
            yield people.render(people.Shot(who, low, high, turn=turn, seed=number))


def cut_faces(pictures: list[Image.Image], nets: Nets, name: str) -> tuple[Score, Score]:
    """Faces at the photo's edge, whole ones and those of which it takes a part: is the face cut, and is
    half of it gone? A face that is whole touches the edge, has room before it, or has its cheek cropped."""
    cut, half = Score(f"face cut, {name}"), Score(f"half a face, {name}")
    for number, picture in enumerate(pictures):
        face = seen(picture, nets).face
        if face is None or is_cut(face):
            continue
        for edge in labelled.EDGES:
            sideways = edge in ("left", "right")
            for share in (-0.2, -0.05, 0.0, 0.05, 0.3 if sideways else 0.45, 0.5):
                place = (face.x, face.y, face.width, face.height)
                part = labelled.cut_off(picture, place, edge, share)
                again = seen(part, nets).face if part is not None else None
                if again is not None:
                    what = f"{number} {edge} {share}"
                    cut.add(share > 0.1, is_cut(again), what)
                    if share in (0.05, 0.5) or share <= 0:
                        half.add(share == 0.5, is_half(again), what)
    return cut, half


def sharpness(pictures: list[Image.Image], nets: Nets, name: str) -> Score:
    """Sharp faces, and the same out of focus by a sixtieth of the face's width."""
    score = Score(name)
    for number, picture in enumerate(pictures):
        before = seen(picture, nets)
        if before.sharpness_face is None or before.face is None:
            continue
        score.add(False, before.sharpness_face < limits.BLURRED_FACE.value, str(number))
        after = seen(labelled.blurred(before.face.width / 60)(picture), nets)
        if after.sharpness_face is not None:
            score.add(True, after.sharpness_face < limits.BLURRED_FACE.value, str(number))
    return score


def smoothing(pictures: list[Image.Image], nets: Nets) -> Score:
    """Untouched skin, and the same after a beauty filter."""
    score = Score("smoothed (hint)")
    for number, picture in enumerate(pictures):
        before, after = seen(picture, nets), seen(labelled.smoothed(picture), nets)
        for true, measured in ((False, before), (True, after)):
            if measured.smoothing is not None:
                score.add(true, measured.smoothing < limits.SMOOTHED.value, str(number))
    return score


def recompression(folder: Path, pictures: list[Image.Image], nets: Nets) -> Score:
    """Saved at 95 at once, and after having been saved at 10 before."""
    score = Score("compressed before")
    for number, picture in enumerate(pictures):
        small = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))
        for true, image in ((False, small), (True, labelled.resaved(10)(small))):
            measured = measure(saved(image, folder / "again.jpg", 95), nets).measured
            if measured is not None and measured.recompressed is not None:
                score.add(true, measured.recompressed > limits.BLOCKY.value, str(number))
    return score


def identity(photos: dict[str, list[Path]], nets: Nets) -> tuple[Score, int]:
    """Pairs of real photos, each photo also damaged: one person or two? The second is how many pairs
    of different people fall into the band that a person looks at."""
    damages = {
        "as it is": lambda image: image,
        "quality 40": labelled.resaved(40),
        "smaller": labelled.smaller(0.6),
        "brighter": labelled.brighter(1.25),
        "tilted": labelled.tilted(8),
        "mirrored": labelled.mirrored,
    }
    known = []
    for who, paths in photos.items():
        for path in paths:
            picture = Image.open(path).convert("RGB")
            picture.thumbnail((1024, 1024))
            for name, damage in damages.items():
                face = seen(damage(picture), nets).face
                vector = face.vector() if face else None
                if vector is not None:
                    known.append((who, path.name, name, vector))
    score, review = Score("same person"), 0
    for a, b in itertools.combinations(known, 2):
        if a[1] == b[1]:
            continue
        likeness = float(np.dot(a[3], b[3]))  # both of length one
        score.add(a[0] == b[0], likeness >= limits.SAME_PERSON.value, f"{a[1:3]} and {b[1:3]}")
        review += a[0] != b[0] and limits.OTHER_PERSON.value <= likeness < limits.SAME_PERSON.value
    return score, review


def real(photos: dict[str, list[Path]]) -> list[Image.Image]:
    """Every real photo, at most 1,024 pixels a side."""
    found = []
    for path in itertools.chain(*photos.values()):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((1024, 1024))
        found.append(picture)
    return found


def main(count: int) -> None:
    """Print the table and the summary."""
    with workplace() as folder:
        nets = Nets(models_folder())
        say(f"{count} rendered shots and more are judged")
        shots = [
            *labelled.shots(count),
            *labelled.groups(count // 5),
            *labelled.covered(count // 5),
        ]
        scores = list(labelled.judge(shots, nets).values())
        review = 0
        say("duplicates, one backdrop, sharpness, recompression")
        pictures = [people.render(shot) for shot in labelled.shots(60, seed=7)]
        scores.append(duplicates(folder, pictures, nets))
        scores.append(one_backdrop(folder, 6, nets))
        drawn = list(close_ups(30, 900))
        scores.append(sharpness(drawn, nets, "blurred, rendered"))
        scores.append(recompression(folder, drawn, nets))
        scores += cut_faces(list(turned_heads()), nets, "rendered")
        say("real photos are fetched")
        try:
            photos = real_photos.fetch()
        except real_photos.NotFetched as error:
            print(f"No real photos: {error}", file=sys.stderr)
        else:
            scores.append(sharpness(real(photos), nets, "blurred, real"))
            scores.append(smoothing(real(photos), nets))
            scores += cut_faces(real(photos), nets, "real")
            same, review = identity(photos, nets)
            scores.append(same)
    print("| judgement | answer | cases | precision | recall |\n|---|---|---|---|---|")
    summary: dict[str, float] = {}
    for score in scores:
        for answer, cases, precision, recall in score.rows():
            print(f"| {score.name} | {answer.lower()} | {cases} | {precision:.3f} | {recall:.3f} |")
        summary[score.name.replace(" ", "_").replace(",", "")] = round(score.right, 4)
        for miss in score.misses[:5]:
            print(f"{score.name}: {miss}", file=sys.stderr)
    print(json.dumps({**summary, "identity_pairs_to_review": review, "shots": count}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SHOTS)
