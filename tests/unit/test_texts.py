"""Text from outside: what is kept of it, and how it is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.texts import keepable, keepable_json, shown, speaks_to_terminals


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("step 3\x00", "step 3\ufffd"),
        ("half \ud83d a pair", "half \ufffd a pair"),
        ("the other \udc00 half", "the other \ufffd half"),
        ("été 天狗 👩‍🚀\r\n", "été 天狗 👩‍🚀\r\n"),
    ],
)
def test_what_postgres_cannot_keep_is_replaced_and_all_else_stays(given: str, kept: str) -> None:
    assert keepable(given) == kept


@given(st.text(alphabet=st.characters(codec=None)))
def test_whatever_came_can_be_encoded_afterwards(text: str) -> None:
    assert b"\x00" not in keepable(text).encode()
    assert not speaks_to_terminals(shown(text))


def test_json_is_kept_to_its_leaves() -> None:
    came = {"a\x00": ["\ud800", float("nan"), 10**400, {"deep": -(2**63)}], "n": None, "t": True}
    assert keepable_json(came) == {
        "a\ufffd": ["\ufffd", None, None, {"deep": None}],
        "n": None,
        "t": True,
    }


def test_json_nested_without_end_is_cut_off() -> None:
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    assert json.dumps(keepable_json(deep)).count("[") == 64


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("T\x1b]0;title\x07", "T\\x1b]0;title\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("B\u202eidi\ufeff", "B\\u202eidi\\ufeff"),
        ("[red]luca[/nope]", "[red]luca[/nope]"),
        ("👩‍🚀 نام‌ها", "👩‍🚀 نام‌ها"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(given: str, seen: str) -> None:
    assert shown(given) == seen


def test_lines_stay_where_they_are_meant_and_long_text_is_cut() -> None:
    assert shown("one\n\x1btwo", lines=True) == "one\n\\x1btwo"
    assert shown("x" * 100, most=10) == "x" * 9 + "…"
