"""Diagnosis and comparison: the records of a subject, gathered for what judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from safelight.db import audit as rows
from safelight.db import versions
from safelight.db.transaction import Row, Tx
from safelight.domain.causes import load_rules
from safelight.domain.checklist import Answer, checklist
from safelight.domain.diagnosis import Diagnosis, Records, Symptom, diagnose
from safelight.domain.diffing import compare
from safelight.domain.errors import Invalid, NotFound
from safelight.domain.nouns import Subject, Version
from safelight.domain.profiles import DEFAULT, load_profiles
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import get_subject
from safelight.flow.commands.versions import get_version


@dataclass(frozen=True, slots=True)
class Examined:
    """A subject's version under a symptom, with the checklist for the next training."""

    subject: Subject
    version: int
    diagnosis: Diagnosis | None
    checklist: tuple[Answer, ...]

    def to_dict(self) -> dict[str, Any]:
        """It all as JSON takes it."""
        return {
            "subject": {"id": str(self.subject.id), "name": self.subject.name},
            "version": self.version,
            "diagnosis": self.diagnosis.to_dict() if self.diagnosis else None,
            "checklist": [answer.to_dict() for answer in self.checklist],
        }


def examine(
    tx: Tx,
    actor: Actor,
    subject_id: UUID,
    *,
    symptom: str | None,
    version_id: UUID | None = None,
) -> Examined:
    """Look at the version that draws (or the newest, or the one named) for causes of *symptom*.

    Raises:
        NotFound: no such subject, or it has no version; Invalid: no such symptom.
    """
    if symptom is not None and symptom not in list(Symptom):
        raise Invalid(f"There is no symptom {symptom!r}.", hint=f"There are: {', '.join(Symptom)}.")
    subject = get_subject(tx, actor, subject_id)
    version = _looked_at(tx, actor, subject, version_id)
    records = gather(tx, actor, subject, version)
    found = diagnose(Symptom(symptom), records, load_rules()) if symptom is not None else None
    return Examined(subject, version.number, found, checklist(records))


def _looked_at(tx: Tx, actor: Actor, subject: Subject, version_id: UUID | None) -> Version:
    if version_id is not None:
        version = get_version(tx, actor, version_id)
        if version.subject_id != subject.id:
            raise NotFound(f"{subject.name} has no version {version_id}.")
        return version
    newest = versions.find(tx, actor.owner_id, subject_id=subject.id, limit=1)
    active = versions.active(tx, subject.id) or (newest[0][0] if newest else None)
    if active is None:
        raise NotFound(f"{subject.name} has no versions.", hint="`safelight train FOLDER`")
    return active


def gather(tx: Tx, actor: Actor, subject: Subject, version: Version) -> Records:
    """All that is on record of the version, the good one before it, and what was drawn."""
    row = rows.provenance(tx, version.id)
    before = None
    for id in rows.versions_of(tx, subject.id, actor.owner_id):
        older = rows.provenance(tx, id)
        if older["number"] < version.number and older["approved_at"] and not older["rejected_at"]:
            before = older
            break
    profile = load_profiles().get(row["profile"] or DEFAULT)
    gates = profile.gates if profile else None
    names = ("warn", "ideal_min", "ideal_max", "soft_max")
    return Records(
        kind=subject.kind,
        row=row,
        before=before,
        drawn=rows.drawn(tx, subject.id, actor.owner_id),
        gates={name: getattr(gates, name) for name in names} if gates else {},
        findings=_of_the_trained(row),
    )


def _of_the_trained(row: Row) -> tuple[Row, ...]:
    """Findings on the set, and on photos that were trained on; not on those left out for them."""
    report = row["report"] or {}
    kept = set(report.get("kept") or ())
    return tuple(
        finding
        for finding in report.get("findings") or ()
        if finding.get("photo_id") is None or finding["photo_id"] in kept
    )


def compare_runs(tx: Tx, actor: Actor, a: UUID, b: UUID) -> dict[str, Any]:
    """Two runs of this owner side by side: each a training, or the version that came of it."""
    found = []
    for id in (a, b):
        row = rows.run(tx, id, actor.owner_id)
        if row is None:
            raise NotFound(
                f"There is no run {id}.",
                hint="Name a training or a version of yours; one trained elsewhere has no run.",
            )
        found.append(row)
    return compare(*found)
