"""What users read gives the reason in words, never by a number that only we can look up."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from safelight import config
from safelight.cli.main import app
from safelight.cli.profiles import about
from safelight.domain.causes import load_rules
from safelight.domain.presets import load_presets
from safelight.domain.profiles import load_profiles
from safelight.domain.reasons import words
from safelight.web.app import create_app

ROOT = Path(__file__).parents[2]
CITED = re.compile(
    r"\b[RK]-\d+|\bK\d{1,2}\b|\bC\d{1,2}\b|\bA-[IVX]+[a-z]?\b|\bS[0124]\b|\b[fF]inding \d|\brequirements\b"
)
"""Numbers of the project's requirements, of their contradictions, facts, profiles and notes."""
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "workers").glob("*.py")])


def helps(command: Any, typed: str = "safelight") -> Iterator[tuple[str, str]]:
    """What `--help` says of each command and of each of its parameters."""
    yield typed, command.help or ""
    for parameter in command.params:
        yield f"{typed} {parameter.name}", getattr(parameter, "help", None) or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, f"{typed} {name}")


def test_no_help_cites_a_number() -> None:
    found = dict(helps(typer.main.get_command(app)))
    assert len(found) > 150
    assert {typed: text for typed, text in found.items() if CITED.search(text)} == {}
    assert not [t for t, text in found.items() if not text and not t.endswith(" help")]


def test_the_api_document_cites_no_number() -> None:
    settings = config.load(
        {
            "DATABASE_URL": "postgresql://there/db",
            "BROKER_URL": "redis://there",
            "REPLICATE_API_TOKEN": "-",
        }
    )
    document = json.dumps(create_app(None, settings).openapi(), ensure_ascii=False)
    assert len(document) > 50_000
    assert not CITED.findall(document)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_in_the_code_cites_a_number_unless_it_is_for_those_who_read_the_code(
    path: Path,
) -> None:
    """Docstrings may, but for those that are help or the API's description, which are shown."""
    tree = ast.parse(path.read_text())
    for_readers = {
        id(statement.value)
        for node in ast.walk(tree)
        for statement in _body(node)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            shown = id(node) not in for_readers
            assert not (shown and CITED.search(node.value)), f"{path}:{node.lineno}: {node.value}"


def _body(node: ast.AST) -> list[ast.stmt]:
    body = getattr(node, "body", [])
    return body if isinstance(body, list) else []


def test_what_profiles_presets_and_causes_show_cites_no_number() -> None:
    shown: list[Any] = [about(profile) for profile in load_profiles().values()]
    shown += [p.gates.composition.source for p in load_profiles().values() if p.gates.composition]
    shown += [[preset.title, preset.source] for preset in load_presets().values()]
    shown += [[rule.says, rule.remedy, rule.source] for rule in load_rules()]
    for one in shown:
        assert not CITED.findall(json.dumps(one, default=str)), one
    assert not CITED.findall(" ".join(words().values()))


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))],
    ids=lambda p: p.name,
)
def test_no_page_for_users_cites_a_number(path: Path) -> None:
    assert not CITED.findall(path.read_text())
