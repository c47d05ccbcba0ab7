"""Trainings: every move is guarded by the state it starts from and leaves an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into, jsonb
from safelight.domain.errors import Conflict
from safelight.domain.ids import new_id
from safelight.domain.masking import mask
from safelight.domain.nouns import Json, Training
from safelight.domain.provider import RunInFlight
from safelight.domain.states import TrainingState
from safelight.domain.trainlog import Course

sql = statements("trainings")


def add(
    tx: Tx,
    *,
    owner_id: UUID,
    subject_id: UUID,
    profile: str,
    profile_sha256: str,
    overrides: Mapping[str, Any],
    trainer: str,
    actor: str,
    retrain: str | None = None,
) -> Training:
    """A training is asked for; lock the subject first. Violated: one is open already."""
    row = tx.row(
        sql.insert_training,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "profile": profile,
            "profile_sha256": profile_sha256,
            "overrides": jsonb(dict(overrides)),
            "trainer": trainer,
            "retrain": retrain,
            "actor": actor,
        },
    )
    assert row is not None
    return into(Training, row)


def set_retrain(tx: Tx, id: UUID, retrain: str) -> None:
    """What a person answered to the guard of a blocked training."""
    tx.run(sql.set_retrain, {"id": id, "retrain": retrain})


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Training | None:
    """One training; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_training, {"id": id, "owner_id": owner_id})
    return into(Training, row) if row else None


def lock(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Training | None:
    """One training, locked until the transaction ends."""
    row = tx.row(sql.lock_training, {"id": id, "owner_id": owner_id})
    return into(Training, row) if row else None


def open_of(tx: Tx, subject_id: UUID) -> Training | None:
    """The subject's training that has not ended."""
    row = tx.row(sql.open_training, {"subject_id": subject_id})
    return into(Training, row) if row else None


def find(
    tx: Tx,
    owner_id: UUID,
    *,
    subject_id: UUID | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[tuple[Training, str]]:
    """Trainings with their subject's name, newest first, a page."""
    rows = tx.rows(
        sql.list_trainings,
        {
            "owner_id": owner_id,
            "subject_id": subject_id,
            "state": state,
            "after": after,
            "limit": limit,
        },
    )
    return [(into(Training, row), row["subject_name"]) for row in rows]


def may(
    tx: Tx,
    id: UUID,
    before: Iterable[TrainingState],
    after: TrainingState,
    *,
    actor: str,
    error: str | None = None,
    detail: Json | None = None,
) -> Training | None:
    """Move from one of *before* to *after*; None: it stands elsewhere by now."""
    row = tx.row(
        sql.move_training,
        {
            "id": id,
            "before": [str(state) for state in before],
            "after": str(after),
            "actor": actor,
            "error": error and mask(error),
            "detail": jsonb(detail),
        },
    )
    return into(Training, row) if row else None


def move(
    tx: Tx,
    id: UUID,
    before: TrainingState,
    after: TrainingState,
    *,
    actor: str,
    error: str | None = None,
    detail: Json | None = None,
) -> Training:
    """Move from *before* to *after*. Raises Conflict if it stands elsewhere."""
    moved = may(tx, id, [before], after, actor=actor, error=error, detail=detail)
    if moved is None:
        raise Conflict(f"Training {id} is not {before} any more, so it cannot become {after}.")
    return moved


def set_report(tx: Tx, id: UUID, report: Json) -> None:
    """Keep what was found in the photos and the set."""
    tx.run(sql.set_report, {"id": id, "report": jsonb(report)})


def set_dataset(
    tx: Tx, id: UUID, *, dataset_id: UUID, report: Json, asked: Json, sent: Json, steps: int
) -> None:
    """Keep what it will be trained on, and the parameters that follow from it."""
    tx.run(
        sql.set_dataset,
        {
            "id": id,
            "dataset_id": dataset_id,
            "report": jsonb(report),
            "asked": jsonb(asked),
            "sent": jsonb(sent),
            "steps": steps,
        },
    )


def set_destination(
    tx: Tx,
    id: UUID,
    *,
    destination: str,
    trainer_version: str,
    inputs_source: str,
    sent: Json,
    intent_id: UUID,
) -> None:
    """Keep where the version will be, the trainer's version, what the inputs were checked against,
    and the mark of the request."""
    tx.run(
        sql.set_destination,
        {
            "id": id,
            "destination": destination,
            "trainer_version": trainer_version,
            "inputs_source": inputs_source,
            "sent": jsonb(sent),
            "intent_id": intent_id,
        },
    )


def set_sending(tx: Tx, id: UUID) -> None:
    """The request leaves now."""
    tx.run(sql.set_sending, {"id": id})


def sent_seconds(tx: Tx, id: UUID) -> float:
    """Seconds since its request left, by the database's clock."""
    row = tx.row(sql.sent_seconds, {"id": id})
    assert row is not None
    seconds: float = row["seconds"]
    return seconds


def set_accepted(tx: Tx, id: UUID, *, provider_id: str, status: str, version: str | None) -> None:
    """Keep the provider's id for it."""
    tx.run(
        sql.set_accepted,
        {"id": id, "provider_id": provider_id, "status": status, "version": version},
    )


def in_flight(tx: Tx) -> list[RunInFlight]:
    """What is to be watched, oldest first."""
    return [into(RunInFlight, row) for row in tx.rows(sql.in_flight)]


def in_flight_one(tx: Tx, id: UUID) -> list[RunInFlight]:
    """The one, as `in_flight` shows it; none: it is not in flight."""
    return [into(RunInFlight, row) for row in tx.rows(sql.in_flight_one, {"id": id})]


def look(tx: Tx, id: UUID) -> None:
    """Somebody looks at it: the watch reads its log before others'."""
    tx.run(sql.look, {"id": id})


def observe(tx: Tx, observations: Iterable[Mapping[str, Any]]) -> None:
    """Keep what the provider shows of trainings in flight."""
    tx.many(
        sql.observe,
        [{**o, "output": jsonb(o["output"]), "course": jsonb(o["course"])} for o in observations],
    )


def set_effective(
    tx: Tx, id: UUID, effective: Json | None, *, differences: list[Json], images: int | None
) -> None:
    """Keep what the trainer really used, where that differs, and how many photos it found."""
    values = {"effective": jsonb(effective), "differences": jsonb(differences), "images": images}
    tx.run(sql.set_effective, {"id": id, **values})


def ask_cancel(tx: Tx, id: UUID) -> None:
    """Note that a person asked for it to stop."""
    tx.run(sql.ask_cancel, {"id": id})


def stop_at_provider(tx: Tx, id: UUID, reason: str) -> Training | None:
    """It is to stop for *reason*; None: that was asked for before, or it has ended."""
    row = tx.row(sql.stop_at_provider, {"id": id, "reason": reason})
    return into(Training, row) if row else None


def course(tx: Tx, id: UUID) -> Course | None:
    """Step, loss and rate of every step; None: no log was seen."""
    row = tx.row(sql.course, {"id": id})
    return Course.from_dict(row["course"]) if row and row["course"] else None


def set_course(tx: Tx, id: UUID, course: Course) -> None:
    """Keep the whole course of a run that has ended."""
    tx.run(
        sql.set_course,
        {
            "id": id,
            "course": jsonb(course.to_dict()),
            "images": course.images,
            "step": course.step or None,
            "loss": course.loss,
        },
    )
