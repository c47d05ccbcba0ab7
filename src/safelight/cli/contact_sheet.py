"""A contact sheet: the previews of a version on one page, with what they were trained on."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

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

    *references*: the photos it was trained on, as a row of small ones. *emulated* is said in words.
    ValueError without an image.
    """
    if not images:
        raise ValueError("A contact sheet needs at least one image.")
    columns = min(MAX_COLUMNS, max(3, len(images)))
    width = 2 * MARGIN + columns * CELL + (columns - 1) * GAP
    head, body = _Font(34), _Font(17)
    captions = [body.wrap(caption, CELL) for _, caption in images]
    rows = [range(i, min(i + columns, len(images))) for i in range(0, len(images), columns)]
    pictures = [_thumbnail(path, CELL) for path, _ in images]
    heights = [
        max(pictures[i].height for i in row) + 10 + body.height * max(len(captions[i]) for i in row)
        for row in rows
    ]
    shown = references[: (width - 2 * MARGIN + 8) // (REFERENCE + 8)]
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
        for place, path in enumerate(shown):
            square = _square(path, REFERENCE)
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


def _thumbnail(path: Path, width: int) -> Image.Image:
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return ImageOps.contain(upright, (width, width * 2), Image.Resampling.LANCZOS)


def _square(path: Path, side: int) -> Image.Image:
    with Image.open(path) as opened:
        opened.draft("RGB", (side * 2, side * 2))
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return ImageOps.fit(upright, (side, side), Image.Resampling.LANCZOS, centering=(0.5, 0.3))
