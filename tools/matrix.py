"""The tests under each Python and on each Postgres that is on this machine: `make matrix`.

What `make test` runs with (the Python of .venv, the embedded Postgres) is named and not run again.
Each other Python gets an environment of its own out of requirements.lock, under .venv/matrix, and runs
the unit tests and what drives the provider's own client; each other Postgres gets the tests of
migrations, spine and SQL. `--all` runs whole folders. What is not on this machine is said, too.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".venv/matrix"
POSTGRESES = range(15, 19)
"""From the oldest that is supported to the embedded one."""

EMBEDDED = 18
SECONDS = 900
"""After that a run is ended, and has failed."""

PYTHON_PLACES = (
    "/usr/bin/python3.*",
    "/usr/local/bin/python3.*",
    "/opt/homebrew/bin/python3.*",
    "~/.pyenv/versions/3.*/bin/python",
    "~/.local/share/uv/python/*/bin/python3.*",
)
POSTGRES_PLACES = (
    "/usr/lib/postgresql/*",
    "/usr/pgsql-*",
    "/opt/homebrew/opt/postgresql@*",
    "/usr/local/opt/postgresql@*",
)

MEASURED = (
    *("mutants", "eye_truth", "cut_faces", "inspect_command", "contact_sheet", "vision_guard"),
    *("preprocess_stage", "s3_links", "location", "vision", "lora_foreign", "tensor_header"),
    *("terminal", "house", "words", "layers"),
)
"""Unit tests that are left out: they take long in numpy and OpenCV, or read the sources as text."""

CONTRACTS = ("tests/contract/test_official_client.py", "tests/contract/test_wire.py")
SQL = ("migrations", "spine", "turns", "plans_of_queries", "queue_submit", "sets", "erasure")
"""Integration tests of what a Postgres may do otherwise: DDL, claims, plans, the catalogue's keys."""


@dataclass
class Cell:
    """One line of the table."""

    what: str
    where: str = ""
    tests: str = ""
    ended: str = ""
    skips: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return self.ended.startswith("FAILED")


def supported() -> list[tuple[int, int]]:
    """The Pythons that pyproject.toml names, oldest first."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    first, end = (int(minor) for minor in re.findall(r"3\.(\d+)", said))
    return [(3, minor) for minor in range(first, end)]


def found(places: Iterable[str]) -> Iterator[Path]:
    """What there is at *places*, which may have stars; the last of a kind comes last."""
    for place in places:
        path = Path(place).expanduser()
        yield from sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def python_version(path: Path) -> tuple[int, int] | None:
    """The version of an interpreter that can make environments and has what we need; else None."""
    code = "import ctypes, ensurepip, sqlite3, ssl, sys, venv; print(*sys.version_info[:2])"
    said = _output((str(path), "-c", code)).split()
    return (int(said[0]), int(said[1])) if len(said) == 2 else None


def postgres_version(home: Path) -> int | None:
    """The version of the Postgres whose `bin` is in *home*; None where there is none."""
    said = re.search(r"\(PostgreSQL\) (\d+)", _output((str(home / "bin/postgres"), "--version")))
    return int(said[1]) if said and (home / "bin/initdb").exists() else None


def pythons(places: Iterable[str]) -> dict[tuple[int, int], Path]:
    """One interpreter of each version."""
    every = [path for path in found(places) if re.fullmatch(r"python(3\.\d+)?|python3", path.name)]
    return {version: path for path in every if (version := python_version(path))}


def postgreses(places: Iterable[str]) -> dict[int, Path]:
    """One installation of each version."""
    return {version: path for path in found(places) if (version := postgres_version(path))}


def run(cell: Cell, python: Path, tests: Iterable[str], env: dict[str, str]) -> None:
    """Run *tests*, with a log beside the environments, and note in *cell* how it ended."""
    print(f"{cell.what} ...", flush=True)
    log = PLACE / f"{cell.what.replace(' ', '-').lower()}.log"
    command = (
        *(str(python), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"),
        *("-p", "no:cacheprovider", *tests),
    )
    # Warnings are errors in our tests; the models were fetched when .venv was made.
    env = {**os.environ, "SAFELIGHT_MODELS": str(ROOT / ".venv/share/safelight-models"), **env}
    started = time.monotonic()
    code = _ended(command, log, env)
    lines = log.read_text().splitlines()
    passed = re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", lines[-1] if lines else "")
    cell.tests = ", ".join(f"{count} {how}" for count, how in passed)
    took = f"{time.monotonic() - started:.0f} s"
    cell.ended = f"passed in {took}" if code == 0 else f"FAILED in {took}: {log}"
    cell.skips = re.findall(r"^SKIPPED \[\d+\] \S+: (.+)", "\n".join(lines), re.MULTILINE)
    if code != 0:
        print("\n".join(lines[-60:]))


def environment(version: tuple[int, int], base: Path) -> Path:
    """The interpreter of an environment with every pin. CalledProcessError if one is not to be had."""
    home = PLACE / ".".join(map(str, version))
    python, stamp = home / "bin/python", home / ".installed"
    wanted = sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        pip = (str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
        locked = ("--no-compile", "--only-binary", ":all:", "--require-hashes", "--no-deps")
        for command in (
            (str(base), "-m", "venv", "--clear", str(home)),
            (*pip, *locked, "-r", str(ROOT / "requirements.lock")),
            (*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)),
        ):
            subprocess.run(command, check=True, cwd=ROOT, timeout=SECONDS)
        stamp.write_text(wanted)
    return python


def quick_unit_tests() -> list[str]:
    """Every file of tests/unit but what is left out."""
    return sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/unit").glob("test_*.py")
        if path.stem.removeprefix("test_") not in MEASURED
    )


def of_pythons(there: dict[tuple[int, int], Path], whole: bool) -> Iterator[Cell]:
    """A line for each Python, as its tests end."""
    for version in supported():
        cell = Cell("Python " + ".".join(map(str, version)))
        if version == sys.version_info[:2]:
            cell.where, cell.ended = sys.executable, "see make test"
        elif version not in there:
            cell.ended = "not on this machine"
        else:
            cell.where = str(there[version])
            tests = ["tests/unit", "tests/contract"] if whole else [*quick_unit_tests(), *CONTRACTS]
            try:
                run(cell, environment(version, there[version]), tests, {})
            except subprocess.SubprocessError as error:
                cell.ended = f"FAILED to be set up: {error}"
        yield cell


def of_postgreses(there: dict[int, Path], whole: bool) -> Iterator[Cell]:
    """A line for each Postgres, as its tests end."""
    for version in POSTGRESES:
        cell = Cell(f"Postgres {version}")
        if version == EMBEDDED:
            cell.where, cell.ended = "the embedded one", "see make test"
        elif version not in there:
            cell.ended = "not on this machine"
        else:
            cell.where = str(there[version])
            # What is about the embedded server itself is not for another.
            tests = ["tests/integration", "--ignore", "tests/integration/test_local_stores.py"]
            quick = [f"tests/integration/test_{name}.py" for name in SQL]
            env = {"SAFELIGHT_TESTS_POSTGRES": cell.where}
            run(cell, Path(sys.executable), tests if whole else quick, env)
        yield cell


def main() -> int:
    """Run the matrix, print its table; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--all", action="store_true", help="whole folders, not the quick part")
    parser.add_argument("also", nargs="*", help="other interpreters, and folders of Postgres")
    asked = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    cells = [
        *of_pythons(pythons((*PYTHON_PLACES, *asked.also)), asked.all),
        *of_postgreses(postgreses((*POSTGRES_PLACES, *asked.also)), asked.all),
    ]
    table = Table("", "which", "tests", "ended", title="The matrix")
    for cell in cells:
        table.add_row(cell.what, cell.where, cell.tests, cell.ended)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for reason in dict.fromkeys(reason for cell in cells for reason in cell.skips):
        under = ", ".join(cell.what for cell in cells if reason in cell.skips)
        console.print(f"Skipped ({under}): {reason}", markup=False, highlight=False)
    return int(any(cell.failed for cell in cells))


def _output(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _ended(command: tuple[str, ...], log: Path, env: dict[str, str]) -> int | None:
    """The exit status; None where it did not end in time and was ended."""
    with log.open("w") as file:
        try:
            return subprocess.run(
                command, cwd=ROOT, env=env, stdout=file, stderr=file, timeout=SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            file.write(f"\nIt was ended after {SECONDS} s.\n")
            return None


if __name__ == "__main__":
    sys.exit(main())
