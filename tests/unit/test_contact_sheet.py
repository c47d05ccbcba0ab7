"""The page on which people see what a version draws."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from safelight.cli.contact_sheet import CELL, MARGIN, PAPER, contact_sheet
from tests.support import dialects

COLORS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (30, 200, 200)]


def made(folder: Path, count: int, size: tuple[int, int] = (300, 400)) -> list[tuple[Path, str]]:
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.new("RGB", size, COLORS[number % len(COLORS)]).save(path)
        found.append((path, f"prompt number {number}"))
    return found


@pytest.mark.parametrize("count", [1, 3, 4, 5, 40])
def test_every_image_is_on_the_sheet(tmp_path: Path, count: int) -> None:
    images = made(tmp_path, count)
    sheet = contact_sheet(images, tmp_path / "sheet.png", title="Version 1", subtitle="rank 16")
    with Image.open(sheet) as opened:
        counted = opened.getcolors(maxcolors=1 << 24) or []
        colors = {color for _, color in counted if isinstance(color, tuple)}
        assert opened.format == "PNG"
    for wanted in COLORS[:count]:
        assert any(max(abs(a - b) for a, b in zip(wanted, c, strict=True)) <= 3 for c in colors)


def test_what_lies_on_its_side_is_shown_upright_and_a_broken_photo_is_left_out(
    tmp_path: Path,
) -> None:
    lying = tmp_path / "a.tif"
    dialects.ORIENTED["tif"](dialects.lying(6, (300, 200)), lying, 6)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(900))
    sheet = contact_sheet(
        [(lying, "")], tmp_path / "s.png", title="t", subtitle="s", references=[broken, lying]
    )
    with Image.open(sheet) as opened:
        at = MARGIN + CELL // 4
        last = max(y for y in range(opened.height) if opened.getpixel((at, y)) != PAPER)
        # 420 wide, so 280 high: a picture that still lay on its side would be taller than wide.
        assert dialects.is_upright(opened.crop((MARGIN, last - 279, MARGIN + CELL, last + 1)))
        assert opened.getpixel((at, last - 285)) == PAPER


def test_a_long_caption_is_wrapped_and_cut_and_never_runs_into_its_neighbour(
    tmp_path: Path,
) -> None:
    (path, _), (other, _) = made(tmp_path, 2)
    long = "word " * 400
    sheet = contact_sheet([(path, long), (other, "")], tmp_path / "s.png", title="t", subtitle="s")
    with Image.open(sheet) as opened:
        gap = opened.crop((MARGIN + CELL, 200, MARGIN + CELL + 20, opened.height))
        assert len(gap.getcolors() or []) == 1, "nothing is drawn between two cells"
        assert opened.height < 1400


def test_emulated_results_say_so_and_references_are_shown(tmp_path: Path) -> None:
    images = made(tmp_path, 3)
    plain = contact_sheet(images, tmp_path / "a.png", title="t", subtitle="s")
    said = contact_sheet(
        images,
        tmp_path / "b.png",
        title="t",
        subtitle="s",
        emulated=True,
        references=[path for path, _ in images] * 20,
    )
    with Image.open(plain) as a, Image.open(said) as b:
        assert b.height > a.height
        assert b.width == a.width


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], tmp_path / "s.png", title="t", subtitle="s")
