"""The pages for people: each term of ours is explained, and each command and kind of work is there."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from typing import Any

import pytest
import typer

from safelight import config
from safelight.cli.main import app
from safelight.db.migrate import migrations
from safelight.domain.states import STATES
from safelight.web.app import create_app
from tests.support.blocks import PAGES, ROOT, SHELL, blocks_of
from tests.unit.test_words import helps

GLOSSARY = "docs/glossary.md"
OTHERS = tuple(page for page in PAGES if page != GLOSSARY)
OURS = (
    "actor", "adopt", "alone", "audit", "campaign", "candidate", "checklist", "claim", "clock",
    "composition", "control", "course", "dataset", "door", "drain", "emulator", "erasure", "event",
    "exposure", "eye", "fence", "finding", "floor", "gate", "heartbeat", "hint", "hold", "intent",
    "lease", "manifest", "mark", "nudge", "park", "preset", "producer", "profile", "pulse",
    "recycle window", "retrain guard", "settle", "slot", "spine", "stage", "stray", "sweep", "tracker",
    "turn", "union", "walk", "watch",
)  # fmt: skip
"""Words that mean something of our own, whether or not a page uses them today."""


def terms() -> dict[str, str]:
    """Of the glossary: the heading → what stands under it."""
    text = (ROOT / GLOSSARY).read_text("utf-8")
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def spoken(page: str) -> str:
    """A page without its blocks and without what stands in backticks."""
    text = (ROOT / page).read_text("utf-8")
    return re.sub(r"`[^`\n]*`", " ", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S))


def uses(text: str, term: str) -> bool:
    """Whether *text* has the term, in any of its forms."""
    stem = re.escape(term.removesuffix("e") if len(term) > 4 else term)
    return bool(re.search(rf"\b{stem}(e|s|es|ed|d|ing|ning|ned|t|n)?s?\b", text, re.IGNORECASE))


@cache
def shown() -> str:
    """All that users read but the glossary: pages, help, the API's document."""
    settings = config.load(
        {
            "DATABASE_URL": "postgresql://there/db",
            "BROKER_URL": "redis://there",
            "REPLICATE_API_TOKEN": "-",
        }
    )
    help = [text for _, text in helps(typer.main.get_command(app))]
    api = json.dumps(create_app(None, settings).openapi(), ensure_ascii=False)
    return "\n".join([*((ROOT / page).read_text("utf-8") for page in OTHERS), *help, api])


def test_the_glossary_is_in_order_and_each_entry_is_short() -> None:
    found = list(terms())
    assert found == sorted(set(found))
    for term, text in terms().items():
        says = re.sub(r"`src/.*|`workers/.*|`pyproject.*", "", text).strip()
        assert 1 <= len(re.findall(r"[.](?=\s|$)", says)) <= 4, f"{term}: {says}"


@pytest.mark.parametrize("term", terms())
def test_a_term_says_where_it_lives_in_the_code(term: str) -> None:
    place = re.search(r"`((?:src|workers|pyproject)[\w/.]*)` \(`(\w+)`\)\s*$", terms()[term])
    assert place, f"{term} names no place"
    text = (ROOT / place[1]).read_text("utf-8")
    assert re.search(rf"\b{place[2]}\b", text), f"{place[1]} has no {place[2]}"


@pytest.mark.parametrize("term", terms())
def test_a_term_of_the_glossary_is_used_somewhere(term: str) -> None:
    assert all(uses(shown(), word) for word in term.split(", "))


def test_the_nouns_of_the_house_are_in_the_glossary() -> None:
    sql = "\n".join(m.sql for m in migrations())
    enum = re.search(r"CREATE TYPE noun AS ENUM \(([^)]*)\)", sql)
    assert enum
    later = re.findall(r"ALTER TYPE noun ADD VALUE (?:IF NOT EXISTS )?'(\w+)'", sql)
    nouns = {*STATES, *re.findall(r"'(\w+)'", enum[1]), *later}
    # An API key, an import and an image are what everybody means by them.
    assert nouns - {"key", "import", "image", "owner"} <= set(terms())


@pytest.mark.parametrize("page", OTHERS)
def test_a_page_uses_no_term_of_ours_that_the_glossary_lacks(page: str) -> None:
    text = spoken(page)
    missing = [word for word in OURS if word not in terms() and uses(text, word)]
    assert not missing
    italics = re.findall(r"(?<![*\w])\*(\w[^*\n]*\w)\*(?![*\w])", text)
    assert not [word for word in italics if not any(uses(word, term) for term in terms())]


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_glossary_is_linked(page: str) -> None:
    assert "glossary.md" in (ROOT / page).read_text("utf-8")


COMMAND = re.compile(r"safelight ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)([^\n`|;&)]*)")


def commands(page: str) -> list[tuple[str, str]]:
    """The commands of ours that a page names in backticks or in a shell block, with what follows."""
    text = (ROOT / page).read_text("utf-8")
    inline = [code for code in re.findall(r"`([^`\n]+)`", text) if code.startswith("safelight ")]
    blocks = [b.text for b in blocks_of(page) if b.language in SHELL]
    lines = [line.split("  #")[0] for block in blocks for line in block.splitlines()]
    return [(m[1], m[2]) for line in (*inline, *lines) for m in COMMAND.finditer(line)]


@pytest.mark.parametrize("page", PAGES)
def test_a_command_that_a_page_names_is_there_with_its_options(page: str) -> None:
    root: Any = typer.main.get_command(app)
    for words, rest in commands(page):
        command = root
        for word in words.split():
            if hasattr(command, "commands"):
                assert word in command.commands, f"{page}: safelight {words}"
                command = command.commands[word]
        known = {
            o for p in command.params for o in (*p.opts, *p.secondary_opts)
        } | {"--help"}  # fmt: skip
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", f" {words}{rest}"):
            assert option in known, f"{page}: safelight {words} has no {option}"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_names_its_language_and_python_parses(page: str) -> None:
    for block in blocks_of(page):
        assert block.language, block.where
        if block.language == "python" and page != "CONTRIBUTING.md":
            ast.parse(block.text)
