"""The `cleanup` queue, erasure: what runs is stopped, what is stored is deleted, and both are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safelight.domain.erasure import Plan
from safelight.domain.errors import NotFound, ProviderRefused, Unfinished
from safelight.domain.provider import is_version_name
from safelight.stages.cleanup import Listed, Refused, RemoteVersion, delete_remote
from safelight.stages.tools import Provider, Pulse, Store

STILL_LISTED_SECONDS = 20.0
"""A deletion at the provider is asynchronous: processed within minutes (replicate.md 2.1)."""
MANY = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """A training or a generation that the provider may be running."""

    kind: str
    provider_id: str


@dataclass(frozen=True, slots=True)
class StoppedRuns:
    """What came of it: versions that were made all the same, and how many runs go on."""

    outputs: tuple[str, ...]
    running: int


def stop_runs(runs: Sequence[Run], provider: Provider, pulse: Pulse) -> StoppedRuns:
    """Have the provider cancel each run, and see whether it has."""
    outputs, running = [], 0
    for run in runs:
        pulse.check()
        training = run.kind == "training"
        cancel = provider.cancel_training if training else provider.cancel_prediction
        get = provider.get_training if training else provider.get_prediction
        try:
            cancel(run.provider_id)
            seen = get(run.provider_id)
        except NotFound:
            continue
        running += not seen.status.ended
        version = seen.output.get("version") if isinstance(seen.output, dict) else None
        if training and is_version_name(version):
            outputs.append(version)
    return StoppedRuns(tuple(outputs), running)


def list_objects(plan: Plan, store: Store, pulse: Pulse) -> tuple[str, ...]:
    """The keys that are there: those the rows named, and whatever else lies in the plan's folders."""
    found: list[str] = []
    for prefix in plan.prefixes:
        pulse.check()
        found += [item.key for item in store.list(prefix)]
    for key in plan.keys:
        pulse.check()
        if store.head(key) is not None:
            found.append(key)
    return tuple(sorted(found))


def delete_objects(plan: Plan, store: Store, pulse: Pulse) -> tuple[str, ...]:
    """Delete all of it. Returns the keys that were there."""
    found = list_objects(plan, store, pulse)
    pulse.check()
    store.delete(found)
    return found


def delete_at_provider(plan: Plan, provider: Provider, pulse: Pulse) -> None:
    """Have the provider delete versions, then models, and see them gone.

    Raises:
        Unfinished: something is still listed, or was refused: with what, and why.
    """
    left: list[str] = []
    for model, version in plan.versions:
        pulse.check()
        match delete_remote(RemoteVersion(model, version), provider):
            case Listed():
                left.append(f"{model}:{version[:12]} is still listed")
            case Refused(detail):
                left.append(f"{model}:{version[:12]}: {detail}")
    if not left:
        for model in plan.models:
            pulse.check()
            try:
                provider.delete_model(model)
            except ProviderRefused as error:
                left.append(f"{model}: {error.message}")
    if left:
        raise Unfinished(
            f"{len(left)} thing(s) the provider has not deleted yet: {'; '.join(left[:3])}",
            after=STILL_LISTED_SECONDS,
        )


def check_store(plan: Plan, store: Store, pulse: Pulse) -> dict[str, Any]:
    """Look at every folder and every key again."""
    found = list_objects(plan, store, pulse)
    return {
        "folders_listed": list(plan.prefixes),
        "keys_looked_up": len(plan.keys),
        "found": len(found),
        **({"first": found[0]} if found else {}),
    }


def check_provider(plan: Plan, provider: Provider, pulse: Pulse) -> dict[str, Any]:
    """Look for every version, and for what the provider still shows of each run."""
    versions = 0
    for model, version in plan.versions:
        pulse.check()
        versions += provider.version_exists(model, version)
    shown: list[str] = []
    asked = [(provider.get_training, id) for id in plan.trainings]
    asked += [(provider.get_prediction, id) for id in plan.predictions[:MANY]]
    for get, id in asked:
        pulse.check()
        try:
            run = get(id)
        except NotFound:
            continue
        if run.input or run.output:
            shown.append(id)
    return {
        "versions_looked_up": len(plan.versions),
        "versions_found": versions,
        "runs_looked_up": len(asked),
        "runs_whose_record_the_provider_still_shows": shown,
    }
