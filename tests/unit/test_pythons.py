"""Which Pythons Safelight runs on is said in several places, and is the same in each."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ours() -> range:
    """The minor versions of Python 3 that pyproject.toml names."""
    found = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"])
    assert found
    return range(int(found[1]), int(found[2]))


def test_set_up_doctor_and_readme_name_the_pythons_of_the_project() -> None:
    *others, last = (f"3.{minor}" for minor in ours())
    listed = f"{', '.join(others)} or {last}"
    asked = f"(3, {ours().start}) <= sys.version_info[:2] < (3, {ours().stop})"
    makefile = (ROOT / "Makefile").read_text()
    assert asked in makefile
    assert f"Safelight needs Python {listed}, and none was found" in makefile
    tried = re.search(r"for p in python3 ((?:python3\.\d+ )+)python;", makefile)
    assert tried
    assert tried[1].split() == [f"python3.{minor}" for minor in reversed(ours())]
    doctor = (ROOT / "src/safelight/cli/checks.py").read_text()
    assert asked in doctor
    assert f"Use 3.{ours().start} to {last}." in doctor
    assert f"You need Python {listed} and `make`" in (ROOT / "README.md").read_text()


def test_the_providers_own_client_is_for_the_contract_tests_alone() -> None:
    """Its stable line does not import on 3.14, so whatever needed it would not run there."""
    needs = [name for name in PROJECT["dependencies"] if name.startswith("replicate")]
    extras = PROJECT["optional-dependencies"]
    assert not needs
    assert {name for name, pins in extras.items() if any("replicate" in pin for pin in pins)} == {
        "dev"
    }
    imports = re.compile(r"^\s*(from|import) replicate\b", re.MULTILINE)
    for folder in ("src", "workers", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not imports.search(path.read_text()), path
