"""The rows around the `cleanup` stages: what the retention policy lets go, and the objects of it.

Rows are decided on first, in one transaction; their objects are temporary from then on, and there
is one place that deletes objects. So a kill at any point leaves nothing that is not known.
"""

from __future__ import annotations

from typing import Never

from safelight.db import jobs, retention, subjects, temporary
from safelight.db.transaction import Tx
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.queues import Kind
from safelight.domain.retention import OBJECTS, Rule
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.retention import policy_of
from safelight.stages import cleanup
from safelight.stages.tools import Pulse

# Apply the rules that end with rows, a batch a turn.


def _begin_retain(tx: Tx, _job: Job, cx: Context) -> Outcome:
    policy = policy_of(cx.settings)
    for rule in Rule:
        if rule in OBJECTS or rule == Rule.VERSIONS:
            continue  # those are kinds of work of their own
        chosen = retention.choose(tx, policy, rule, policy.pace.rows)
        if not chosen:
            continue
        retention.let_go(tx, rule, chosen, actor=cx.worker)
        if chosen[0]["key"] is not None and rule != Rule.PROVIDER:
            jobs.add(
                tx, Kind.PURGE_TEMPORARY, actor=cx.worker, unique_key=str(Kind.PURGE_TEMPORARY)
            )
        return Wait(policy.pace.pause, reason=f"{rule}: {len(chosen)} let go")
    return Done("nothing is past its age")


RETAIN: Work[Never, Never] = Work(_begin_retain)


# Delete the objects that are temporary and past their time.


def _begin_purge(tx: Tx, _job: Job, cx: Context) -> list[str] | Outcome:
    policy = policy_of(cx.settings)
    due = [row["key"] for row in retention.objects(tx, policy, policy.pace.objects)]
    if not due:
        return Done("nothing to purge")
    # From this commit on an upload cannot be confirmed any more, so none is deleted under it.
    subjects.remove_awaited(tx, due, actor=cx.worker)
    return due


def _do_purge(keys: list[str], cx: Context, pulse: Pulse) -> None:
    rate = policy_of(cx.settings).pace.objects_per_second
    cleanup.purge(keys, cx.tools.store, pulse, per_second=rate)


def _settle_purge(tx: Tx, _job: Job, keys: list[str], _result: None, cx: Context) -> Outcome:
    temporary.forget(tx, keys)
    pace = policy_of(cx.settings).pace
    if len(keys) >= pace.objects:
        # Its pace is in objects a second; what else is due in this queue has its turn in between.
        return Wait(0.0, reason=f"{len(keys)} purged, and there are more")
    return Done(f"{len(keys)} purged")


PURGE = Work(_begin_purge, _do_purge, _settle_purge)
