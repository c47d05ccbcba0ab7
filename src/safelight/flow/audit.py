"""Auditing a subject: the rows in one transaction, then every object read and hashed, none open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from safelight import scratch
from safelight.db import audit as rows
from safelight.db.transaction import Row, Tx
from safelight.domain.audit import VersionAudit, audit, keys_of
from safelight.domain.errors import ObjectMissing
from safelight.domain.links import Seen, State, worst
from safelight.domain.nouns import Subject
from safelight.domain.plain_json import NotPlain, parse
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import get_subject
from safelight.flow.context import Context
from safelight.stages.tools import Pulse, Store
from safelight.stages.unzipping import members as _members

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
"""A manifest has some 500 bytes a photo."""
MAX_DOCUMENT_NODES = 200_000
"""And two tables or lists a photo."""


@dataclass(frozen=True, slots=True)
class SubjectAudit:
    """Every version of a subject, audited at one moment."""

    subject: Subject
    at: datetime
    read: bool
    versions: tuple[VersionAudit, ...]

    @property
    def verdict(self) -> State:
        """The worst there is."""
        return worst(version.verdict for version in self.versions)

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON takes it."""
        return {
            "subject": {"id": str(self.subject.id), "name": self.subject.name},
            "at": self.at.isoformat(),
            "read": self.read,
            "verdict": self.verdict.value,
            "versions": [
                {
                    "id": str(one.row["version_id"]),
                    "number": one.row["number"],
                    "state": one.row["state"],
                    "origin": one.row["origin"],
                    "verdict": one.verdict.value,
                    "links": [link.to_dict() for link in one.links],
                    "parameters": {key: one.row[key] for key in ("asked", "sent", "effective")},
                    "weights_sha256": one.row["weights_sha256"],
                    "photos": [
                        {key: photo[key] for key in ("photo_id", "name", "sha256", "file_sha256")}
                        for photo in one.row["photos"] or ()
                    ],
                }
                for one in self.versions
            ],
        }


@dataclass(frozen=True, slots=True)
class Traced:
    """A subject and what the rows know of each of its versions."""

    subject: Subject
    versions: tuple[Row, ...]


def audit_subject(
    cx: Context, actor: Actor, subject_id: UUID, *, read: bool = True
) -> SubjectAudit:
    """Trace every version of the subject; *read* its objects too, each once, streamed. That takes
    minutes where there are gigabytes: a request has it done by a job.

    Raises:
        NotFound: no such subject of this owner.
    """
    with cx.db.transaction() as tx:
        traced = trace(tx, actor, subject_id)
    return conclude(traced, read_objects(traced, cx.tools.store) if read else None)


def trace(tx: Tx, actor: Actor, subject_id: UUID) -> Traced:
    """Every version of the subject, back to what it was made of, as the rows have it.

    Raises:
        NotFound: no such subject of this owner.
    """
    subject = get_subject(tx, actor, subject_id)
    ids = rows.versions_of(tx, subject_id, actor.owner_id)
    return Traced(subject, tuple(rows.provenance(tx, id) for id in ids))


def read_objects(traced: Traced, store: Store, pulse: Pulse | None = None) -> dict[str, Seen]:
    """Read and hash every object that the versions name, each once."""
    objects: dict[str, Seen] = {}
    with scratch.folder() as folder:
        for key, kind in (pair for row in traced.versions for pair in keys_of(row)):
            if key not in objects:
                if pulse is not None:
                    pulse.check()
                objects[key] = see(store, key, kind, folder)
    return objects


def conclude(traced: Traced, objects: dict[str, Seen] | None) -> SubjectAudit:
    """Hold what was read (None: nothing was) against the rows."""
    versions = tuple(audit(row, objects) for row in traced.versions)
    return SubjectAudit(traced.subject, datetime.now(UTC), objects is not None, versions)


def see(store: Store, key: str, kind: str, folder: Path) -> Seen:
    """Read one object: its size and hash, the members of a zip, what a JSON file says."""
    path = folder / "object"
    try:
        got = store.get_file(key, path)
    except ObjectMissing:
        return Seen(gone=True)
    try:
        members = _members(path) if kind == "zip" else None
        document = _document(path) if kind == "json" else None
        return Seen(got.bytes, got.sha256, members=members, document=document, before=got.before)
    finally:
        path.unlink(missing_ok=True)


def _document(path: Path) -> Any:
    """What the JSON at *path* says; None where it is none, or too much for a manifest."""
    with scratch.ours(path):
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            return None
        text = path.read_bytes()
    try:
        return parse(text, most=MAX_DOCUMENT_BYTES, nodes=MAX_DOCUMENT_NODES)
    except NotPlain:
        return None
