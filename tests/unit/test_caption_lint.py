from dataclasses import replace
from typing import Any

import pytest

from safelight.domain.caption_lint import lint_captions
from safelight.domain.captions import caption_for
from safelight.domain.findings import Finding, Level
from safelight.domain.measured import Angle, Framing
from tests.support.measured import face, good_set, measured, photo


def lint(text: str, **more: Any) -> list[Finding]:
    return lint_captions([replace(photo(1, **more), caption=text)], "slqk2")


@pytest.mark.parametrize(
    ("seen", "caption"),
    [
        ({"framing": Framing.CLOSE_UP}, "close-up photo of slqk2 person"),
        ({"framing": Framing.FULL_BODY}, "full body photo of slqk2 person"),
        ({"framing": Framing.UNCLASSIFIED}, "photo of slqk2 person"),
        ({"framing": None}, "photo of slqk2 person"),
    ],
)
def test_a_caption_says_the_framing_that_was_measured(seen: dict[str, Any], caption: str) -> None:
    """K10, R-72."""
    found = measured(1, faces=(face(),), background=0.05, plain_background=None, **seen)
    assert caption_for("slqk2", "person", None, found) == caption


def test_a_wide_shot_is_a_full_body_only_where_the_whole_body_was_seen() -> None:
    """K10: a guest behind a table is far away as well."""
    seen = measured(
        0, framing=Framing.WIDE, head_to_toe=True, plain_background=None, background=None
    )
    text = caption_for("slqk2", "person", None, seen)
    assert text == "wide shot photo of slqk2 person, full body in the distance"
    hidden = replace(seen, head_to_toe=False)
    assert caption_for("slqk2", "person", None, hidden) == "wide shot photo of slqk2 person"


def test_a_caption_says_angle_background_and_company_only_where_they_were_measured() -> None:
    side = face(angle=Angle.SIDE_LEFT)
    seen = measured(0, faces=(side, face(3)), plain_background=True, brightness="dark")
    assert caption_for("slqk2", "person", None, seen) == (
        "close-up photo of slqk2 person with another person, seen from the side, plain background"
    )
    blind = measured(
        0, faces=None, plain_background=None, background=None, brightness=None, people=None
    )
    assert caption_for("slqk2", "person", None, blind) == "close-up photo of slqk2 person"


def test_captions_of_ours_pass_their_own_lint() -> None:
    photos = [
        replace(p, caption=caption_for("slqk2", "person", None, p.known.measured))
        for p in good_set()
    ]
    assert lint_captions(photos, "slqk2") == []


def test_the_producers_own_words_stay_as_they_are() -> None:
    seen = measured(0)
    assert caption_for("slqk2", "person", "slqk2 laughing", seen) == "slqk2 laughing"


@pytest.mark.parametrize(
    ("text", "kind", "level"),
    [
        ("laughing at the sea", "caption-without-trigger", Level.NOTE),
        ("slqk2 with blonde hair and blue eyes", "caption-identity", Level.NOTE),
        ("a teenage slqk2, reading", "caption-identity", Level.NOTE),
        ("slqk2 **smiling**", "caption-leak", Level.WARN),
        ("slqk2, full body, by a tree", "caption-untrue", Level.WARN),
        ("slqk2 on a white background", "caption-untrue", Level.WARN),
    ],
)
def test_each_fault_of_a_caption_is_named(text: str, kind: str, level: Level) -> None:
    """R-41, R-69, K10, C9: photo 1 is a close-up before a background that is not plain."""
    (finding,) = lint(text)
    assert (finding.kind, finding.level) == (kind, level)
    assert finding.photo == "1.jpg"
    assert finding.remedy
    assert finding.source


@pytest.mark.parametrize(
    "text",
    [
        "slqk2 person smiling by a window",
        "[trigger] person smiling",
        "close-up of slqk2, brown coat",
        "slqk2 holding an old book",
    ],
)
def test_a_true_caption_has_no_finding(text: str) -> None:
    assert lint(text) == []


def test_nothing_is_called_untrue_where_nothing_was_measured() -> None:
    assert lint("slqk2, full body, white background", framing=None, plain_background=None) == []


def test_alone_among_others_is_untrue() -> None:
    (finding,) = lint("slqk2 alone in a cafe", faces=(face(), face(3)))
    assert "2 people were found" in finding.message


def test_one_phrase_in_more_than_four_fifths_of_the_captions_is_named_once() -> None:
    """C9: all 25 captions of one set repeated the armour, and the bare trigger stayed generic."""
    says = "slqk2 person in silver plate armor, view"
    photos = [replace(p, caption=f"{says} {n}") for n, p in enumerate(good_set(10))]
    (finding,) = lint_captions(photos, "slqk2")
    assert finding.kind == "caption-phrase"
    assert "'silver plate armor' is in 10 of 10 captions" in finding.message
    others = [replace(p, caption=f"slqk2 outdoors {n}") for n, p in enumerate(photos[:3])]
    assert lint_captions([*others, *photos[3:]], "slqk2") == []
