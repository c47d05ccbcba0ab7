"""Labelled cases for the eye, and how often its judgements are right on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from safelight.domain.measured import Measured
from safelight.vision.look import File, look
from safelight.vision.nets import Nets
from tests.support.people import CROWN, Shot, Truth, person, render, truth

NO_FILE = np.zeros((1, 1), np.uint8)


@dataclass
class Score:
    """Right and wrong answers to one question, by what was true and what was said."""

    name: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def add(self, true: object, said: object, what: str = "") -> None:
        self.counts[(str(true), str(said))] += 1
        if str(true) != str(said):
            self.misses.append(f"{what}: {true}, said {said}")

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def right(self) -> float:
        """The share of all answers that are right."""
        return sum(n for (true, said), n in self.counts.items() if true == said) / max(
            1, self.total
        )

    def precision(self, answer: object) -> float:
        said = sum(n for (_, s), n in self.counts.items() if s == str(answer))
        return self.counts[(str(answer), str(answer))] / said if said else 1.0

    def recall(self, answer: object) -> float:
        true = sum(n for (t, _), n in self.counts.items() if t == str(answer))
        return self.counts[(str(answer), str(answer))] / true if true else 1.0

    def rows(self) -> Iterator[tuple[str, int, float, float]]:
        """Answer, how often it was true, precision, recall."""
        for answer in sorted({true for true, _ in self.counts}):
            true = sum(n for (t, _), n in self.counts.items() if t == answer)
            yield answer, true, self.precision(answer), self.recall(answer)


def shots(count: int, seed: int = 0) -> Iterator[Shot]:
    """Photos of one person each, every framing as often, nothing at a border between two framings."""
    random = np.random.default_rng(seed)
    for number in range(count):
        kind = ("close-up", "medium", "full-body", "wide")[number % 4]
        size = (768, 1024) if number % 3 else (1024, 768)
        high = CROWN + random.uniform(0.05, 0.2)
        low = {
            "close-up": lambda: random.uniform(1.18, 1.34),
            "medium": lambda: random.uniform(0.30, 0.95),
            "full-body": lambda: random.uniform(-0.5, -0.06),
            "wide": lambda: -0.4,
        }[kind]()
        if kind == "wide":
            span = random.uniform(4.0, 4.6) if size[1] == 1024 else 4.0
            low = -random.uniform(0.2, span - CROWN - 0.2)
            high = low + span
        yield Shot(
            person(seed * 1000 + number),
            low,
            high,
            turn=float(random.choice([0, 0, 6, -6, 25, -25, 32, -32, 65, -65])),
            pose=str(random.choice(["stand", "hips", "wave", "walk"])),
            light=str(random.choice(["front", "front", "left", "right"])),
            level=float(random.uniform(0.8, 1.15)),
            busy=bool(random.random() < 0.4),
            shift=float(random.uniform(-0.1, 0.1)),
            size=size,
            seed=seed * 1000 + number,
        )


def seen(image: Image.Image, nets: Nets) -> Measured:
    """What the eye says of a picture."""
    picture = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
    return look(np.asarray(picture, np.uint8), NO_FILE, File(image.width), nets)


def judge(shots_: Iterable[Shot], nets: Nets) -> dict[str, Score]:
    """The eye's answers on rendered photos, question by question."""
    scores = {
        name: Score(name)
        for name in (
            "face found",
            "framing",
            "head to toe",
            "people",
            "angle",
            "light",
            "background",
        )
    }
    for shot in shots_:
        told, measured = truth(shot), seen(render(shot), nets)
        _answers(scores, shot, told, measured)
    return scores


def _answers(scores: dict[str, Score], shot: Shot, told: Truth, measured: Measured) -> None:
    what = f"shot {shot.seed}"
    face = measured.face
    if told.face_pixels >= 28:
        scores["face found"].add(True, face is not None, what)
    scores["people"].add(told.people, measured.people, what)
    if len(shot.others) == 0 and shot.cover is None:
        scores["framing"].add(told.framing, measured.framing, what)
    if len(shot.others) == 0 and measured.head_to_toe is not None:
        scores["head to toe"].add(told.head_to_toe, measured.head_to_toe, what)
    if face is not None and face.angle is not None:
        scores["angle"].add(told.side, face.angle.side, what)
    if measured.light is not None:
        scores["light"].add(told.light, measured.light, what)
    if measured.plain_background is not None:
        scores["background"].add(
            "busy" if told.busy else "plain", "plain" if measured.plain_background else "busy", what
        )


def covered(count: int, seed: int = 70) -> Iterator[Shot]:
    """Full-body photos of one person whose lower legs are behind a wall."""
    for number, shot in enumerate(shots(4 * count, seed)):
        if number % 4 == 2:
            yield replace(shot, cover=(-0.2, 0.45 + 0.02 * (number % 8)))


def groups(count: int, seed: int = 50) -> Iterator[Shot]:
    """Photos of two or three people, seen to the knees or to the feet."""
    random = np.random.default_rng(seed)
    for number in range(count):
        others = tuple(person(seed * 100 + 3 * number + i) for i in range(1 + number % 2))
        low, high = ((0.4, 1.95), (-0.15, 2.0))[number % 2]
        yield Shot(
            person(seed * 100 + 3 * number + 2), low, high, others=others, size=(1024, 768),
            busy=bool(random.random() < 0.3), seed=seed * 100 + number,
        )  # fmt: skip


def studio(who: int, count: int = 10) -> Iterator[Shot]:
    """Distinct full-body photos of one person before one backdrop: other poses, turns and places."""
    random = np.random.default_rng(who)
    turns = (-60, -45, -32, -25, -10, 0, 12, 22, 30, 35)
    for number in range(count):
        yield Shot(
            person(who), -0.12, 1.88, turn=float(turns[number % len(turns)]),
            pose=("stand", "hips", "wave", "walk")[number % 4],
            shift=float(random.uniform(-0.15, 0.15)), seed=5000 + who,
        )  # fmt: skip


Damage = Callable[[Image.Image], Image.Image]


def resaved(quality: int) -> Damage:
    """Saved once as a JPEG of this quality."""

    def run(image: Image.Image) -> Image.Image:
        pixels = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        found = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert found is not None
        return Image.fromarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB))

    return run


def smaller(share: float) -> Damage:
    """Scaled down."""
    return lambda image: image.resize(
        (round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS
    )


def brighter(by: float) -> Damage:
    """Every pixel times *by*."""
    return lambda image: image.point(lambda value: min(255, round(value * by)))


def cropped(share: float) -> Damage:
    """*share* of each side cut off."""

    def run(image: Image.Image) -> Image.Image:
        x, y = round(image.width * share), round(image.height * share)
        return image.crop((x, y, image.width - x, image.height - y))

    return run


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def tilted(degrees: float) -> Damage:
    """Turned a little, the edges filled with its own pixels' mean."""
    return lambda image: image.rotate(
        degrees,
        Image.Resampling.BICUBIC,
        fillcolor=tuple(int(v) for v in np.asarray(image).mean((0, 1))),
    )


def blurred(sigma: float) -> Damage:
    """Out of focus by *sigma* pixels."""
    return lambda image: Image.fromarray(cv2.GaussianBlur(np.asarray(image), (0, 0), sigma))


def smoothed(image: Image.Image) -> Image.Image:
    """As a beauty filter does: edges stay, grain goes."""
    pixels = np.asarray(image)
    for _ in range(3):
        pixels = cv2.bilateralFilter(pixels, 0, 25, max(3.0, image.width / 160))
    return Image.fromarray(pixels)


DUPLICATES: dict[str, Damage] = {
    "resized to a half": smaller(0.5),
    "quality 20": resaved(20),
    "30 % brighter": brighter(1.3),
    "3 % cropped": cropped(0.03),
    "mirrored": mirrored,
    "mirrored, quality 40": lambda image: resaved(40)(mirrored(image)),
}
"""Damage after which a photo is still the same photo."""


def saved(image: Image.Image, path: Path, quality: int = 92) -> Path:
    """The picture as a JPEG."""
    image.save(path, "JPEG", quality=quality)
    return path


def once(shot: Shot, **more: Any) -> Shot:
    """The shot with some of it changed."""
    return replace(shot, **more)


EDGES = ("left", "right", "top", "bottom")


def cut_off(
    image: Image.Image, box: tuple[float, float, float, float], edge: str, share: float
) -> Image.Image | None:
    """The picture cut so that *share* of the face in *box* (x, y, width, height) is gone at *edge*; less than
    nothing leaves room. None where the picture has no such room, or hardly anything would be left."""
    x, y, wide, tall = box
    left, top, right, bottom = 0.0, 0.0, float(image.width), float(image.height)
    if edge == "left":
        left = x + share * wide
    elif edge == "right":
        right = x + wide - share * wide
    elif edge == "top":
        top = y + share * tall
    else:
        bottom = y + tall - share * tall
    if left < 0 or top < 0 or right > image.width or bottom > image.height:
        return None
    cut = (round(left), round(top), round(right), round(bottom))
    return image.crop(cut) if min(cut[2] - cut[0], cut[3] - cut[1]) >= 64 else None
