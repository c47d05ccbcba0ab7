"""The rows around the erasure of an owner: one erasure a subject, then the owner itself."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

from safelight.db import erasures
from safelight.db.transaction import Tx
from safelight.domain.erasure import Json, Plan
from safelight.domain.operations import Erasure
from safelight.domain.outcome import Outcome, Wait
from safelight.domain.states import ErasureState
from safelight.flow.commands import Actor, actor_name
from safelight.flow.commands.erasing import erase_subject

BATCH = 100
"""How many subjects one turn begins with."""
LOOK_SECONDS = 5.0


def gather(tx: Tx, erasure: Erasure, worker: str) -> Outcome:
    """Begin with the subjects that are left; once there are none, the plan for the rest."""
    actor = Actor(erasure.owner_id, erasure.asked_by)
    for subject_id in erasures.subjects_to_erase(tx, erasure.owner_id, limit=BATCH):
        erase_subject(tx, actor, subject_id, reason=erasure.reason, parent_id=erasure.id)
    if left := erasures.subjects_left(tx, erasure.owner_id):
        return Wait(LOOK_SECONDS, reason=f"{left} of its subjects are not erased yet")
    parts = _parts(tx, erasure)
    if any(part.state != ErasureState.DONE for part in parts):
        return Wait(LOOK_SECONDS, reason="the last of its subjects is being checked")
    plan = _plan(tx, erasure, parts)
    erasures.move(
        tx,
        erasure.id,
        ErasureState.STOPPING,
        ErasureState.DELETING,
        actor=worker,
        plan=plan.to_dict(),
    )
    return Wait(0.0, reason="its subjects are erased")


def _parts(tx: Tx, erasure: Erasure) -> list[Erasure]:
    found: list[Erasure] = []
    after = None
    while page := erasures.find(
        tx, erasure.owner_id, parent_id=erasure.id, after=after, limit=1000
    ):
        found += page
        after = page[-1].id
    return found


def _plan(tx: Tx, erasure: Erasure, parts: list[Erasure]) -> Plan:
    own = str(erasure.owner_id)
    statements = [part.statement for part in parts if part.statement is not None]
    models = {model for said in statements for model in said["kept"]["models_shared"]}
    named = {model for model in models if own[-12:] in model}
    rows = erasures.rows_of(tx, subject_id=None, owner_id=erasure.owner_id)
    return Plan(
        models=tuple(sorted(named)),
        models_kept=tuple(sorted(models - named)),
        texts=(own,),
        words=tuple(
            sorted(c["id"] for t, c in rows if t != "owners" and isinstance(c.get("id"), str))
        ),
        spent_micro_usd=sum(said["kept"]["spent_micro_usd"] for said in statements),
        actors=_actors(rows),
        parts=tuple(str(part.id) for part in parts),
    )


def _actors(rows: Sequence[tuple[str, Json]]) -> tuple[str, ...]:
    """What events call the owner: by its keys, and, from before those were told apart, by its name."""
    name = next(content["name"] for table, content in rows if table == "owners")
    keys = [content["id"] for table, content in rows if table == "api_keys"]
    return (f"api:{name}", *(actor_name(name, key) for key in keys))


def forget(tx: Tx, plan: Plan, rows: MutableMapping[str, int]) -> None:
    """Events by the owner's keys, which bear its name."""
    for actor in plan.actors:
        rows["events"] = rows.get("events", 0) + erasures.forget_actor(tx, actor)
