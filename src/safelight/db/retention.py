"""What the retention policy lets go. A rule's choice is one statement: the plan counts it and the
clock takes from it, so that what goes is what was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from safelight.db import jobs
from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx
from safelight.domain.queues import Kind
from safelight.domain.retention import OBJECTS, Policy, Rule

sql = statements("retention")

CHOICES: Mapping[Rule, str] = {
    Rule.VERSIONS: sql.versions,
    Rule.PROVIDER: sql.provider,
    Rule.RECYCLED_PHOTOS: sql.recycled_photos,
    Rule.RECYCLED_IMAGES: sql.recycled_images,
    Rule.RECYCLED_VERSIONS: sql.recycled_versions,
    Rule.PREVIEWS: sql.drawn,
    Rule.IMAGES: sql.drawn,
    Rule.WEIGHTS: sql.weights,
    Rule.DATASETS: sql.datasets,
    Rule.TRACKERS: sql.trackers,
    Rule.LOGS: sql.logs,
    Rule.LEDGER: sql.ledger,
    Rule.EVENTS: sql.events,
    Rule.TEMPORARY: sql.temporary,
    Rule.UPLOADS: sql.temporary,
    Rule.ORPHANS: sql.temporary,
}


def _over(frame: str, rule: Rule) -> str:
    return frame.replace("/*chosen*/", CHOICES[rule])


def count(tx: Tx, policy: Policy, rule: Rule) -> list[Row]:
    """protected_by (None: it goes), things, bytes and the oldest, of all the rule chooses."""
    parameters = policy.parameters(rule)
    return [] if parameters is None else tx.rows(_over(sql.count_chosen, rule), parameters)


def choose(tx: Tx, policy: Policy, rule: Rule, limit: int) -> list[Row]:
    """A batch of what goes by *rule*: id, key, bytes, subject_id; the oldest first."""
    parameters = policy.parameters(rule)
    if parameters is None or limit < 1:
        return []
    return tx.rows(_over(sql.next_chosen, rule), {**parameters, "limit": limit})


def objects(tx: Tx, policy: Policy, limit: int) -> list[Row]:
    """A batch of the objects that go from the store."""
    found: list[Row] = []
    for rule in OBJECTS:
        found += choose(tx, policy, rule, limit - len(found))
    return found


def let_go(tx: Tx, rule: Rule, chosen: Sequence[Row], *, actor: str) -> None:
    """Write that these go, by a rule that ends with rows. Objects are the sweep's from then on."""
    ids: Any = {"ids": [row["id"] for row in chosen], "actor": actor}
    match rule:
        case Rule.VERSIONS:
            for row in chosen:
                _follow(tx, Kind.ARCHIVE_VERSION, row, actor)
        case Rule.PROVIDER:
            for row in chosen:
                _follow(tx, Kind.DELETE_REMOTE_VERSION, row, actor)
        case Rule.RECYCLED_VERSIONS | Rule.WEIGHTS:
            for row in tx.rows(sql.delete_versions, ids):
                _follow(tx, Kind.DELETE_REMOTE_VERSION, row, actor)
        case Rule.RECYCLED_PHOTOS:
            tx.run(sql.purge_photos, ids)
        case Rule.RECYCLED_IMAGES | Rule.PREVIEWS | Rule.IMAGES:
            tx.run(sql.purge_images, ids)
        case Rule.DATASETS:
            tx.run(sql.purge_datasets, ids)
        case Rule.TRACKERS:
            tx.run(sql.clear_trackers, ids)
        case Rule.LOGS:
            tx.run(sql.clear_logs, ids)
        case Rule.LEDGER:
            tx.run(sql.delete_jobs, ids)
        case Rule.EVENTS:
            tx.run(sql.delete_events, ids)
        case _:
            raise AssertionError(f"{rule} ends with objects, and they go through the store")


def _follow(tx: Tx, kind: Kind, row: Row, actor: str) -> None:
    jobs.add_for(
        tx,
        kind,
        row["id"],
        actor=actor,
        owner_id=row.get("owner_id"),
        subject_id=row["subject_id"],
    )
