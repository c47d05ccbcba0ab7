"""A Postgres that is installed on this machine, in place of the embedded one, for `make matrix`.

SAFELIGHT_TESTS_POSTGRES=/usr/lib/postgresql/15 pytest tests/integration/test_spine.py
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from safelight.local.postgres import Postgres

VARIABLE = "SAFELIGHT_TESTS_POSTGRES"
"""The folder of an installation, which has `bin/initdb` and `bin/postgres`. Readable by all users."""

_BUILTIN = 17
"""The first version that has the locale C.UTF-8 of its own; those before take the system's."""


@dataclass(frozen=True)
class Installed(Postgres):
    """The server of another installation, with a cluster like that of the embedded one."""

    home: Path

    def _binary(self, name: str) -> Path:
        return self.home / "bin" / name

    def _run(self, program: str, *arguments: str, said: str = "") -> None:
        if program == "initdb" and major(self.home) < _BUILTIN:
            options = ("--locale", "--builtin-locale")
            kept = (argument for argument in arguments if not argument.startswith(options))
            arguments = (*kept, "--locale=C.UTF-8")
        super()._run(program, *arguments, said=said)


def major(home: Path) -> int:
    """The version of the Postgres at *home*: 15 of `postgres (PostgreSQL) 15.18`."""
    command = (home / "bin" / "postgres", "--version")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"\) (\d+)", said)
    assert found, said
    return int(found[1])


def server(folder: Path, sockets: Path, port: int, password: str) -> Postgres:
    """The embedded server, or that of the installation that `VARIABLE` names."""
    if home := os.environ.get(VARIABLE):
        return Installed(folder, sockets, port, password, Path(home))
    return Postgres(folder, sockets, port, password)
