"""The `cleanup` queue: old versions are archived, temporary objects purged, in no hurry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.domain.errors import BadArchive, ObjectTooLarge, ProviderRefused
from safelight.stages.tools import Provider, Pulse, Store

CHUNK = 1000
"""Objects one request deletes: what S3 takes at most."""


@dataclass(frozen=True, slots=True)
class ArchiveOrder:
    """Weights that must be ours, whole, before the provider's copy may go."""

    key: str
    bytes: int
    sha256: str
    storage_class: str = ""
    """The colder class they move to first; empty: they stay where they are."""


def archive(order: ArchiveOrder, store: Store, pulse: Pulse, folder: Path) -> str | None:
    """Move our copy to its class, then read it back and hash it; the class it is in by then.

    What is hashed is what will be kept, so the move comes first. A store without the class keeps
    the object where it is, and that is no failure.

    Raises:
        ObjectMissing, BadArchive: ours is not whole, and nothing of theirs may be deleted.
    """
    pulse.check()
    moved = store.move_to_class(order.key, order.storage_class) if order.storage_class else None
    pulse.check()
    try:
        found = store.get_file(order.key, folder / "weights", limit=order.bytes)
        is_ours = (found.bytes, found.sha256) == (order.bytes, order.sha256)
        has = f"{found.bytes:,} bytes and sha256 {found.sha256}"
    except ObjectTooLarge:
        is_ours, has = False, f"over {order.bytes:,} bytes"
    if not is_ours:
        raise BadArchive(
            f"Our copy of the weights ({order.key}) has {has}; {order.bytes:,} bytes and sha256 "
            f"{order.sha256} were recorded.",
            hint="The provider's copy is kept. Fetch it again before anything is deleted.",
        )
    return moved


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """A version at the provider: model ``owner/name`` and its 64 hex digits."""

    model: str
    version: str
    ask: bool = True
    """Whether to ask for the deletion, or only to look whether it is done."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The provider does not show it any more."""


@dataclass(frozen=True, slots=True)
class Listed:
    """It was asked to delete it, and still shows it: that takes minutes there."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It does not delete it. `passing`: something uses it, which may end."""

    detail: str
    passing: bool


Deletion = Gone | Listed | Refused


def delete_remote(order: RemoteVersion, provider: Provider) -> Deletion:
    """Ask for the provider's copy to be deleted, and look whether it is gone.

    Raises:
        Retryable: it cannot be reached, or is throttling.
    """
    account = provider.account()
    if order.model.partition("/")[0] != account:
        # Another account's private model looks exactly like one that is gone.
        return Refused(
            f"The model {order.model} is not of the account {account}, whose token we have: "
            "whether it is gone cannot be seen.",
            passing=False,
        )
    if not provider.version_exists(order.model, order.version):
        return Gone()
    if order.ask:
        try:
            provider.delete_version(order.model, order.version)
        except ProviderRefused as error:
            return Refused(str(error), passing=error.code == "conflict")
    return Listed() if provider.version_exists(order.model, order.version) else Gone()


def purge(
    keys: Sequence[str],
    store: Store,
    pulse: Pulse,
    *,
    per_second: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Delete objects, at most *per_second*; one that is gone already is no error."""
    for start in range(0, len(keys), CHUNK):
        pulse.check()
        began = time.monotonic()
        chunk = keys[start : start + CHUNK]
        store.delete(chunk)
        early = len(chunk) / per_second - (time.monotonic() - began)
        if early > 0 and start + CHUNK < len(keys):
            sleep(early)
