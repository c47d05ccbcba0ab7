"""The first steps of every picture once it is decoded: eight bits a channel, smaller, opaque."""

from __future__ import annotations

import numpy as np
from PIL import Image

from safelight.domain.photos import Undecodable
from safelight.vision.colour import plain_rgb


def eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel: 16-bit grey is scaled (Pillow's own convert clips it)."""
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)
        if _is_negative(image):
            wide = 65535 - wide
        grey = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
        clear = image.info.get("transparency")
        if isinstance(clear, int):  # the one value that is seen through
            grey.putalpha(Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8)))
        return grey
    if image.mode in {"I", "F"}:
        detail = f"{image.format} of {_samples(image)}"
        raise Undecodable("unsupported-format", detail, format=(image.format or "").lower() or None)
    if image.mode == "La":
        return image.convert("LA")
    return image.convert("L") if image.mode == "1" else image


def _is_negative(image: Image.Image) -> bool:
    """Whether a TIFF's zero is white: Pillow turns 8 bits of it over, and 16 not."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(262) == 0


def _samples(image: Image.Image) -> str:
    """What the samples of a picture that is not read are, in words."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return f"32-bit samples (Pillow's mode {image.mode})"
    bits, kind = tags.get(258, (32,)), tags.get(339, (1,))
    word = {1: "whole", 2: "signed", 3: "floating-point"}.get(kind[0], "complex")
    return f"{bits[0]}-bit {word} samples"


def shrunk(image: Image.Image, max_side: int) -> Image.Image:
    """The image with 8 bits a channel and no palette, its longest side at most *max_side* pixels.

    Comes before anything else is done to the pixels: what follows costs a fraction of the memory and
    the time. Nothing is enlarged.
    """
    size = fit(image.size, max_side)
    picture = eight_bits(image)
    if picture.mode in {"P", "PA"}:
        picture = picture.convert("RGBA" if has_alpha(picture) else "RGB")
    elif "transparency" in picture.info and picture.mode in {"L", "RGB"}:
        # One colour is seen through: mixed with its neighbours it would be another one.
        picture = picture.convert("LA" if picture.mode == "L" else "RGBA")
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return plain_rgb(picture) if picture.mode == "LAB" else picture


def fit(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """The size in pixels that fits into *max_side* a side, in proportion, at least one a side."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def has_alpha(image: Image.Image) -> bool:
    """True if some pixels may be transparent, by channel, palette or colour key."""
    return bool(image.has_transparency_data)


def over_white(image: Image.Image) -> Image.Image:
    """The image without transparency: what could be seen through becomes white."""
    if not has_alpha(image):
        return image
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")
