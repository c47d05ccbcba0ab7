"""A set of real faces with known faults: photos are laid on canvases of their own, so that no two look
alike unless they are meant to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.support import labelled, photos

GOOD = "good"
OTHERS = ("obama2.jpg", "obama3.jpg", "obama4_crop.jpg")
COPIES: tuple[labelled.Damage, ...] = (
    labelled.smaller(0.95),
    labelled.mirrored,
    labelled.brighter(1.15),
    labelled.cropped(0.02),
    lambda image: labelled.smaller(0.96)(labelled.mirrored(image)),
)


def on_canvas(
    path: Path, seed: int, *, side: int = 660, damage: labelled.Damage | None = None
) -> Image.Image:
    """The photo at *side* pixels on a soft canvas, elsewhere for each *seed*."""
    picture = Image.open(path).convert("RGB")
    scale = side / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    if damage is not None:
        picture = damage(picture)
    canvas = labelled.blurred(6)(photos.picture(1000 + seed, (1100, 1380)))
    left, top = (seed * 137) % (1020 - picture.width), (seed * 211) % (1300 - picture.height)
    canvas.paste(picture, (40 + left, 40 + top))
    return canvas


def filtered(image: Image.Image) -> Image.Image:
    """A beauty filter as phones have it: a stronger one blurs the face as well, and is called that."""
    pixels = np.asarray(image)
    for _ in range(2):
        pixels = cv2.bilateralFilter(pixels, 0, 16, 4)
    return Image.fromarray(pixels)


def make(folder: Path, people: dict[str, list[Path]]) -> dict[str, str]:
    """The files, and the one thing that is wrong with each (`good`: nothing)."""
    mine, other = people["franck"], people["obama"]
    truth: dict[str, str] = {}

    def add(name: str, fault: str, picture: Image.Image, **options: object) -> Path:
        path = folder / f"{len(truth):02d}-{name}.jpg"
        truth[path.name] = fault
        picture.save(path, "JPEG", **{"quality": 93, **options})
        return path

    for number, path in enumerate(mine):
        add("good", GOOD, on_canvas(path, number))
    for number, path in enumerate([p for p in other if p.name in OTHERS]):
        add("other", "different-person", on_canvas(path, 20 + number))
    for number, damage in enumerate(COPIES):
        add("copy", "near-duplicate", damage(on_canvas(mine[number], number)), quality=90)
    for number in (1, 4, 7):
        soft = labelled.blurred(6)
        add("blurred", "blurred-face", on_canvas(mine[number], 30 + number, damage=soft))
    for number in (2, 9):
        add("filtered", "smoothed", on_canvas(mine[number], 40 + number, damage=filtered))
    cut = add("cut", "truncated", on_canvas(mine[3], 50))
    cut.write_bytes(cut.read_bytes()[:-30_000])
    upright = on_canvas(mine[5], 51)
    exif = upright.getexif()
    exif[0x0112] = 6
    add("turned", "turned", upright.transpose(Image.Transpose.ROTATE_90), exif=exif)
    plain = Image.new("RGB", (1024, 1280), (150, 160, 150))
    plain.paste(Image.open(mine[10]).convert("RGB").resize((104, 130)), (200, 300))
    add("small", "too-few-bytes", plain, quality=42, optimize=True, progressive=True)
    return truth
