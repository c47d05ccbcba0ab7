"""A version trained elsewhere: what the provider and the file itself tell of it, and what nobody does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safelight.domain.errors import (
    BadArchive,
    Invalid,
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
)
from safelight.domain.provider import RemoteRun
from safelight.stages import weights
from safelight.stages.archives import MAX_ARCHIVE_BYTES
from safelight.stages.generate import draw_inputs_of
from safelight.stages.tools import Provider

PAGES = 50
"""So many pages of a hundred trainings are looked through for the one that made a version."""
KEPT_INPUTS = (
    "steps", "lora_rank", "learning_rate", "batch_size", "resolution", "optimizer", "trigger_word",
    "autocaption", "caption_dropout_rate", "layers_to_optimize_regex", "gradient_checkpointing",
)  # fmt: skip
"""What is worth knowing of a foreign training's input; its photos' URL is long dead, or a secret."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out about a version trained elsewhere."""

    model: str | None = None
    version: str | None = None
    draw_inputs: dict[str, dict[str, Any]] | None = None
    run: RemoteRun | None = None
    """The training at the provider that made it."""
    file: Path | None = None
    facts: weights.WeightsFacts | None = None
    effective: dict[str, Any] | None = None
    trigger: str | None = None
    """The trigger it was trained with, where the run or the file says so."""
    missing: Mapping[str, str] = field(default_factory=dict)


def look(
    provider: Provider, folder: Path, *, model: str | None, version: str | None, file: Path | None
) -> Found:
    """Find out what can be known of ``model:version`` at the provider, of *file*, or of both.

    Raises:
        NotFound: the provider has no such version. BadArchive: the file is no whole LoRA.
    """
    missing: dict[str, str] = {
        "photos": "Which photos it was trained on is known nowhere.",
        "consent to those photos": "Who agreed to what it was trained on is not on record here.",
    }
    run, takes = None, None
    if model is not None and version is not None:
        if not provider.version_exists(model, version):
            raise NotFound(f"The provider has no version {model}:{version}.")
        takes = draw_inputs_of(f"{model}:{version}", provider)
        run = _run_of(provider, f"{model}:{version}")
    if run is None:
        missing["parameters"] = "No training at the provider is known to have made it."
    effective = None
    if file is None and run is not None:
        file, effective, why = _fetched(provider, run, folder)
        if why:
            missing["weights"] = why
    elif file is None:
        missing["weights"] = "No file was given, and no training tells where its weights are."
    elif file.suffix == ".tar":
        unpacked = weights.unpack(file, folder)
        file, effective = unpacked.weights, unpacked.effective
    if effective is None:
        missing["effective"] = "There is no config.yaml: what the trainer really used is not known."
    facts = _facts(file) if file is not None else None
    trigger = run.input.get("trigger_word") if run is not None else None
    if trigger is None and file is not None:
        trigger = _trigger_in(file)
    if trigger is None:
        missing["trigger"] = (
            "The trigger is what you say: neither a training nor the file tells it."
        )
    return Found(model, version, takes, run, file, facts, effective, trigger, missing)


def _run_of(provider: Provider, made: str) -> RemoteRun | None:
    """The training that made this version, out of the provider's list."""
    cursor = None
    for _ in range(PAGES):
        try:
            page = provider.list_trainings(cursor)
        except (Retryable, NotFound, ProviderRefused):
            return None
        for run in page.runs:
            if isinstance(run.output, Mapping) and run.output.get("version") == made:
                return run
        cursor = page.next
        if cursor is None:
            return None
    return None


def _fetched(
    provider: Provider, run: RemoteRun, folder: Path
) -> tuple[Path | None, dict[str, Any] | None, str | None]:
    """The weights and the config that the training left, or why they are not to be had."""
    url = run.output.get("weights") if isinstance(run.output, Mapping) else None
    if not isinstance(url, str):
        return None, None, "The provider does not say where its weights are."
    archive = folder / "trained_model.tar"
    try:
        provider.download(url, archive, limit=MAX_ARCHIVE_BYTES)
        unpacked = weights.unpack(archive, folder)
    except SafelightError as error:
        return None, None, f"Its weights could not be fetched: {error.message}"
    finally:
        archive.unlink(missing_ok=True)
    return unpacked.weights, unpacked.effective, None


def _facts(file: Path) -> weights.WeightsFacts:
    facts = weights.inspect(file)
    if facts.problems:
        raise BadArchive(" ".join(facts.problems))
    if not 1 <= facts.rank <= 128:
        raise Invalid(f"The weights have rank {facts.rank}; 1 to 128 can be kept.")
    return facts


def _trigger_in(file: Path) -> str | None:
    """ai-toolkit writes the trigger into the header: ``ss_tag_frequency: {"1_TOK": {"TOK": 1}}``."""
    with file.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        header = opened.read(min(size, 64 * 1024 * 1024))
    try:
        tags = json.loads(json.loads(header)["__metadata__"]["ss_tag_frequency"])
        words = {word for counts in tags.values() for word in counts}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return words.pop() if len(words) == 1 else None


def known(found: Found, *, given: str | None) -> dict[str, Any]:
    """What is kept with the version: where it is from, what that says, what cannot be verified.

    *given* is the name of the file that was handed in, if one was.
    """
    sources = [f"{found.model}:{(found.version or '')[:12]}" if found.model else None, given]
    facts: dict[str, Any] = {}
    if found.run is not None:
        inputs = {name: found.run.input[name] for name in KEPT_INPUTS if name in found.run.input}
        facts["training"] = found.run.id
        facts["sent"] = inputs
        facts["trainer"] = found.run.version
        facts["trained at"] = found.run.created_at.isoformat() if found.run.created_at else None
    if found.effective is not None:
        facts["effective"] = found.effective
    if found.facts is not None:
        facts["layers"] = f"{len(found.facts.modules)} modules, {found.facts.naming} naming"
    return {
        "from": " and ".join(source for source in sources if source),
        "facts": {name: value for name, value in facts.items() if value is not None},
        "cannot_verify": dict(found.missing),
    }
