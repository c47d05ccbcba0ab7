"""A version trained elsewhere: what the provider and the file itself tell of it, and what nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safelight.domain.errors import (
    BadArchive,
    Conflict,
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
)
from safelight.domain.lora import ranks, strengths
from safelight.domain.lora_notes import span
from safelight.domain.nouns import StoredWeights
from safelight.domain.plain_json import NotPlain, parse
from safelight.domain.provider import RemoteRun
from safelight.domain.texts import keepable_json, shown, speaks_to_terminals
from safelight.stages import weights
from safelight.stages.archives import MAX_ARCHIVE_BYTES, Unpacked, is_archive, unpack
from safelight.stages.generate import draw_inputs_of
from safelight.stages.tensors import notes
from safelight.stages.tools import Provider, Store

PAGES = 50
"""So many pages of a hundred trainings are looked through for the one that made a version."""
MAX_TRIGGER = 100
"""Characters."""
MAX_RANK = 128
"""What the trainer takes at most."""
MAX_TAGS = 4 * 1024 * 1024
"""Characters of the tags in a header: kohya counts every word of every caption there."""
MAX_NOTES = 2000
"""Characters of what is told of a file."""
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
        NotFound: the provider has no such version. BadArchive: the file is no whole LoRA. Retryable:
        the provider is away, or our own disk is full.
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
    effective: dict[str, Any] | None = None
    fault: str | None = None
    if file is None and run is not None:
        unpacked_or_why = _fetched(provider, run, folder)
        if isinstance(unpacked_or_why, str):
            missing["weights"] = unpacked_or_why
        else:
            file, effective = unpacked_or_why.weights, unpacked_or_why.effective
            fault = unpacked_or_why.config_fault
    elif file is None:
        missing["weights"] = "No file was given, and no training tells where its weights are."
    elif is_archive(file):
        unpacked = unpack(file, folder)
        file, effective, fault = unpacked.weights, unpacked.effective, unpacked.config_fault
    if effective is None:
        why = fault or "There is no config.yaml."
        missing["effective"] = f"{why} What the trainer really used is not known."
    facts = _facts(file) if file is not None else None
    trigger = _trigger(run, file, missing)
    return Found(model, version, takes, run, file, facts, effective, trigger, missing)


def _trigger(run: RemoteRun | None, file: Path | None, missing: dict[str, str]) -> str | None:
    """The trigger by the run, else by the file, if it is a word at all."""
    told = run.input.get("trigger_word") if run is not None else None
    who = "Its training"
    if told is None and file is not None:
        told, who = _trigger_in(file), "The file"
    if is_word(told):
        return str(told)
    if told is None:
        why = "neither a training nor the file tells it"
    else:
        why = f"{who.lower()} tells {shown(repr(told), most=60)}, which is no word"
    missing["trigger"] = f"The trigger is what you say: {why}."
    return None


def _run_of(provider: Provider, made: str) -> RemoteRun | None:
    """The training that made this version, out of the provider's list."""
    cursor = None
    for _ in range(PAGES):
        try:
            page = provider.list_trainings(cursor)
        except TokenRefused:
            raise  # about us, and not about this model
        except (NotFound, ProviderRefused):
            return None
        for run in page.runs:
            if isinstance(run.output, Mapping) and run.output.get("version") == made:
                return run
        cursor = page.next
        if cursor is None:
            return None
    return None


def _fetched(provider: Provider, run: RemoteRun, folder: Path) -> Unpacked | str:
    """What the training left, or why it is not to be had. Retryable: it may be, a little later."""
    url = run.output.get("weights") if isinstance(run.output, Mapping) else None
    if not isinstance(url, str):
        return "The provider does not say where its weights are."
    archive = folder / "trained_model.tar"
    try:
        provider.download(url, archive, limit=MAX_ARCHIVE_BYTES)
        return unpack(archive, folder)
    except (Retryable, TokenRefused):
        raise
    except SafelightError as error:
        return f"Its weights could not be fetched: {error.message}"
    finally:
        archive.unlink(missing_ok=True)


def store(found: Found, store: Store, key: str) -> StoredWeights | None:
    """Put the weights into our store under *key*; None: there are none."""
    if found.file is None or found.facts is None:
        return None
    put = store.put_file(key, found.file, "application/octet-stream")
    if put.sha256 != found.facts.sha256:
        raise Conflict("The file changed while it was read.", hint="Import it again.")
    return StoredWeights(key, put.bytes, found.facts.sha256)


def _facts(file: Path) -> weights.WeightsFacts:
    size = file.stat().st_size
    if size > MAX_ARCHIVE_BYTES:
        raise BadArchive(
            f"The weights have {size:,} bytes; at most {MAX_ARCHIVE_BYTES:,} can be kept."
        )
    facts = weights.inspect(file)
    if facts.problems:
        raise BadArchive(" ".join(facts.problems))
    return facts


def rank_of(facts: weights.WeightsFacts | None) -> int | None:
    """The rank that is kept with the version: that of most layers; None where it has none, or one that
    is beyond what our trainer makes, which its facts then tell."""
    rank = facts.rank if facts is not None else 0
    return rank if 1 <= rank <= MAX_RANK else None


def _trigger_in(file: Path) -> str | None:
    """ai-toolkit writes the trigger into the header: ``ss_tag_frequency: {"1_TOK": {"TOK": 1}}``."""
    try:
        tags = parse(notes(file).get("ss_tag_frequency", ""), most=MAX_TAGS, nodes=10_000)
        words = {word for counts in tags.values() for word in dict(counts)}
    except (BadArchive, NotPlain, TypeError, ValueError, AttributeError):
        return None
    return str(words.pop()) if len(words) == 1 else None


def is_word(told: object) -> bool:
    """Whether what somebody's run or file calls its trigger can be one: some text on one line, of at most
    `MAX_TRIGGER` characters, that is written and not obeyed."""
    return (
        isinstance(told, str)
        and 0 < len(told) <= MAX_TRIGGER
        and told == told.strip()
        and not speaks_to_terminals(told)
    )


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
        facts |= _of_the_file(found.facts)
    told = {
        "from": " and ".join(shown(source, most=300) for source in sources if source),
        "facts": {name: value for name, value in facts.items() if value is not None},
        "cannot_verify": dict(found.missing),
    }
    return dict(keepable_json(told))


def _of_the_file(facts: weights.WeightsFacts) -> dict[str, Any]:
    layers = facts.layers or facts.text_encoders
    others = [f"{count} by {kind}" for kind, count in facts.others.items()]
    return {
        "changes": facts.model,
        "layers": ", ".join((f"{len(facts.modules)} modules, {facts.naming} naming", *others)),
        "ranks": span(ranks(layers)) if layers else None,
        "strength": span(strengths(layers)) if layers else None,
        "text encoder": f"{len(facts.text_encoders)} pairs" if facts.text_encoders else None,
        "notes": " ".join(facts.notes)[:MAX_NOTES] or None,
    }
