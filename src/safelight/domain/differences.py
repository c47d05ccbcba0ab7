"""The three columns of a training: what was asked for, what was sent, what the trainer really used.

The third is read out of the `config.yaml` in the trainer's own archive: the one place that proves what
ran (requirements, 0.7). The number of photos is read from the trainer's log, or from the captions in
the archive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from safelight.domain.trainer_inputs import INPUTS

MATTERS = frozenset(
    {"lora_rank", "steps", "learning_rate", "resolution", "trigger_word", "images", "batch_size"}
)
"""Where the trainer did otherwise in one of these, its version is marked: it is not what was ordered."""


class Verdict(StrEnum):
    """How the columns of one parameter agree."""

    SAME = "same"
    DEFAULT = "default"
    """Nobody set it; what is effective is the trainer's own."""
    NOT_TAKEN = "not taken"
    """Somebody set it, the trainer has no such input; what is effective, where known, is its own."""
    CHANGED = "changed"
    """It was sent, and the trainer used something else."""
    NOT_VERIFIED = "not verified"
    """It was sent, and nothing tells what became of it."""


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter in three columns; None: that column has nothing."""

    name: str
    asked: Any
    sent: Any
    effective: Any
    verdict: Verdict
    matters: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {**asdict(self), "verdict": str(self.verdict)}

    @property
    def words(self) -> str:
        """The row in one line."""
        used = "not known" if self.effective is None else self.effective
        return f"{self.name}: asked {self.asked}, sent {self.sent}, effective {used}"


def effective_inputs(process: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the trainer used, by the names its inputs have, out of ``config.process[0]``.

    `network_alpha` and `mixed_precision` are no inputs; people try to set them, so they are told.
    """
    process = process or {}
    network, train = _table(process.get("network")), _table(process.get("train"))
    sets = process.get("datasets")
    datasets = [_table(item) for item in sets] if isinstance(sets, list) else []
    first = datasets[0] if datasets else {}
    sides = [side for item in datasets for side in _listed(item.get("resolution"))]
    found = {
        "lora_rank": network.get("linear"),
        "network_alpha": network.get("linear_alpha"),
        "steps": train.get("steps"),
        "learning_rate": train.get("lr"),
        "batch_size": train.get("batch_size"),
        "optimizer": train.get("optimizer"),
        "gradient_checkpointing": train.get("gradient_checkpointing"),
        "mixed_precision": train.get("dtype"),
        "resolution": ",".join(map(str, sides)) or None,
        "caption_dropout_rate": first.get("caption_dropout_rate"),
        "cache_latents_to_disk": first.get("cache_latents_to_disk"),
        "trigger_word": process.get("trigger_word"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def columns(
    asked: Mapping[str, Any] | None,
    sent: Mapping[str, Any] | None,
    process: Mapping[str, Any] | None,
    *,
    images: int | None,
    version: tuple[str | None, str | None] = (None, None),
) -> tuple[ParameterRow, ...]:
    """Every parameter in its three columns.

    *asked* and *sent* as a training keeps them (`plans.TrainingPlan`), *process* out of the archive;
    *images* that the trainer found, *version* of the trainer as requested and as observed.
    """
    wanted = _table((asked or {}).get("parameters"))
    recorded = set((asked or {}).get("recorded_only", ()))
    effective = effective_inputs(process)
    rows = [
        _row(name, wanted.get(name), (sent or {}).get(name), effective.get(name))
        for name in (*wanted, *(n for n in effective if n not in wanted))
        if name not in recorded
    ]
    rows += [
        ParameterRow(name, wanted.get(name), None, effective.get(name), Verdict.NOT_TAKEN)
        for name in sorted(recorded)
    ]
    given = (asked or {}).get("images")
    if given is not None:
        rows.append(_row("images", given, given, images))
    requested, observed = version
    if requested:
        rows.append(_row("trainer_version", requested, requested, observed))
    return tuple(rows)


def _row(name: str, asked: Any, sent: Any, effective: Any) -> ParameterRow:
    if sent is None:
        return ParameterRow(name, asked, sent, effective, Verdict.DEFAULT)
    if effective is None:
        # Captions come with every photo, so `autocaption` leaves no trace in the config.
        return ParameterRow(name, asked, sent, effective, Verdict.NOT_VERIFIED)
    if _equal(name, sent, effective):
        return ParameterRow(name, asked, sent, effective, Verdict.SAME)
    return ParameterRow(name, asked, sent, effective, Verdict.CHANGED, matters=name in MATTERS)


def _equal(name: str, sent: Any, effective: Any) -> bool:
    if name == "resolution":
        return _sides(sent) == _sides(effective)
    spec = INPUTS.get(name)
    if spec is not None and spec.type is float:
        try:
            # YAML 1.1 reads 4e-04 as a text.
            return math.isclose(float(sent), float(effective), rel_tol=1e-6)
        except (TypeError, ValueError):
            return False
    return bool(sent == effective)


def _sides(value: Any) -> list[str]:
    return [side.strip() for side in str(value).split(",")]


def different(rows: tuple[ParameterRow, ...]) -> tuple[ParameterRow, ...]:
    """The rows whose columns do not agree."""
    return tuple(row for row in rows if row.verdict in (Verdict.NOT_TAKEN, Verdict.CHANGED))
