"""The wheel as a user gets it, and whether this commit may be released: `make wheel`, `make release`.

The wheel is built by hatchling out of what git has, installed with the pins of requirements-run.lock in
a fresh environment, and asked for its version. A release is asked for more first: see `doubts`. It is
the maintainer who tags; the commands are printed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version() -> str:
    """The version in pyproject.toml."""
    said: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return said


def doubts(number: str, changelog: str, tags: list[str], changed: str) -> list[str]:
    """Why version *number* cannot be released: one sentence a reason, none if it can.

    *changed*: what `git status --porcelain` says.
    """
    found = []
    if not re.fullmatch(r"\d+\.\d+\.\d+", number):
        found.append(f"{number} is not a version like 1.2.3.")
    if f"v{number}" in tags:
        found.append(f"There is a tag v{number} already: raise the version in pyproject.toml.")
    if changed.strip():
        found.append("The checkout has changes that are in no commit.")
    if not re.search(rf"^## {re.escape(number)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading '## {number} - YYYY-MM-DD'.")
    unreleased = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if unreleased is None:
        found.append("CHANGELOG.md has no heading '## Unreleased' for what comes next.")
    elif re.search(r"^- ", unreleased[1], re.MULTILINE):
        found.append(f"CHANGELOG.md has entries under Unreleased: they belong under {number}.")
    return found


def wheel(folder: Path) -> Path:
    """Build the wheel in *folder*, from a copy of what git has: nothing that lies about gets in."""
    names = _said("git", "ls-files", "-z").split("\0")
    with tempfile.TemporaryDirectory() as place:
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (Path(place) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, Path(place) / name)
        command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
        subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob(f"safelight-{version()}-*.whl"))


def installed(built: Path) -> str:
    """What `safelight --version` prints where the wheel was installed and nothing else was before."""
    with tempfile.TemporaryDirectory() as place:
        python = Path(place) / "bin/python"
        pip = (str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
        lock = str(ROOT / "requirements-run.lock")
        for command in (
            (sys.executable, "-m", "venv", place),
            (*pip, "--require-hashes", "-r", lock),
            (*pip, "--no-deps", str(built)),
            (*pip[:3], "check", "--disable-pip-version-check"),
        ):
            subprocess.run(command, check=True, cwd=place)
        env = {name: said for name, said in os.environ.items() if name != "PYTHONPATH"}
        script = (str(Path(place) / "bin/safelight"), "--version")
        done = subprocess.run(
            script, check=True, cwd=place, env=env, capture_output=True, text=True
        )
        return done.stdout.strip()


def main(asked: list[str]) -> int:
    """`--wheel`: build and try it. Without: look whether a release may be made first, and say how."""
    number = version()
    if "--wheel" not in asked:
        text = (ROOT / "CHANGELOG.md").read_text()
        tags = _said("git", "tag", "--list").split()
        found = doubts(number, text, tags, _said("git", "status", "--porcelain"))
        if found:
            print(
                f"{number} cannot be released:",
                *found,
                "docs/releasing.md has the steps.",
                sep="\n  ",
            )
            return 1
    built = wheel(ROOT / "dist")
    said = installed(built)
    if said != f"safelight {number}":
        print(f"The installed wheel says {said!r}, not {number}.")
        return 1
    print(
        f"{built.relative_to(ROOT)}: installed in a fresh environment, `safelight --version` says {number}"
    )
    if "--wheel" not in asked:
        print(f"Now: git tag -a v{number} -m 'Safelight {number}' && git push origin v{number}")
    return 0


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
