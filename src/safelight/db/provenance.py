"""What trainings rest on, kept as it was: the profiles' texts, and what each trainer version takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, jsonb
from safelight.domain.profiles import Profile

sql = statements("provenance")


def keep_profile(tx: Tx, profile: Profile) -> None:
    """Keep its text, unless one was kept under its id before."""
    tx.run(sql.keep_profile, {"id": profile.id, "sha256": profile.sha256, "text": profile.text})


def kept_profile(tx: Tx, id: str) -> Row | None:
    """`id`, `sha256`, `text` and `kept_at` of a profile that was used; None: none was."""
    return tx.row(sql.kept_profile, {"id": id})


def keep_schema(tx: Tx, trainer: str, version: str, properties: Mapping[str, Any]) -> None:
    """Keep what a trainer's version takes (`domain.trainer_schema.training_properties`)."""
    values = {"trainer": trainer, "version": version, "inputs": jsonb(dict(properties))}
    tx.run(sql.keep_schema, values)


def schemas(tx: Tx, trainer: str) -> dict[str, dict[str, Any]]:
    """Version → what it takes, the newest read first."""
    return {row["version"]: row["inputs"] for row in tx.rows(sql.schemas, {"trainer": trainer})}
