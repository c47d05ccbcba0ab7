"""What the provider forgets, and when (replicate.md 2.5 and 2.9).

A prediction's input and output go an hour after it ended, or with the version that drew it; a
version's weights, and what they were made of, go with the version. How long a training's record (its
input, with a URL and a trigger word in it) is kept is documented nowhere: for ever, unless
`training_record_seconds` says otherwise.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

from safelight.local.emulator.state import State

OUTPUT_SECONDS = 3600.0
"""Outputs of predictions are removed after an hour."""
_FILES, _DATA = 1, 2


def token(run_id: str) -> str:
    """The part of a delivery URL that nobody can guess."""
    return hashlib.sha256(f"delivery:{run_id}".encode()).hexdigest()[:40]


def forget(state: State, folder: Path, training_record_seconds: float | None) -> None:
    """Remove what has outlived its time. Cheap where there is nothing to do."""
    now = time.time()
    candidates = state.rows(
        "SELECT runs.* FROM runs LEFT JOIN versions made ON made.run = runs.id "
        "LEFT JOIN versions used ON used.id = runs.version "
        "WHERE runs.ended IS NOT NULL AND runs.forgotten < 2 AND ("
        "  runs.kind = 'prediction' AND (used.gone_at IS NOT NULL OR runs.ended < ?)"
        "  OR runs.kind = 'training' AND (made.id IS NULL OR made.gone_at IS NOT NULL))",
        now - OUTPUT_SECONDS,
    )
    for run in candidates:
        due = _due(state, run, now, training_record_seconds)
        if due > run["forgotten"]:
            _forget(state, folder, run, due)


def _due(state: State, run: dict[str, Any], now: float, record_seconds: float | None) -> int:
    age = now - run["ended"]
    if run["kind"] == "prediction":
        gone = _version_gone(state, "id", run["version"], now)
        return _DATA if gone or age > OUTPUT_SECONDS else 0
    if record_seconds is not None and age > record_seconds and not _has_version(state, run, now):
        return _DATA
    return 0 if _has_version(state, run, now) else _FILES


def _has_version(state: State, run: dict[str, Any], now: float) -> bool:
    made = state.row("SELECT 1 FROM versions WHERE run = ?", run["id"])
    return bool(made) and not _version_gone(state, "run", run["id"], now)


def _version_gone(state: State, column: str, value: str, now: float) -> bool:
    statement = {
        "id": "SELECT 1 FROM versions WHERE id = ? AND gone_at <= ?",
        "run": "SELECT 1 FROM versions WHERE run = ? AND gone_at <= ?",
    }[column]
    return state.row(statement, value, now) is not None


def _forget(state: State, folder: Path, run: dict[str, Any], due: int) -> None:
    shutil.rmtree(folder / "photos" / run["id"], ignore_errors=True)
    shutil.rmtree(folder / "delivery" / token(run["id"]), ignore_errors=True)
    if due == _DATA:
        state.run(
            "UPDATE runs SET forgotten = 2, input = '{}', output = NULL, webhook = NULL, error = NULL "
            "WHERE id = ?",
            run["id"],
        )
    else:
        state.run("UPDATE runs SET forgotten = ? WHERE id = ?", due, run["id"])
