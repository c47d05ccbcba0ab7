"""The load of a chaos run: producers who ask for trainings through the API, and note what was accepted."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx

from safelight.chaos.world import World
from safelight.db import owners
from safelight.domain.errors import SafelightError
from safelight.domain.nouns import SubjectKind
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import add_photo
from safelight.flow.commands.subjects import create_subject
from safelight.local import demo

OWNERS = ("chaos-a", "chaos-b")
PHOTOS = 10
OVERRIDES = {"lora_rank": 2, "steps": 300}
ASK_SECONDS = 240.0
"""How long a producer asks again for the same training (with the same key) before it gives up."""
CANCELED_SHARE = 0.08


@dataclass
class Load:
    """Asks for *trainings* over *seconds*, from a thread; `accepted` are those with an answer."""

    world: World
    trainings: int
    seconds: float
    seed: int
    accepted: list[UUID] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed + 1)  # noqa: S311
        self._stop = threading.Event()
        with self.world.cx.db.transaction() as tx:
            found = [owners.ensure(tx, name) for name in OWNERS]
            self._keys = [
                owners.add_key(tx, owner.id, "chaos", actor="chaos")[1] for owner in found
            ]
        self._owners = [owner.id for owner in found]
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all have been asked for."""
        self._thread.join()

    def more(self, trainings: int) -> None:
        """Ask for more, one after the other, here and now."""
        for number in range(self.trainings, self.trainings + trainings):
            self._one(number)

    def _run(self) -> None:
        started = time.monotonic()
        for number in range(self.trainings):
            wait = started + number * self.seconds / self.trainings - time.monotonic()
            if wait > 0:
                self._stop.wait(wait)
            self._one(number)

    def _one(self, number: int) -> None:
        which = self._chance.randrange(len(self._owners))
        give_up = time.monotonic() + ASK_SECONDS
        name = f"chaos {number} {uuid4().hex[:6]}"
        subject: UUID | None = None
        while subject is None:
            try:
                subject = self._subject(self._owners[which], name)
            except SafelightError as error:  # a server is away: a producer comes again
                if time.monotonic() > give_up:
                    self.refused.append(f"subject: {error}")
                    return
                name = f"chaos {number} {uuid4().hex[:6]}"
                time.sleep(0.5)
        self._train(subject, self._keys[which], give_up)

    def _subject(self, owner: UUID, name: str) -> UUID:
        cx, actor = self.world.cx, Actor(owner, "chaos")
        with cx.db.transaction() as tx:
            subject = create_subject(tx, actor, name=name, kind=SubjectKind.CHARACTER)
        for path in sorted(demo.photos().glob("*.jpg"))[:PHOTOS]:
            add_photo(cx.db, cx.tools.store, actor, subject.id, path)
        return subject.id

    def _train(self, subject: UUID, key: str, give_up: float) -> None:
        once = uuid4().hex
        headers = {"authorization": f"Bearer {key}", "idempotency-key": once}
        body = {"subject_id": str(subject), "overrides": OVERRIDES}
        while True:
            try:
                reply = httpx.post(
                    f"{self.world.api}/v1/trainings",
                    headers=headers,
                    json=body,
                    timeout=20,
                )
            except httpx.HTTPError as error:
                said = f"{type(error).__name__}"
            else:
                if reply.is_success:
                    id = UUID(reply.json()["id"])
                    self.accepted.append(id)
                    if self._chance.random() < CANCELED_SHARE:
                        self._cancel(id, headers["authorization"])
                    return
                said = f"{reply.status_code} {reply.text[:200]}"
                if reply.status_code < 500 and reply.status_code not in (409, 425, 429):
                    self.refused.append(said)
                    return
            if time.monotonic() > give_up:
                self.refused.append(said)
                return
            time.sleep(0.7)

    def _cancel(self, training: UUID, authorization: str) -> None:
        time.sleep(self._chance.uniform(0.0, 3.0))
        try:
            httpx.post(
                f"{self.world.api}/v1/trainings/{training}/cancel",
                headers={"authorization": authorization},
                timeout=10,
            )
        except httpx.HTTPError:
            return  # it goes on, then
