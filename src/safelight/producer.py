"""The Python door: for producers whose own tables are in the same database.

What is asked for here is part of the caller's transaction: it happens if that commits, and never
did if it is rolled back. There is no other way to have "the order is paid" and "its training is
queued" be true together.

    with psycopg.connect(url) as connection:
        connection.execute("UPDATE orders SET paid = true WHERE id = %s", [order])
        safelight = Producer(connection, owner="acme", actor="checkout")
        subject = safelight.ensure_subject(name="luca", kind="person", consent="form 2026-114")
        training = safelight.start_training(subject.id)
    safelight.send_hints("redis://...")  # optional: else the sweep finds it within a second
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from safelight.clients.broker import Broker
from safelight.db import generations, owners, trainings, versions
from safelight.db.joined import Connection, joined
from safelight.db.transaction import Hint, Tx
from safelight.domain.errors import Invalid
from safelight.domain.nouns import Generation, Image, Owner, Subject, Training, Version
from safelight.domain.profiles import DEFAULT
from safelight.flow.commands import Actor, images
from safelight.flow.commands import subjects as subject_commands
from safelight.flow.commands import trainings as training_commands
from safelight.flow.commands import versions as version_commands
from safelight.stages import layers

__all__ = ["Producer", "ensure_owner"]


def ensure_owner(connection: Connection, name: str) -> Owner:
    """The owner of this name, made on first use."""
    with joined(connection) as tx:
        return _owner(tx, name)


def _owner(tx: Tx, name: str) -> Owner:
    if not name.strip():
        raise Invalid("An owner needs a name.")
    return owners.ensure(tx, name)


class Producer:
    """Asks for things on behalf of *owner*, within the transaction of *connection*.

    `connection` is a synchronous one of psycopg 3 on Safelight's database, in a transaction or about
    to begin one. Under SQLAlchemy that is `session.connection().connection.driver_connection`,
    under Django `django.db.connection.connection`. *actor* stands in the history as who asked.

    Every method raises what its command raises (`safelight.domain.errors`); what was refused
    leaves the caller's transaction as it was, open and good.
    """

    def __init__(self, connection: Connection, *, owner: str, actor: str = "producer") -> None:
        self._connection = connection
        self._owner = owner
        self._actor = actor
        self._hints: list[Hint] = []

    @contextmanager
    def _asking(self) -> Iterator[tuple[Tx, Actor]]:
        with joined(self._connection) as tx:
            # Looked up anew: the transaction that made it may have been rolled back since.
            yield tx, Actor(_owner(tx, self._owner).id, self._actor)
        self._hints += tx.hints

    def ensure_subject(self, *, name: str, kind: str, consent: str | None = None) -> Subject:
        """The subject of this name, made unless it is there; consent is put on record if given."""
        with self._asking() as (tx, actor):
            return subject_commands.ensure_subject(tx, actor, name=name, kind=kind, consent=consent)

    def record_consent(self, subject_id: UUID, note: str) -> Subject:
        """Put the person's consent on record."""
        with self._asking() as (tx, actor):
            return subject_commands.record_consent(tx, actor, subject_id, note)

    def start_training(
        self,
        subject_id: UUID,
        *,
        profile: str = DEFAULT,
        overrides: Mapping[str, Any] | None = None,
        retrain: str | None = None,
    ) -> Training:
        """Train the subject on the photos it has.

        Raises:
            NotFound, Invalid, ConsentMissing, Conflict: as `flow.commands.trainings` says.
        """
        layers.check(overrides or {})
        with self._asking() as (tx, actor):
            return training_commands.start_training(
                tx, actor, subject_id, profile=profile, overrides=overrides, retrain=retrain
            )

    def cancel_training(self, training_id: UUID) -> Training:
        """Stop it as far as that is possible."""
        with self._asking() as (tx, actor):
            return training_commands.cancel_training(tx, actor, training_id)

    def retry_training(self, training_id: UUID, *, retrain: str | None = None) -> Training:
        """Take up a training that stands still; *retrain* answers one that asks."""
        with self._asking() as (tx, actor):
            return training_commands.retry_training(tx, actor, training_id, retrain=retrain)

    def activate_version(self, version_id: UUID) -> Version:
        """Let this version draw from now on."""
        with self._asking() as (tx, actor):
            return version_commands.activate_version(tx, actor, version_id)

    def approve_version(self, version_id: UUID, *, reason: str, activate: bool = True) -> Version:
        """It may draw for users, and (unless *activate* is false) draws from now on."""
        with self._asking() as (tx, actor):
            return version_commands.approve_version(
                tx, actor, version_id, reason=reason, activate=activate
            )

    def reject_version(self, version_id: UUID, *, reason: str) -> Version:
        """It may not draw for users."""
        with self._asking() as (tx, actor):
            return version_commands.reject_version(tx, actor, version_id, reason=reason)

    def roll_back(self, subject_id: UUID, *, reason: str) -> Version:
        """Go back to the version that drew before, which is returned."""
        with self._asking() as (tx, actor):
            return version_commands.roll_back(tx, actor, subject_id, reason=reason)[0]

    def request_generation(
        self,
        prompt: str,
        *,
        subject_id: UUID | None = None,
        version_id: UUID | None = None,
        **options: Any,
    ) -> Generation:
        """Ask for images: *options* are those of `flow.commands.images.request_generation`."""
        with self._asking() as (tx, actor):
            return images.request_generation(
                tx,
                actor,
                prompt=prompt,
                subject_id=subject_id,
                version_id=version_id,
                **options,
            )

    def training(self, training_id: UUID) -> Training:
        """The training as it stands."""
        with self._asking() as (tx, actor):
            return training_commands.get_training(tx, actor, training_id)

    def version_of(self, training_id: UUID) -> Version | None:
        """What came of a training; None: nothing yet."""
        with self._asking() as (tx, actor):
            training_commands.get_training(tx, actor, training_id)
            return versions.of_training(tx, training_id)

    def images_of(self, generation_id: UUID) -> list[Image]:
        """The images of a generation; their `key` leads to them in the object store."""
        with self._asking() as (tx, actor):
            images.get_generation(tx, actor, generation_id)
            return generations.images(tx, [generation_id])

    def trainings(self, *, subject_id: UUID | None = None, limit: int = 50) -> list[Training]:
        """The owner's trainings, newest first."""
        with self._asking() as (tx, actor):
            found = trainings.find(tx, actor.owner_id, subject_id=subject_id, limit=limit)
        return [training for training, _ in found]

    def send_hints(self, broker_url: str) -> int:
        """Wake the workers now, and not at the next sweep. Call it after the commit.

        A hint sent too early, or for what was rolled back, finds nothing and does no harm. Returns
        how many were sent.
        """
        todo, self._hints = self._hints, []
        if todo:
            broker = Broker(broker_url)
            try:
                broker.send(todo)
            finally:
                broker.close()
        return len(todo)
