"""`safelight inspect FOLDER`: the real command, on real files, with nothing running."""

from __future__ import annotations

import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from safelight.domain.measured import Framing
from safelight.domain.members import SetPhoto
from safelight.domain.page import page
from safelight.domain.profiles import get_profile
from safelight.domain.report import exposures_of, public_facts, report_of
from safelight.domain.sets import judge_set
from tests.support import photos as make
from tests.support.measured import good_set, photo
from tests.unit.test_cli import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("set") / "<b>Mia & co"
    made.mkdir()
    make.distinct_photos(made, 9)
    shutil.copy(made / "photo-003.jpg", made / "photo-003 (1).jpg")
    make.truncated_jpeg(made)
    make.turned_jpeg(made, seed=50)
    make.text_named_jpg(made)
    return made


def test_the_report_is_one_object_with_photos_and_findings(folder: Path, tmp_path: Path) -> None:
    done = run("inspect", str(folder), "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["profile"] == "likeness@v2"
    assert len(report["photos"]) == 13
    blamed = {
        (item["photo"], item["kind"], item["level"])
        for item in report["findings"]
        if item["photo"] and item["level"] == "block"
    }
    assert blamed == {
        ("notes.jpg", "not-an-image", "block"),
        ("truncated.jpg", "truncated", "block"),
    }
    assert report["counts"] == {
        "given": 13, "rejected": 2, "duplicates": 1, "not_chosen": 0, "kept": 10,
    }  # fmt: skip
    assert {item["photo"] for item in report["findings"] if item["kind"] == "turned"} == {
        "turned-6.jpg"
    }
    required = {"photo", "kind", "level", "trust", "measured", "limit", "remedy"}
    assert all(required <= item.keys() for item in report["findings"])
    assert report["verdict"] == "warn"


def test_the_same_folder_gives_the_same_findings(folder: Path, tmp_path: Path) -> None:
    first, second = (run("inspect", str(folder), "--json", home=tmp_path) for _ in range(2))
    assert first.stdout == second.stdout


def test_strict_fails_where_the_set_is_not_to_be_trained(folder: Path, tmp_path: Path) -> None:
    """R-23: selfie-reset blocks under 15."""
    words = ("inspect", str(folder), "--profile", "selfie-reset@2025-07-22")
    done = run(*words, "--strict", home=tmp_path)
    assert done.returncode == 1
    assert "at least 15 are needed" in done.stdout
    assert run(*words, home=tmp_path).returncode == 0


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


def test_the_page_needs_nothing_else_and_takes_no_name_for_markup(
    folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    done = run("inspect", str(folder), "--html", str(target), home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = read(target.read_text("utf-8"))
    names = {tag for tag, _ in found.tags}
    assert not names & {"script", "link", "iframe", "b>mia"}
    sources = [attrs["href"] for tag, attrs in found.tags if tag == "image"]
    assert len(sources) == 11  # what cannot be decoded has no picture
    assert all(source and source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "http" not in target.read_text("utf-8")
    assert "<b>Mia & co" in "".join(found.text)


def test_a_name_that_is_no_utf8_and_a_file_that_cannot_be_read_cost_the_report_nothing(
    tmp_path: Path,
) -> None:
    made = tmp_path / "set"
    made.mkdir()
    first, second, third = make.distinct_photos(made, 3)
    first.rename(os.fsdecode(os.fsencode(made) + b"/caf\xe9.jpg"))
    second.rename(os.fsdecode(os.fsencode(made) + b"/caf\xe8.jpg"))
    (made / "locked.jpg").symlink_to("/proc/self/mem")  # opens, and gives an error when read
    target = tmp_path / "report.html"
    done = run("inspect", str(made), "--json", "--html", str(target), home=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = {item["name"] for item in report["photos"]}
    assert names == {"caf\N{REPLACEMENT CHARACTER}.jpg", third.name, "locked.jpg"}
    assert len({item["id"] for item in report["photos"]}) == 4
    (found,) = [item for item in report["findings"] if item["photo"] == "locked.jpg"]
    assert (found["kind"], found["level"]) == ("unreadable", "block")
    assert "caf\N{REPLACEMENT CHARACTER}.jpg" in target.read_text("utf-8")


def test_the_page_has_a_place_for_a_photo_that_was_never_inspected() -> None:
    profile = get_profile("likeness@v2")
    photos = [*good_set(12), SetPhoto("new", "new.jpg", None)]
    report = report_of(judge_set(photos, profile.gates), photos, profile)
    html = page(report, {"new": "data:image/jpeg;base64,AA=="}, title="A set")
    assert "no picture" in html
    assert "new.jpg" in html


def made_report(**more: Any) -> dict[str, Any]:
    profile = get_profile("likeness@v2")
    photos = [*good_set(12), photo(40, name="<script>.jpg", smoothing=0.01)]
    judged = judge_set(photos, profile.gates, exposures=exposures_of(profile), **more)
    return report_of(judged, photos, profile)


def test_the_page_shows_the_verdict_of_each_photo_the_mix_and_what_to_add() -> None:
    report = made_report()
    html = page(report, {}, title="A set")
    text = " ".join(read(html).text)
    assert "13 of 13 photos are used" in text
    assert "<script>.jpg" in text  # as text
    assert "<script>" not in html
    assert "looks smoothed" in text
    assert "What to add" in text
    assert all(wanted in text for wanted in report["to_add"])
    assert "30% to 40%" in text


@pytest.mark.parametrize("whole", [True, False, None])
def test_the_page_says_of_a_body_whether_all_of_it_is_in_the_photo(whole: bool | None) -> None:
    """R-40; nothing where it could not be told."""
    profile = get_profile("fashion-fullbody@v2")
    photos = [photo(n, framing=Framing.FULL_BODY, head_to_toe=whole) for n in range(8)]
    html = page(report_of(judge_set(photos, profile.gates), photos, profile), {}, title="A set")
    assert ("full-body, head to toe" in html) is (whole is True)
    assert ("full-body, not head to toe" in html) is (whole is False)


def test_identity_vectors_never_leave_the_house() -> None:
    """They are biometric data."""
    report = made_report()
    assert "embedding" not in json.dumps(report)
    assert report["photos"][0]["facts"]["measured"]["faces"][0]["angle"] == "front"
    facts = good_set(1)[0].known.to_dict()
    assert "embedding" in json.dumps(facts)
    assert "embedding" not in json.dumps(public_facts(facts))
    assert "embedding" in json.dumps(facts), "what is stored is not touched"


def test_exposures_follow_the_profile_and_what_is_asked() -> None:
    """Finding 4: 1400 steps on 20 and on 5 photos."""
    detail = exposures_of(get_profile("selfie-detail@2025-12-14"))
    assert (detail(20), detail(5)) == (70.0, 280.0)
    assert exposures_of(get_profile("likeness@v2"))(20) == 40.0
    assert exposures_of(get_profile("likeness@v2"), {"steps": 1000})(20) == 50.0
