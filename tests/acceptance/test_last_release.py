"""The last release on the schema of this commit, as the two run together during a deploy.

The release is the newest tag `v1.2.3` that leads here. Its sources are unpacked and run in this
environment, by PYTHONPATH: the database has every migration of this commit.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

import safelight
from safelight.db.migrate import migrations

ROOT = Path(__file__).parents[2]
SPINE = "tests/integration/test_spine.py"
"""Of the release: claim, begin, do and settle."""

PROVIDER = ("REPLICATE_API_TOKEN", "REPLICATE_BASE_URL")


def git(*arguments: str) -> bytes:
    done = subprocess.run(("git", "-C", str(ROOT), *arguments), capture_output=True, check=False)
    return done.stdout


def newest() -> str | None:
    """The tag of the last release before this commit, or at it; None where git has none to show."""
    tags = (
        git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname").decode().split()
    )
    return next((tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag)), None)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources and the tests of the last release."""
    tag = newest()
    if tag is None:
        pytest.skip(
            "NOT TRIED: the last release's workers on this schema. There is no tag like v1.2.3 here: nothing"
            " was released yet, or this clone is without tags (git fetch --tags)."
        )
    folder = tmp_path_factory.mktemp("release")
    folder.chmod(0o755)
    archive = git("archive", tag, "src", "workers", "tests", "pyproject.toml")
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    said = ran(
        folder, "-c", "import safelight, workers; print(safelight.__file__, workers.__path__)"
    )
    assert said.stdout.count(str(folder)) == 2, said.stdout + said.stderr
    return folder


def ran(
    release: Path, *arguments: str, seconds: float = 60, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Python with the release's modules in place of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in PROVIDER}
    return subprocess.run(
        (sys.executable, *arguments),
        cwd=release,
        env={**kept, "PYTHONPATH": f"{release / 'src'}{os.pathsep}{release}", **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.mark.timeout(600)
def test_the_last_releases_workers_carry_a_training_to_its_end_on_this_schema(
    release: Path, given: dict[str, str], tmp_path: Path
) -> None:
    """All its processes: five pools, the clock, the API, its emulator."""
    env = {name: value for name, value in given.items() if name not in PROVIDER}
    env["SAFELIGHT_HOME"] = str(tmp_path / "home")
    done = ran(release, "-m", "safelight.cli", "demo", seconds=240, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    with psycopg.connect(given["DATABASE_URL"]) as connection:

        def asked(statement: LiteralString) -> list[Any]:
            return [row[0] for row in connection.execute(statement).fetchall()]

        assert asked("SELECT state::text FROM trainings") == ["succeeded"]
        assert asked("SELECT state::text FROM versions") == ["active"]
        assert set(asked("SELECT state::text FROM generations")) == {"succeeded"}
        assert "parked" not in asked("SELECT state::text FROM jobs")
        ran_here = asked("SELECT name FROM schema_migrations ORDER BY number")
        assert ran_here == [migration.name for migration in migrations()]


@pytest.mark.timeout(600)
def test_the_last_releases_own_tests_of_the_spine_pass_on_this_schema(release: Path) -> None:
    """Its tests make their databases by its migrations: these are laid over by ours."""
    ours = Path(safelight.__file__).parent / "db/migrations"
    shutil.copytree(ours, release / "src/safelight/db/migrations", dirs_exist_ok=True)
    assert (release / SPINE).exists(), "The spine's tests have moved: say here where they are."
    done = ran(release, "-m", "pytest", "-q", "-p", "no:cacheprovider", SPINE, seconds=240)
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"\d\d+ passed", done.stdout), done.stdout[-2000:]
