"""A webhook came: what it is about is looked at now."""

from __future__ import annotations

from uuid import UUID

from safelight.db import jobs, webhooks
from safelight.db.transaction import Tx
from safelight.domain.queues import Kind

LOOKS = {"training": Kind.LOOK_AT_TRAINING, "generation": Kind.LOOK_AT_GENERATION}
WATCHES = (Kind.WATCH_TRAININGS, Kind.WATCH_GENERATIONS)


def nudge(tx: Tx, intent: str | None) -> str:
    """Make a look at the run with this mark due now; the whole watch where no run in flight bears it
    (the webhook was quicker than the answer to our own request). Returns what is looked at."""
    run = webhooks.run_of_intent(tx, UUID(intent)) if _is_id(intent) else None
    if run is None:
        return ", ".join(str(kind) for kind in WATCHES if jobs.make_due(tx, str(kind)))
    kind = LOOKS[run["kind"]]
    jobs.add(
        tx,
        kind,
        actor="webhook",
        target_id=run["id"],
        owner_id=run["owner_id"],
        subject_id=run["subject_id"],
        unique_key=f"{kind}:{run['id']}",
    )
    return f"{kind} {run['id']}"


def _is_id(text: str | None) -> bool:
    try:
        UUID(text or "")
    except ValueError:
        return False
    return True
