"""A contact sheet: the previews of a version on one page, with what they were trained on."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from safelight import scratch
from safelight.domain.photos import Undecodable
from safelight.vision.guard import GuardedEye

Color = tuple[int, int, int]
PAPER: Color = (24, 24, 27)
INK: Color = (240, 240, 242)
FAINT: Color = (150, 150, 158)
WARN: Color = (250, 190, 70)
MARGIN, GAP = 48, 24
CELL = 420
REFERENCE = 112
MAX_COLUMNS = 4


def contact_sheet(
    images: Sequence[tuple[Path, str]],
    target: Path,
    *,
    title: str,
    subtitle: str,
    references: Sequence[Path] = (),
    emulated: bool = False,
) -> Path:
    """Write *images* (path, caption) as one PNG at *target*; returns it.

    *references*: the photos it was trained on, as a row of small ones; what cannot be decoded is left
    out. *emulated* is said in words. ValueError without an image, `Undecodable` for one that is broken.
    """
    if not images:
        raise ValueError("A contact sheet needs at least one image.")
    columns = min(MAX_COLUMNS, max(3, len(images)))
    width = 2 * MARGIN + columns * CELL + (columns - 1) * GAP
    with scratch.folder() as folder, GuardedEye() as eye:
        small = _Small(eye, folder)
        pictures = [_contained(small(path, 2 * CELL)) for path, _ in images]
        shown = _squares(small, references, (width - 2 * MARGIN + 8) // (REFERENCE + 8))
    head, body = _Font(34), _Font(17)
    captions = [body.wrap(caption, CELL) for _, caption in images]
    rows = [range(i, min(i + columns, len(images))) for i in range(0, len(images), columns)]
    heights = [
        max(pictures[i].height for i in row) + 10 + body.height * max(len(captions[i]) for i in row)
        for row in rows
    ]
    top = MARGIN + head.height + body.height * (2 if emulated else 1) + 20
    strip = body.height + REFERENCE + 28 if shown else 0
    height = top + strip + sum(heights) + GAP * (len(rows) - 1) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 8), head.fit(title, width - 2 * MARGIN), INK, font=head.font)
    y = MARGIN + head.height
    draw.text((MARGIN, y), body.fit(subtitle, width - 2 * MARGIN), FAINT, font=body.font)
    if emulated:
        says = "EMULATED: nothing was trained; previews are cut out of the training photos."
        draw.text((MARGIN, y + body.height), says, WARN, font=body.font)
    y = top
    if shown:
        left_out = len(references) - len(shown)
        more = f" (and {left_out} more)" if left_out else ""
        draw.text((MARGIN, y), f"Trained on{more}", FAINT, font=body.font)
        for place, square in enumerate(shown):
            sheet.paste(square, (MARGIN + place * (REFERENCE + 8), y + body.height + 4))
        y += strip
    for row, tall in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            x = MARGIN + column * (CELL + GAP)
            sheet.paste(pictures[i], (x, y))
            for line, text in enumerate(captions[i]):
                at = (x, y + pictures[i].height + 10 + line * body.height)
                draw.text(at, text, INK, font=body.font)
        y += tall + GAP
    sheet.save(target, "PNG", optimize=True)
    return target


class _Font:
    """Pillow's own font at one size."""

    def __init__(self, size: int) -> None:
        self.font = ImageFont.load_default(size=size)
        self.height = round(size * 1.45)

    def wrap(self, text: str, width: int) -> list[str]:
        """*text* in lines that fit *width* pixels; at most six, the last one cut."""
        letters = max(8, int(width / max(1.0, self.font.getlength("e"))))
        lines = textwrap.wrap(text, letters, max_lines=6, placeholder=" …") or [""]
        return [self.fit(line, width) for line in lines]

    def fit(self, text: str, width: int) -> str:
        """*text*, cut at its end so that it fits *width* pixels."""
        if self.font.getlength(text) <= width:
            return text
        while text and self.font.getlength(f"{text}…") > width:
            text = text[:-1]
        return f"{text}…"


class _Small:
    """Photos upright and small: decoded where a broken one does no harm, as the training files are."""

    def __init__(self, eye: GuardedEye, folder: Path) -> None:
        self._eye, self._target = eye, folder / "small.jpg"

    def __call__(self, path: Path, side: int) -> Image.Image:
        self._eye.derive(path, self._target, side)
        with Image.open(self._target) as ours:
            ours.load()
        return ours


def _contained(picture: Image.Image) -> Image.Image:
    return ImageOps.contain(picture, (CELL, 2 * CELL), Image.Resampling.LANCZOS)


def _squares(small: _Small, paths: Sequence[Path], most: int) -> list[Image.Image]:
    found: list[Image.Image] = []
    for path in paths:
        if len(found) == most:
            break
        with contextlib.suppress(Undecodable):
            picture = small(path, 4 * REFERENCE)
            size = (REFERENCE, REFERENCE)
            found.append(
                ImageOps.fit(picture, size, Image.Resampling.LANCZOS, centering=(0.5, 0.3))
            )
    return found
