"""Images out of the training photos, so that whoever looks has something true to look at.

They differ with seed, prompt and scale. Without the trigger word, or at scale 0, the subject is not
in them: that is what a missing trigger does.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

SIZES = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "4:5": (896, 1088),
    "3:4": (896, 1152),
}
SIZES |= {f"{b}:{a}": (h, w) for (a, b), (w, h) in ((k.split(":"), v) for k, v in SIZES.items())}
FORMATS = {"webp": "WEBP", "jpg": "JPEG", "png": "PNG"}


def size_of(input: dict[str, Any]) -> tuple[int, int]:
    """Width and height in pixels for the request."""
    if input.get("aspect_ratio") == "custom":
        sides = (int(input.get("width") or 1024), int(input.get("height") or 1024))
        return (-(-sides[0] // 16) * 16, -(-sides[1] // 16) * 16)
    width, height = SIZES[input.get("aspect_ratio", "1:1")]
    return (width // 2, height // 2) if input.get("megapixels") == "0.25" else (width, height)


def draw(
    target: Path, photos: Sequence[Path], trigger: str, input: dict[str, Any], number: int
) -> None:
    """Draw image *number* of the request and save it in its format."""
    prompt = str(input["prompt"])
    seed = f"{input.get('seed')}:{prompt}:{number}"
    chance = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311
    size = size_of(input)
    scale = float(input.get("lora_scale", 1.0))
    known = bool(photos) and (not trigger or trigger in prompt)
    image = _abstract(chance, size)
    if known and scale != 0:
        subject = _subject(chance.choice(photos), chance, size)
        image = Image.blend(image, subject, max(0.0, min(1.0, abs(scale))))
    image = _mark(image)
    format = FORMATS[input.get("output_format", "webp")]
    quality = int(input.get("output_quality", 80))
    if format == "PNG":
        image.save(target, format, compress_level=1)
    else:
        image.save(target, format, quality=max(1, quality))


def _abstract(chance: random.Random, size: tuple[int, int]) -> Image.Image:
    """Soft colours of no subject."""
    small = Image.new("RGB", (4, 4))
    small.putdata([tuple(chance.randrange(30, 220) for _ in range(3)) for _ in range(16)])
    return small.resize(size, Image.Resampling.BICUBIC)


def _subject(path: Path, chance: random.Random, size: tuple[int, int]) -> Image.Image:
    with Image.open(path) as opened:
        opened.draft("RGB", (size[0] * 2, size[1] * 2))
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    zoom = chance.uniform(0.72, 0.98)
    width, height = photo.width * zoom, photo.height * zoom
    left = chance.uniform(0, photo.width - width)
    top = chance.uniform(0, photo.height - height) * 0.5
    photo = photo.crop((int(left), int(top), int(left + width), int(top + height)))
    photo = ImageOps.fit(photo, size, Image.Resampling.BICUBIC, centering=(0.5, 0.35))
    if chance.random() < 0.5:
        photo = ImageOps.mirror(photo)
    photo = ImageEnhance.Color(photo).enhance(chance.uniform(0.7, 1.25))
    tint = Image.new("RGB", size, tuple(chance.randrange(256) for _ in range(3)))
    return Image.blend(photo, tint, 0.1)


def _mark(image: Image.Image) -> Image.Image:
    """Say on the image itself that nothing was trained."""
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, image.height // 48))
    box = draw.textbbox((0, 0), "EMULATED", font=font)
    x, y = image.width - box[2] - 10, image.height - box[3] - 10
    draw.rectangle((x - 6, y - 4, image.width - 4, image.height - 4), fill=(0, 0, 0))
    draw.text((x, y), "EMULATED", fill=(255, 255, 255), font=font)
    return image
