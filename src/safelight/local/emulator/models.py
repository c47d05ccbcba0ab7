"""Models and versions: the trainer, which is there from the start, and those that trainings fill."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from safelight.domain.trainer_inputs import TRAINER
from safelight.local.emulator.schemas import drawing_schema, trainer_schema
from safelight.local.emulator.state import State, dumps, stamp

TRAINER_VERSION = hashlib.sha256(b"emulated trainer 1").hexdigest()


def ensure_trainer(state: State) -> None:
    """The trainer's model and its one version."""
    owner, name = TRAINER.split("/")
    body = {"owner": owner, "name": name, "visibility": "public", "description": "LoRA trainer"}
    state.run("INSERT OR IGNORE INTO models VALUES (?, ?, ?, 0)", TRAINER, owner, dumps(body))
    state.run(
        "INSERT OR IGNORE INTO versions (id, model, created) VALUES (?, ?, ?)",
        *(TRAINER_VERSION, TRAINER, time.time()),
    )


def version_body(version: dict[str, Any]) -> dict[str, Any]:
    """A version as the API shows it."""
    return {
        "id": version["id"],
        "created_at": stamp(version["created"]),
        "cog_version": "0.13.7",
        "openapi_schema": trainer_schema() if version["model"] == TRAINER else drawing_schema(),
    }


def versions_of(state: State, model: str) -> list[dict[str, Any]]:
    """The model's versions that are not gone, newest first."""
    return state.rows(
        "SELECT * FROM versions WHERE model = ? AND (gone_at IS NULL OR gone_at > ?) "
        "ORDER BY created DESC",
        *(model, time.time()),
    )


def model_body(state: State, model: dict[str, Any], base: str) -> dict[str, Any]:
    """A model as the API shows it."""
    body = json.loads(model["body"])
    versions = versions_of(state, model["name"])
    runs = state.row("SELECT count(*) AS n FROM runs WHERE model = ?", model["name"])
    return {
        "url": f"{base}/{model['name']}",
        "owner": body["owner"],
        "name": body["name"],
        "description": body.get("description"),
        "visibility": body["visibility"],
        "github_url": body.get("github_url"),
        "paper_url": body.get("paper_url"),
        "license_url": body.get("license_url"),
        "run_count": runs["n"] if runs else 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version_body(versions[0]) if versions else None,
    }
