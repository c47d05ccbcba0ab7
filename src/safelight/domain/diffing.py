"""Two runs side by side (R-10, R-135): their sets, parameters, courses and weights."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from safelight.domain.nouns import Fields
from safelight.domain.trainlog import LOSS_SAYS_LITTLE

TAIL = 0.1
"""The share of a course's end whose median stands for it: one step's loss is noise (C1)."""


def compare(a: Fields, b: Fields) -> dict[str, Any]:
    """What differs between two runs (rows of the `run` query), as JSON takes it."""
    return {
        "a": _named(a),
        "b": _named(b),
        "set": _sets(a, b),
        "parameters": _parameters(a, b),
        "course": _courses(a, b),
        "weights": _weights(a, b),
    }


def _named(row: Fields) -> dict[str, Any]:
    names = (
        "subject",
        "training_id",
        "training",
        "state",
        "version_id",
        "version",
        "version_state",
    )
    return {name: row[name] for name in (*names, "profile", "approved_by", "rejected_by")}


def _sets(a: Fields, b: Fields) -> dict[str, Any]:
    """Photos by content: the same bytes are the same photo, whatever their names."""
    one = {photo["sha256"]: photo for photo in a["photos"] or ()}
    two = {photo["sha256"]: photo for photo in b["photos"] or ()}
    common = [sha for sha in one if sha in two]
    return {
        "photos": [len(one), len(two)],
        "in_common": len(common),
        "only_a": [one[sha]["name"] for sha in one if sha not in two],
        "only_b": [two[sha]["name"] for sha in two if sha not in one],
        "made_otherwise": [
            one[sha]["name"] for sha in common if one[sha]["file_sha256"] != two[sha]["file_sha256"]
        ],
        "captions": [
            {"photo": one[sha]["name"], "a": one[sha]["caption"], "b": two[sha]["caption"]}
            for sha in common
            if one[sha]["caption"] != two[sha]["caption"]
        ],
        "exposures": [_exposures(a), _exposures(b)],
    }


def _exposures(row: Fields) -> float | None:
    sent, photos = (row["sent"] or {}).get("input") or {}, len(row["photos"] or ())
    if not photos or not sent.get("steps"):
        return None
    return round(float(sent["steps"]) * float(sent.get("batch_size") or 1) / photos, 1)


def _parameters(a: Fields, b: Fields) -> list[dict[str, Any]]:
    """Every input that differs in any of the three columns, and the trainer and profile."""
    found = [
        {"column": "run", "name": name, "a": a[name], "b": b[name]}
        for name in ("profile", "trainer", "trainer_version", "trainer_version_observed")
        if a[name] != b[name]
    ]
    for column, part in (("asked", "parameters"), ("sent", "input"), ("effective", None)):
        one, two = _flat(a[column], part), _flat(b[column], part)
        found += [
            {"column": column, "name": name, "a": one.get(name), "b": two.get(name)}
            for name in sorted(one | two)
            if one.get(name) != two.get(name) and name != "input_images"
        ]
    return found


def _flat(value: Any, part: str | None, path: str = "") -> dict[str, Any]:
    """Nested objects as one, their names joined by dots."""
    if part is not None:
        value = (value or {}).get(part)
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{path}{key}"
        found |= _flat(item, None, f"{name}.") if isinstance(item, Mapping) else {name: item}
    return found


def _courses(a: Fields, b: Fields) -> dict[str, Any]:
    both = [_course(a), _course(b)]
    names = ("steps", "last_tenth", "nan", "restarts", "seconds", "cost_usd")
    return {**{name: [one[name] for one in both] for name in names}, "note": LOSS_SAYS_LITTLE}


def _course(row: Fields) -> dict[str, Any]:
    course = row["course"] or {}
    losses = course.get("loss") or []
    tail = losses[-max(1, round(len(losses) * TAIL)) :]
    cost = row["cost_micro_usd"]
    return {
        "steps": row["step"],
        "last_tenth": round(median(tail), 4) if tail else None,
        "nan": len(course.get("nan") or ()),
        "restarts": len(course.get("restarts") or ()),
        "seconds": row["predict_seconds"],
        "cost_usd": None if cost is None else cost / 1_000_000,
    }


def _weights(a: Fields, b: Fields) -> dict[str, Any]:
    names = ("rank", "tensors", "weights_bytes", "weights_sha256", "lora_scale", "guidance")
    same = a["weights_sha256"] is not None and a["weights_sha256"] == b["weights_sha256"]
    return {"same_file": same, **{name: [a[name], b[name]] for name in names}}
