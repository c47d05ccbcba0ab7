"""The pages that people open, in a real browser: on a desk and in a hand, by day and by night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page

from safelight.domain.audit_page import audit_page
from tests.support.photos import picture
from tests.unit.test_cli import run

HAND, DESK = {"width": 390, "height": 844}, {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The page of twelve photos, one of them turned, one no photo at all, one with a name of markup."""
    place = tmp_path_factory.mktemp("report")
    photos = place / "photos"
    photos.mkdir()
    for number in range(10):
        picture(number, (1600, 1200)).save(photos / f"{number:02d}.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(20, (1600, 1200)).save(photos / "turned.jpg", quality=90, exif=exif)
    picture(21, (1200, 1600)).save(photos / "<b>Mia & co #1.jpg", quality=90)
    (photos / "broken.jpg").write_bytes(b"no photo")
    html = place / "page.html"
    done = run("inspect", str(photos), "--html", str(html), "--json", home=place)
    assert done.returncode == 0, done.stderr
    return html, json.loads(done.stdout)


def fits(tab: Page) -> bool:
    """Whether nothing is wider than the screen."""
    return bool(tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("screen", [HAND, DESK], ids=["in a hand", "on a desk"])
def test_the_report_on_a_set_fits_its_screen_and_needs_nothing_else(
    tab: Page, report: tuple[Path, dict[str, Any]], screen: Any
) -> None:
    tab.set_viewport_size(screen)
    tab.goto(report[0].as_uri())
    assert fits(tab)
    assert tab.locator(".photo").count() == 13
    assert "Mia & co #1.jpg" in tab.locator(".photos").inner_text()


def test_each_photo_is_seen_upright_with_what_is_made_of_it_beside_it(
    tab: Page, report: tuple[Path, dict[str, Any]]
) -> None:
    tab.goto(report[0].as_uri())
    card = tab.locator(".photo", has_text="turned.jpg")
    given, made = card.locator("svg").all()
    box = given.bounding_box()
    assert box is not None
    assert box["width"] * 1.25 < box["height"] * 1.01, "it is lying in the file, and stands here"
    for drawn in (given, made):
        # Pixels of many colours: the picture is there, and not an empty frame.
        shot = drawn.screenshot()
        assert len(shot) > 5_000
    said = card.locator("figcaption").all_inner_texts()
    facts = next(p for p in report[1]["photos"] if p["name"] == "turned.jpg")
    wide, tall = facts["crop"]["file"]
    assert said == ["given", f"trained on, {wide} × {tall}"]


def test_what_needs_a_look_stands_first_and_what_is_no_photo_says_so(
    tab: Page, report: tuple[Path, dict[str, Any]]
) -> None:
    tab.goto(report[0].as_uri())
    first = tab.locator(".photo").first.inner_text()
    assert "broken.jpg" in first
    assert "no picture" in first
    assert "left out" in first


def contrast(tab: Page) -> float:
    """WCAG's contrast of the page's ink on its paper."""
    colours = tab.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    light = []
    for colour in colours:
        parts = [int(n) / 255 for n in colour[4:-1].split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        light.append(sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    dark, bright = sorted(light)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_legible_by_day_and_by_night(
    tab: Page, report: tuple[Path, dict[str, Any]], scheme: Any
) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.goto(report[0].as_uri())
    assert contrast(tab) > 7


@pytest.mark.parametrize("screen", [HAND, DESK], ids=["in a hand", "on a desk"])
def test_the_audits_page_fits_its_screen(tab: Page, tmp_path: Path, screen: Any) -> None:
    link = {"name": "weights", "state": "differs", "says": "it is another file",
            "expected": "a" * 64, "found": "c" * 64}  # fmt: skip
    version = {
        "id": "0190", "number": 1, "state": "active", "origin": "trained", "verdict": "ok",
        "links": [link], "photos": [{"name": "<i>one.jpg", "sha256": "b" * 64}],
        "parameters": {"asked": {}, "sent": {"input": {"steps": 1000}}},
    }  # fmt: skip
    audit = {"subject": {"name": "Mia <b>"}, "read": True, "at": "2026", "verdict": "ok",
             "versions": [version]}  # fmt: skip
    page = tmp_path / "audit.html"
    page.write_text(audit_page(audit), "utf-8")
    tab.set_viewport_size(screen)
    tab.goto(page.as_uri())
    tab.locator("summary").last.click()
    assert fits(tab)
    assert tab.locator("h1").inner_text() == "Audit of Mia <b>: ok"
