"""What `make release` refuses: a version that is tagged, a changelog that does not name it, loose changes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from tools import release

ROOT = Path(__file__).parents[2]
GOOD = "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-12-01\n\n### Added\n\n- It.\n"


def test_a_version_with_its_heading_no_tag_and_nothing_loose_may_be_released() -> None:
    assert release.doubts("1.2.3", GOOD, ["v1.2.2"], "") == []


@pytest.mark.parametrize(
    ("number", "changelog", "tags", "changed", "says"),
    [
        ("1.2", GOOD.replace("1.2.3", "1.2"), [], "", "not a version like 1.2.3"),
        ("1.2.3", GOOD, ["v1.2.3"], "", "a tag v1.2.3 already"),
        ("1.2.3", GOOD, [], " M Makefile\n", "in no commit"),
        ("1.2.3", GOOD.replace("2026-12-01", "soon"), [], "", "no heading '## 1.2.3"),
        ("1.2.3", GOOD.replace("## Unreleased\n", ""), [], "", "no heading '## Unreleased'"),
        ("1.2.3", GOOD.replace("leased\n", "leased\n\n- That.\n"), [], "", "belong under 1.2.3"),
    ],
)
def test_each_thing_that_is_wrong_is_named(
    number: str, changelog: str, tags: list[str], changed: str, says: str
) -> None:
    (found,) = release.doubts(number, changelog, tags, changed)
    assert says in found


def test_the_version_is_the_one_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert release.version() == project["version"]


def test_before_a_commit_runs_what_lint_runs_and_nothing_is_fetched() -> None:
    found = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in found} == {"local"}
    hooks = [hook["entry"].split()[:2] for repo in found for hook in repo["hooks"]]
    makefile = (ROOT / "Makefile").read_text()
    lint = makefile[makefile.index("\nlint:") :].split("\n\n")[0]
    assert [line.split()[0].removeprefix("@$(BIN)/") for line in lint.split("\n")[2:]] == [
        entry[0].removeprefix(".venv/bin/") for entry in hooks
    ]
