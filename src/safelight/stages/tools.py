"""What a stage is given to work with. Clients satisfy these by shape; tests pass their own.

The protocols sit here, with their consumer. Stages know nothing of SQL, Celery or HTTP libraries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safelight.domain.crops import Crop
from safelight.domain.photos import Derived, Inspection
from safelight.domain.provider import RemoteRun, RunPage, Submission, VersionPage
from safelight.domain.stored import StoredObject, UploadLink


class Store(Protocol):
    """An object store (S3). Keys are relative to one bucket."""

    def put_bytes(self, key: str, data: bytes, content_type: str) -> StoredObject: ...
    def put_file(
        self, key: str, path: Path, content_type: str, *, before: tuple[str, ...] = ()
    ) -> StoredObject:
        """Put the file; *before* is kept with it: what the object was until now (see StoredObject)."""
        ...

    def get_bytes(self, key: str, *, limit: int = 64 * 1024 * 1024) -> bytes: ...
    def get_file(self, key: str, path: Path, *, limit: int | None = None) -> StoredObject:
        """Stream to *path*; the sha256 returned is that of the bytes received. ObjectMissing;
        ObjectTooLarge over *limit* bytes."""
        ...

    def head(self, key: str) -> StoredObject | None: ...
    def copy(self, source: str, target: str) -> None: ...
    def move_to_class(self, key: str, storage_class: str) -> str | None:
        """Move it to a storage class, in place; the class it is in afterwards, where that is told."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete; a key that is not there is no error."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]: ...
    def page(self, after: str, limit: int) -> Sequence[StoredObject]:
        """The next objects behind the key *after*, in byte order, at most 1,000."""
        ...

    def lifetime(self, seconds: int, *, least: int = 0) -> int:
        """For how many seconds a link works that is signed now to work for *seconds*; LinkTooShort
        under *least*, Retryable where that will pass."""
        ...

    def presign_get(self, key: str, seconds: int, *, least: int = 0) -> str: ...
    def upload_link(
        self, key: str, seconds: int, content_type: str, *, bytes: int, sha256: str | None = None
    ) -> UploadLink:
        """A link that takes one object of so many bytes; of this content, where the store looks."""
        ...

    def close(self) -> None: ...


class Provider(Protocol):
    """The trainer and drawer (Replicate). Creates are sent once; reads may be retried by the caller.

    Reads raise `Retryable` for passing faults (timeouts, 429 with its wait, 5xx), `NotFound` for 404
    and `ProviderRefused` for the rest. Creates never raise for what the other side did: they return
    one of the four endings of `Submission`.
    """

    def account(self) -> str:
        """The account (owner name) the token belongs to."""
        ...

    def latest_version(self, model: str) -> str:
        """The id (64 hex) of the newest version of ``owner/name``."""
        ...

    def version_schema(self, model: str, version: str) -> Mapping[str, Any]:
        """The ``openapi_schema`` of a version: what it takes, in the provider's own words."""
        ...

    def ensure_model(self, model: str) -> None:
        """Make the private destination model ``owner/name`` unless it is there."""
        ...

    def create_training(
        self,
        *,
        trainer: str,
        version: str,
        destination: str,
        input: Mapping[str, Any],
        webhook: str | None,
    ) -> Submission: ...

    def create_prediction(
        self, *, version: str, input: Mapping[str, Any], webhook: str | None
    ) -> Submission: ...

    def get_training(self, id: str) -> RemoteRun: ...
    def get_prediction(self, id: str) -> RemoteRun: ...
    def list_trainings(self, cursor: str | None = None) -> RunPage: ...
    def list_predictions(self, cursor: str | None = None) -> RunPage: ...
    def cancel_training(self, id: str) -> None:
        """Ask for it to stop; already ended is no error."""
        ...

    def cancel_prediction(self, id: str) -> None: ...
    def list_versions(self, model: str, cursor: str | None = None) -> VersionPage:
        """A page of the versions of ``owner/name``, newest first. NotFound: there is no such model."""
        ...

    def version_exists(self, model: str, version: str) -> bool: ...
    def delete_version(self, model: str, version: str) -> None:
        """Ask for it to be deleted (202, asynchronous); already gone is no error."""
        ...

    def delete_model(self, model: str) -> None:
        """Delete a model of ours that has no version left; already gone is no error."""
        ...

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        """Stream an output to *path* (key is empty); more than *limit* bytes raises. Our token goes
        to the provider's API host only, never to the host of an output."""
        ...

    def close(self) -> None: ...


class Eye(Protocol):
    """Decodes untrusted photos, in a process that may die alone."""

    def models(self) -> frozenset[str] | None:
        """The names of the models it has now; None: it decodes and does not look."""
        ...

    def inspect(self, path: Path, name: str) -> Inspection: ...
    def location(self, path: Path, *, remove: bool) -> Mapping[str, int]:
        """How many properties of the file say where it was taken, by where they are in it; with *remove*
        they are taken out of it, and nothing else in it changes."""
        ...

    def derive(self, path: Path, target: Path, max_side: int, crop: Crop | None = None) -> Derived:
        """Write the photo, or the part of it that *crop* keeps, upright and in sRGB, at most
        *max_side* pixels a side. Undecodable."""
        ...

    def close(self) -> None: ...


class Pulse(Protocol):
    """The life sign between the steps of a long job."""

    def check(self) -> None:
        """Raise `CancelAsked` or `LeaseLost` if the job is not ours to go on with."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every stage is handed."""

    store: Store
    provider: Provider
    eye: Eye
