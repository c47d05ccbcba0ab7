import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.presets import get_preset
from safelight.domain.profiles import load_profiles
from safelight.domain.prompts import (
    banned_words,
    clean_prompt,
    fill,
    final_prompt,
    with_trigger,
)

TRIGGER = "slqk24bcdf"


def test_a_clean_prompt_is_left_as_it_is() -> None:
    text = "close-up photo of slqk24bcdf person, soft light, f/2.8, 85 mm, blue_green scarf"
    assert clean_prompt(text).text == text
    assert clean_prompt(text).removed == ()


@pytest.mark.parametrize(
    "line",
    [
        "System: you write prompts.",
        "You are Maya, a friendly stylist.",
        "### Instructions:",
        "As an AI I cannot see the person.",
        "Sure, here is the prompt:",
        "Here's your prompt:",
        "<|im_start|>assistant",
        "I'm Maya",
        "```",
        "---",
    ],
)
def test_lines_meant_for_a_language_model_do_not_reach_the_drawing_one(line: str) -> None:
    """R-69, R-17."""
    cleaned = clean_prompt(f"{line}\nphoto of a person at the sea")
    assert cleaned.text == "photo of a person at the sea"
    assert line in cleaned.removed


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("**photo** of a *smiling* person", "photo of a smiling person"),
        ("# photo\n- of a person\n- smiling", "photo, of a person, smiling"),
        ("**Prompt:** photo of a person", "photo of a person"),
        ("Prompt: photo of a person", "photo of a person"),
        ("> photo of [a person](https://x.test)", "photo of a person"),
        ("`photo` of a person", "photo of a person"),
        ("1. photo\n2. person", "photo, person"),
    ],
)
def test_markdown_marks_go_and_the_words_stay(text: str, clean: str) -> None:
    """R-69."""
    assert clean_prompt(text).text == clean


def test_a_sentence_that_only_mentions_a_system_is_kept() -> None:
    text = "photo of a person beside a stereo system: warm light"
    assert clean_prompt(text).text == text


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("photo at the sea", f"{TRIGGER} photo at the sea"),
        ("", TRIGGER),
        ("photo of {trigger} person", f"photo of {TRIGGER} person"),
        ("photo of [trigger] person", f"photo of {TRIGGER} person"),
        (f"photo of {TRIGGER} person", f"photo of {TRIGGER} person"),
        (f"photo of {TRIGGER.upper()} person", f"photo of {TRIGGER} person"),
        (f"photo of {TRIGGER}_1766966400 person", f"photo of {TRIGGER} person"),
        (f"{TRIGGER} person, {TRIGGER}, smiling", f"{TRIGGER} person, smiling"),
    ],
)
def test_the_versions_own_trigger_is_in_the_prompt_exactly_once(text: str, final: str) -> None:
    """R-5: what is stored is what is prompted; a suffix stuck to the trigger drew strangers."""
    assert final_prompt(text, TRIGGER) == final


@given(
    st.lists(
        st.sampled_from([TRIGGER, TRIGGER.upper(), "{trigger}", "person", ",", " at sea", "\n"])
    )
)
def test_whatever_is_asked_for_the_trigger_is_there_once(parts: list[str]) -> None:
    final = final_prompt(" ".join(parts), TRIGGER)
    assert final.count(TRIGGER) == 1
    assert final.lower().count(TRIGGER) == 1
    assert final_prompt(final, TRIGGER) == final


def test_every_preview_of_every_profile_is_filled_for_every_kind() -> None:
    """R-68."""
    for profile in load_profiles().values():
        for preview in profile.previews:
            for kind, noun in (
                ("person", "person"),
                ("model", "person"),
                ("character", "character"),
            ):
                prompt = fill(preview.prompt, trigger=TRIGGER, kind=kind)
                assert f"{TRIGGER} {noun}" in prompt
                assert "{" not in prompt


AUTHENTIC = get_preset("authentic")


@pytest.mark.parametrize(
    ("text", "kind", "clean", "changes"),
    [
        # markdown
        ("**photo** at sea", "person", "photo at sea", ["markdown: **"]),
        ("<b>photo</b> at sea", "person", "photo at sea", ["markdown: <b>", "markdown: </b>"]),
        ("a (red coat:1.3) at sea", "person", "a red coat at sea", ["weight: (red coat:1.3)"]),
        # persona and system text
        (
            "You are Maya, a warm stylist.\nphoto at sea",
            "person",
            "photo at sea",
            ["system-text: You are Maya, a warm stylist."],
        ),
        (
            "<think>she likes boats</think>photo at sea",
            "person",
            "photo at sea",
            ["system-text: <think>she likes boats</think>"],
        ),
        (
            '{"prompt": "photo at sea", "mood": "calm"}',
            "person",
            "photo at sea",
            ["json: mood, prompt"],
        ),
        # banned words
        (
            "masterpiece, photo, 8K UHD",
            "person",
            "photo",
            ["banned: masterpiece", "banned: 8K UHD"],
        ),
        (
            "photo, no airbrushed look, at sea",
            "person",
            "photo, look, at sea",
            ["banned: no airbrushed"],
        ),
        ("flawless-skin portrait", "person", "portrait", ["banned: flawless-skin"]),
        ("a 3d render of a fox", "person", "a of a fox", ["banned: 3d render"]),
        ("a 3d render of a fox", "character", "a 3d render of a fox", []),
        ("a flawlessly set table", "person", "a flawlessly set table", []),
        ("a plastic chair", "person", "a plastic chair", []),
    ],
)
def test_a_prompt_is_cleaned_as_this_table_says_and_every_change_is_told(
    text: str, kind: str, clean: str, changes: list[str]
) -> None:
    """R-69, R-70."""
    cleaned = clean_prompt(text, banned=banned_words(kind))
    assert cleaned.text == clean
    assert [f"{change.kind}: {change.text}" for change in cleaned.changes] == changes


def test_what_a_preset_adds_is_added_unless_it_is_said_already() -> None:
    """R-70: authenticity words."""
    cleaned = clean_prompt(
        "Natural Skin Texture, cinematic portrait", banned=AUTHENTIC.banned, add=AUTHENTIC.add
    )
    assert cleaned.text == "Natural Skin Texture, portrait, unretouched photo"
    assert [c.kind for c in cleaned.changes] == ["banned", "added"]
    assert cleaned.removed == ("cinematic",)


def test_nothing_is_added_to_a_prompt_of_which_nothing_is_left() -> None:
    assert clean_prompt("System: be nice", add=("unretouched photo",)).text == ""


@pytest.mark.parametrize(
    ("text", "final", "changes"),
    [
        ("a token of TOK love", "a token of TOK love", []),
        ("tok person", "TOK person", ["tok"]),
        ("TOK_1766966400 person", "TOK person", ["TOK_1766966400"]),
        ("TOK2 person and TOK", "TOK person and", ["TOK2", "TOK"]),
        ("TOK-shirt person", "TOK TOK-shirt person", []),
    ],
)
def test_a_trigger_made_elsewhere_is_not_looked_for_inside_of_words(
    text: str, final: str, changes: list[str]
) -> None:
    """R-5, for versions that were imported."""
    found = with_trigger(text, "TOK")
    assert found.text == final
    assert [change.text for change in found.changes] == changes


@given(st.text(max_size=200))
def test_cleaning_what_is_clean_changes_nothing(text: str) -> None:
    banned = banned_words("person")
    once = clean_prompt(text, banned=banned).text
    assert clean_prompt(once, banned=banned).text == once
