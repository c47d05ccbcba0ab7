"""The `cleanup` queue: old versions are archived, temporary objects purged, in no hurry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.domain.errors import BadArchive
from safelight.stages.tools import Provider, Pulse, Store


@dataclass(frozen=True, slots=True)
class ArchiveOrder:
    """Weights that must be ours, whole, before the provider's copy may go."""

    key: str
    bytes: int
    sha256: str


def verify_archive(order: ArchiveOrder, store: Store, pulse: Pulse, folder: Path) -> None:
    """Read our copy back and hash it. Raises ObjectMissing or BadArchive: nothing is deleted."""
    pulse.check()
    found = store.get_file(order.key, folder / "weights")
    if (found.bytes, found.sha256) != (order.bytes, order.sha256):
        raise BadArchive(
            f"Our copy of the weights ({order.key}) has {found.bytes:,} bytes and sha256 "
            f"{found.sha256}; {order.bytes:,} and {order.sha256} were recorded.",
            hint="The provider's copy is kept. Fetch it again before anything is deleted.",
        )


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """A version at the provider: model ``owner/name`` and its 64 hex digits."""

    model: str
    version: str


def delete_remote(order: RemoteVersion, provider: Provider) -> bool:
    """Ask for the provider's copy to be deleted; True once it is seen to be gone."""
    if not provider.version_exists(order.model, order.version):
        return True
    provider.delete_version(order.model, order.version)
    return not provider.version_exists(order.model, order.version)


def purge(keys: Sequence[str], store: Store, pulse: Pulse) -> None:
    """Delete temporary objects; one that is gone already is no error."""
    pulse.check()
    store.delete(keys)
