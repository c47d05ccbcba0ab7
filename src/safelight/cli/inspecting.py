"""Commands that look: status, versions, subjects, jobs, events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from safelight.cli.console import (
    Json,
    ago,
    dollars,
    duration,
    err,
    out,
    say_json,
    short,
    size,
    state,
    styled,
    system,
    table,
)
from safelight.cli.naming import id_of, subject_id_of
from safelight.domain.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safelight.db.transaction import Row
    from safelight.domain.nouns import Job
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Keep looking until Ctrl-C.")]
DUE_TOO_LONG_SECONDS = 60


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (status, versions, subjects, jobs, events):
        app.command(rich_help_panel="Look")(command)


def status(
    what: Annotated[
        str | None, typer.Argument(help="A training's id, or a subject's name.")
    ] = None,
    follow: Follow = False,
    as_json: Json = False,
) -> None:
    """Show the recent trainings, or one in full: what it did, what it waits for."""
    from safelight.db import trainings

    with system() as (cx, actor):
        if what is None:
            with cx.db.transaction() as tx:
                found = trainings.find(tx, actor.owner_id, limit=20)
            if as_json:
                say_json([{"subject": name, "training": t} for t, name in found])
                return
            table(
                "Trainings",
                ("id", "subject", "no.", "state", "step", "loss", "time", "cost", "asked for"),
                (
                    (
                        short(t.id),
                        name,
                        t.number,
                        state(t.state),
                        f"{t.step or 0}/{t.steps}" if t.steps else "",
                        f"{t.loss:.3f}" if t.loss is not None else "",
                        duration(t.predict_seconds),
                        dollars(t.cost_micro_usd),
                        ago(t.created_at),
                    )
                    for t, name in found
                ),
            )
            return
        _one_training(cx, actor, what, follow=follow, as_json=as_json)


def _one_training(cx: Context, actor: Actor, what: str, *, follow: bool, as_json: bool) -> None:
    from safelight.cli import following
    from safelight.db import subjects, trainings

    with cx.db.transaction() as tx:
        named = subjects.named(tx, actor.owner_id, what)
        if named is None:
            id = id_of(tx, actor.owner_id, what, "training")
        elif newest := trainings.find(tx, actor.owner_id, subject_id=named.id, limit=1):
            id = newest[0][0].id
        else:
            raise NotFound(f"{named.name} has no trainings.", hint="`safelight train FOLDER`")
    if follow:
        following.follow_training(cx, actor, id, quiet=as_json)
    if as_json:
        say_json(following.training_json(cx, actor, id))
        return
    sight = following.look(cx, actor, id)
    out.print(following.summary(sight))
    following.show_findings(sight, notes=True)
    if sight.training.error:
        out.print(styled((f"{sight.training.state}:", "red"), f" {sight.training.error}"))
    if not follow:
        following.say_what_it_waits_for(sight)


def versions(
    subject: Annotated[str | None, typer.Argument(help="A subject's name or id.")] = None,
    as_json: Json = False,
) -> None:
    """List versions: which draws, which is a candidate, which is archived."""
    from safelight.db import versions as db

    with system() as (cx, actor):
        of = subject_id_of(cx, actor, subject) if subject is not None else None
        with cx.db.transaction() as tx:
            found = db.find(tx, actor.owner_id, subject_id=of, limit=200)
        if as_json:
            say_json([{"subject": name, "version": v} for v, name in found])
            return
        table(
            "Versions",
            ("id", "subject", "no.", "state", "approved", "rank", "weights", "sha256", "made"),
            (
                (
                    short(v.id),
                    name,
                    v.number,
                    state(v.state),
                    styled(("rejected", "red"))
                    if v.rejected_at
                    else ("yes" if v.approved else "no"),
                    v.rank,
                    size(v.weights_bytes) if v.weights_bytes else "not held",
                    (v.weights_sha256 or "")[:12],
                    ago(v.created_at),
                )
                for v, name in found
            ),
        )


def subjects(as_json: Json = False) -> None:
    """List subjects with their trigger words."""
    from safelight.db import subjects as db
    from safelight.flow.commands.consent import needs_consent

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = db.find(tx, actor.owner_id, limit=200)
        if as_json:
            say_json(found)
            return
        table(
            "Subjects",
            ("id", "name", "kind", "trigger word", "consent", "made"),
            (
                (
                    short(s.id),
                    s.name,
                    s.kind,
                    s.trigger_word,
                    ago(s.consented_at)
                    or (styled(("missing", "red")) if needs_consent(s.kind) else "-"),
                    ago(s.created_at),
                )
                for s in found
            ),
        )


def jobs(
    queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None,
    only: Annotated[
        str | None, typer.Option("--state", help="ready, leased, done, parked or canceled.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 20,
    follow: Follow = False,
    as_json: Json = False,
) -> None:
    """Show each queue and its jobs; what stands still is in red, with its reason."""
    from safelight.db import jobs as db
    from safelight.domain.errors import Invalid
    from safelight.domain.queues import Queue
    from safelight.domain.states import JobState

    if queue is not None and queue not in list(Queue):
        raise Invalid(f"There is no queue {queue!r}.", hint=f"There are: {', '.join(Queue)}.")
    if only is not None and only not in list(JobState):
        raise Invalid(f"There is no state {only!r}.", hint=f"There are: {', '.join(JobState)}.")
    with system() as (cx, _actor):
        while True:
            with cx.db.transaction() as tx:
                counts = db.counts(tx)
                found = db.find(tx, queue=Queue(queue) if queue else None, state=only, limit=limit)
                parked = db.find(tx, state=JobState.PARKED, limit=limit) if only is None else []
            if as_json:
                say_json({"queues": counts, "jobs": found, "parked": parked})
            else:
                if follow:
                    out.clear()
                _show_jobs(counts, found, parked)
            if not follow:
                return
            time.sleep(1.0)


def _show_jobs(counts: Sequence[Row], found: Sequence[Job], parked: Sequence[Job]) -> None:
    table(
        "Queues",
        ("queue", "due", "leased", "waiting", "parked", "oldest due"),
        (
            (
                styled(
                    f"{c['queue']} ",
                    (f"(paused: {c['paused_reason'] or 'no reason given'})", "yellow"),
                )
                if c["paused"]
                else c["queue"],
                c["due"],
                c["leased"],
                c["waiting"],
                styled((str(c["parked"]), "red" if c["parked"] else "")),
                styled(
                    (
                        f"{c['oldest_due_seconds']:.0f} s",
                        "red" if c["oldest_due_seconds"] > DUE_TOO_LONG_SECONDS else "",
                    )
                ),
            )
            for c in counts
        ),
    )
    table(
        "Jobs",
        ("id", "queue", "kind", "state", "attempts", "since", "what it says"),
        (
            (
                short(j.id),
                j.queue,
                j.kind,
                state(j.state),
                f"{j.attempts}/{j.max_attempts}",
                ago(j.finished_at or j.created_at),
                (j.error or j.reason or "")[:120],
            )
            for j in found
        ),
    )
    if parked:
        err.print(
            styled(
                (f"{len(parked)} job(s) stand still.", "red"),
                " Each says why above or with `safelight jobs --state parked`; then `safelight retry "
                "ID` or `safelight cancel ID`.",
            )
        )


def events(
    target: Annotated[str, typer.Argument(help="A training's id (or the end of one).")],
    as_json: Json = False,
) -> None:
    """Show what happened to a training, its jobs, its version and previews, in order."""
    from safelight.db import events as db

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = db.of_training(tx, id_of(tx, actor.owner_id, target, "training"))
        if as_json:
            say_json(found)
            return
        table(
            "Events",
            ("at", "what", "from", "to", "by", "more"),
            (
                (
                    f"{e.at:%H:%M:%S.%f}"[:-3],
                    f"{e.noun} {short(e.noun_id)}",
                    e.before,
                    state(e.after),
                    e.actor.split("@")[0],
                    ", ".join(f"{k}={v}" for k, v in (e.detail or {}).items() if v is not None),
                )
                for e in found
            ),
        )
