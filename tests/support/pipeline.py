"""The whole pipeline in one process: every due job is performed through the spine, in order.

The workers' own processes are the acceptance tests' matter; here what the stages read and write is.

| verb | performs | and the clock |
|---|---|---|
| `due(cx)` | nothing: it lists the jobs that are due | |
| `hurry(cx, kinds=...)` | nothing | what waits (of these kinds) is due now |
| `drain(cx)` | all that is due, and what follows, until nothing is | what waits goes on waiting |
| `drain(cx, wait=True)` | the same | what waits is due in each round |
| `only(cx, *kinds)` | as `drain`, of these kinds alone | what waits goes on waiting |
| `turn(cx, kind)` | one turn of this kind's job | whenever it is due; for a watch, which never ends |
| `until(cx, done)` | all that is due, until `done()` | what waits is due, and real time passes |
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from safelight.db import jobs, owners
from safelight.domain.errors import NotFound, ProviderRefused
from safelight.domain.nouns import Job, Subject, Training
from safelight.domain.provider import (
    Accepted,
    Refused,
    RemoteRun,
    RemoteStatus,
    RunPage,
    Submission,
    VersionPage,
)
from safelight.domain.queues import Queue
from safelight.domain.stored import StoredObject
from safelight.domain.trainer_inputs import TRAINER
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import add_photo
from safelight.flow.commands.subjects import create_subject
from safelight.flow.commands.trainings import start_training
from safelight.flow.context import Context
from safelight.flow.perform import perform
from safelight.flow.work import WORKS
from safelight.local.emulator.schemas import drawing_schema, trainer_schema


def actor(cx: Context, owner: str = "acme") -> Actor:
    with cx.db.transaction() as tx:
        return Actor(owners.ensure(tx, owner).id, "test")


def due(cx: Context) -> list[Job]:
    with cx.db.transaction() as tx:
        rows = tx.rows(
            "SELECT id FROM jobs WHERE state = 'ready' AND due_at <= now() ORDER BY turn, id"
        )
        found = [jobs.get(tx, row["id"]) for row in rows]
    return [job for job in found if job is not None]


def drain(cx: Context, *, wait: bool = False, rounds: int = 200) -> int:
    """Perform every due job, and what follows from it, until nothing is due.

    *wait*: jobs that wait are made due too (time is not what is tested). Not with a run in flight: its
    watch would go round for ever.
    """
    done = 0
    for _ in range(rounds):
        if wait:
            hurry(cx)
        todo = due(cx)
        if not todo:
            return done
        for job in todo:
            done += perform(job.queue, WORKS, cx, seconds=0)
    raise AssertionError(f"jobs still due after {rounds} rounds: {[j.kind for j in due(cx)]}")


def hurry(cx: Context, *, kinds: Iterable[str] | None = None) -> None:
    """Make waiting jobs due now."""
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE jobs SET due_at = least(due_at, now()), turn = least(turn, now()) "
            "WHERE state = 'ready' AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))",
            {"kinds": list(kinds) if kinds is not None else None},
        )


def turn(cx: Context, kind: str) -> None:
    """Let the job of this kind have one turn now, whenever it is due."""
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE jobs SET due_at = least(due_at, now()), turn = 'epoch' "
            "WHERE state = 'ready' AND kind = %(kind)s",
            {"kind": kind},
        )
    for job in due(cx):
        if job.kind == kind:
            perform(job.queue, WORKS, cx, seconds=0)


def only(cx: Context, *kinds: str, rounds: int = 100) -> None:
    """Perform what is due of these kinds, and what of these kinds follows, and nothing else."""
    for _ in range(rounds):
        with cx.db.transaction() as tx:
            todo = tx.rows(
                "UPDATE jobs SET turn = 'epoch' WHERE state = 'ready' AND due_at <= now() "
                "AND kind = ANY(%(kinds)s) RETURNING queue",
                {"kinds": [str(kind) for kind in kinds]},
            )
        if not todo:
            return
        for row in todo:
            perform(Queue(row["queue"]), WORKS, cx, seconds=0)
    raise AssertionError(f"{kinds} still due after {rounds} rounds")


def until(cx: Context, done: Callable[[], bool], seconds: float = 60) -> None:
    """Perform what is due, waiting jobs included, until *done*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        hurry(cx)
        for job in due(cx):
            perform(job.queue, WORKS, cx, seconds=0)
        if done():
            return
        time.sleep(0.05)
    with cx.db.transaction() as tx:
        stuck = [f"{j.kind} {j.state} {j.reason} {j.error}" for j in jobs.find(tx, limit=20)]
    raise AssertionError(f"not within {seconds:g} s: {stuck}")


def subject_with_photos(
    cx: Context, who: Actor, photos: Iterable[Path], *, name: str = "Luca", kind: str = "character"
) -> Subject:
    """*kind* person or model: as from before their photos were refused without consent, which is missing."""
    with cx.db.transaction() as tx:
        subject = create_subject(tx, who, name=name, kind="character")
    for path in photos:
        add_photo(cx.db, cx.tools.store, who, subject.id, path)
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE subjects SET kind = %(kind)s WHERE id = %(id)s",
            {"kind": kind, "id": subject.id},
        )
    return replace(subject, kind=kind)


def train(cx: Context, who: Actor, subject_id: UUID, **more: Any) -> Training:
    with cx.db.transaction() as tx:
        return start_training(tx, who, subject_id, **more)


def row(cx: Context, statement: str, **params: Any) -> dict[str, Any]:
    with cx.db.transaction() as tx:
        found = tx.row(statement, params)
    assert found is not None
    return found


def training_row(cx: Context, id: UUID) -> dict[str, Any]:
    return row(cx, "SELECT * FROM trainings WHERE id = %(id)s", id=id)


def history(cx: Context, id: UUID) -> list[str]:
    """The states a thing went through, from its events."""
    with cx.db.transaction() as tx:
        rows = tx.rows("SELECT after FROM events WHERE noun_id = %(id)s ORDER BY id", {"id": id})
    return [r["after"] for r in rows]


@dataclass
class ScriptedProvider:
    """A provider that answers as a test tells it to, and counts what costs money.

    `reply` is asked for the ending of each create; a run that is accepted (or accepted with its
    reply lost: the test adds it itself, by `add`) can then be told to end. What it has in common with
    the real one is held by tests/contract/test_both_providers.py.
    """

    reply: Callable[[str, Mapping[str, Any]], Submission] | None = None
    runs: dict[str, RemoteRun] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    """Which of the runs are predictions; all others are trainings."""
    creates: list[Mapping[str, Any]] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    models: list[str] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    schemas_read: list[str] = field(default_factory=list)
    read_fault: Exception | None = None
    unread: int = 0
    schema: Mapping[str, Any] | Exception | None = field(default_factory=trainer_schema)
    delete_fault: Exception | None = None
    cancels_late: bool = False
    """A cancel is only noted: what becomes of the run is for the test to tell."""
    listed: dict[str, list[str]] = field(default_factory=dict)

    def account(self) -> str:
        return "emulated"

    def latest_version(self, model: str) -> str:
        if model == TRAINER:
            return "a" * 64
        if not self.listed.get(model):
            raise NotFound(f"no version of {model}")
        return self.listed[model][0]

    def version_schema(self, model: str, version: str) -> Mapping[str, Any]:
        if model != TRAINER:
            self.calls.append(f"schema {model}:{version}")
            return drawing_schema()
        self.schemas_read.append(version)
        if isinstance(self.schema, Exception):
            raise self.schema
        return self.schema or {}

    def ensure_model(self, model: str) -> None:
        if model in self.deleted:
            raise NotFound(f"the name {model} stays taken")
        self.models.append(model)

    def add(self, input: Mapping[str, Any], *, kind: str = "training", **more: Any) -> RemoteRun:
        """A run that the provider has; *kind*: training or prediction."""
        run = RemoteRun(
            id=f"run{len(self.runs):023d}", status=RemoteStatus.STARTING, input=dict(input), **more
        )
        self.runs[run.id] = run
        if kind == "prediction":
            self.images.add(run.id)
        return run

    def create_training(
        self,
        *,
        trainer: str,
        version: str,
        destination: str,
        input: Mapping[str, Any],
        webhook: str | None,
    ) -> Submission:
        self.creates.append(
            {
                "input": dict(input),
                "trainer": trainer,
                "version": version,
                "destination": destination,
                "webhook": webhook,
            }
        )
        if self.reply is not None:
            return self.reply("training", input)
        if destination not in self.models:
            return Refused(404, "The specified training destination does not exist")
        return Accepted(self.add(input, version=version, created_at=datetime.now(UTC)))

    def create_prediction(
        self, *, version: str, input: Mapping[str, Any], webhook: str | None
    ) -> Submission:
        self.creates.append({"version": version, "input": dict(input), "webhook": webhook})
        if self.reply is not None:
            return self.reply("prediction", input)
        return Accepted(
            self.add(input, kind="prediction", version=version, created_at=datetime.now(UTC))
        )

    def tell(self, id: str, **changes: Any) -> None:
        """Change how the provider shows a run from now on."""
        self.runs[id] = replace(self.runs[id], **changes)

    def get_training(self, id: str) -> RemoteRun:
        return self._get(id, images=False)

    def get_prediction(self, id: str) -> RemoteRun:
        return self._get(id, images=True)

    def _get(self, id: str, *, images: bool) -> RemoteRun:
        self.calls.append(f"get {id}")
        if self.read_fault is not None:
            raise self.read_fault
        return self._known(id, images=images)

    def _known(self, id: str, *, images: bool) -> RemoteRun:
        if id not in self.runs or (id in self.images) is not images:
            raise NotFound(f"no run {id}")
        return self.runs[id]

    def list_trainings(self, cursor: str | None = None) -> RunPage:
        return self._list(cursor, images=False)

    def list_predictions(self, cursor: str | None = None) -> RunPage:
        return self._list(cursor, images=True)

    def _list(self, cursor: str | None, *, images: bool) -> RunPage:
        self.calls.append(f"list {cursor}")
        if self.read_fault is not None:
            raise self.read_fault
        start = int(cursor or 0)
        oldest_first = [run for id, run in self.runs.items() if (id in self.images) is images]
        newest_first = oldest_first[::-1]
        page = tuple(replace(run, logs=None) for run in newest_first[start : start + 100])
        more = start + 100 < len(newest_first)
        return RunPage(page, str(start + 100) if more else None, self.unread)

    def cancel_training(self, id: str) -> None:
        self._cancel(id, images=False)

    def cancel_prediction(self, id: str) -> None:
        self._cancel(id, images=True)

    def _cancel(self, id: str, *, images: bool) -> None:
        self.canceled.append(id)
        if not self._known(id, images=images).status.ended and not self.cancels_late:
            self.tell(id, status=RemoteStatus.CANCELED)

    def list_versions(self, model: str, cursor: str | None = None) -> VersionPage:
        """Two a page, so that a walk has to go on."""
        there = model in self.listed or (model in self.models and model not in self.deleted)
        if not there:
            raise NotFound(f"no model {model}")
        start = int(cursor or 0)
        found = self.listed.get(model, [])
        more = start + 2 < len(found)
        return VersionPage(tuple(found[start : start + 2]), str(start + 2) if more else None)

    def version_exists(self, model: str, version: str) -> bool:
        return version in self.versions

    def delete_version(self, model: str, version: str) -> None:
        if self.delete_fault is not None:
            raise self.delete_fault
        self.deleted.append(version)

    def delete_model(self, model: str) -> None:
        self.deleted.append(model)

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        if url not in self.files:
            raise NotFound(f"nothing at {url}")
        data = self.files[url].read_bytes()
        if len(data) > limit:
            raise ProviderRefused(f"the output is over the limit of {limit:,} bytes")
        path.write_bytes(data)
        return StoredObject("", len(data), hashlib.sha256(data).hexdigest())

    def close(self) -> None:
        pass
