"""The named statements of the `.sql` files: SQL lives there and nowhere else.

A file is a row of blocks, each headed ``-- name: claim_job`` and a comment line that says what it
does. Parameters are psycopg's ``%(name)s``.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_HEAD = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Statements:
    """The statements of one file, as attributes: ``Statements("jobs").claim_job``."""

    def __init__(self, file: str) -> None:
        text = (resources.files("safelight.db") / "sql" / f"{file}.sql").read_text("utf-8")
        parts = _HEAD.split(text)[1:]
        self._file = file
        self._texts = {
            name: body.strip().rstrip(";")
            for name, body in zip(parts[::2], parts[1::2], strict=True)
        }

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"no statement {name!r} in {self._file}.sql") from None

    def names(self) -> tuple[str, ...]:
        """The names of the statements, in the order of the file."""
        return tuple(self._texts)


@cache
def statements(file: str) -> Statements:
    """The statements of ``sql/<file>.sql``, read once."""
    return Statements(file)
