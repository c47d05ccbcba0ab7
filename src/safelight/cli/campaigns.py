"""Commands for operations over many subjects: plan (the dry run), start, pause, resume, stop, show."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from safelight.cli.console import (
    Json,
    ago,
    dollars,
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
from safelight.domain.errors import Invalid

if TYPE_CHECKING:
    from safelight.flow.commands import Actor
    from safelight.flow.commands.campaigns import Report
    from safelight.flow.context import Context

Which = Annotated[str, typer.Argument(help="The campaign's id.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    campaign = typer.Typer(
        help="One operation over many subjects: planned (that is the dry run), tried on a small first "
        "batch, paused, resumed, stopped, bounded by a budget, reported.",
        no_args_is_help=True,
    )
    for command in (plan, start, show, pause, resume, stop):
        campaign.command()(command)
    campaign.command("list")(list_all)
    app.add_typer(campaign, name="campaign", rich_help_panel="Operate")


def plan(
    kind: Annotated[str, typer.Argument(help="reinspect, retrain, purge or reset.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    subjects: Annotated[
        list[str] | None, typer.Option("--subject", help="Only this one; may be said often.")
    ] = None,
    of_kind: Annotated[
        str | None, typer.Option("--of", help="Only these: person, model or character.")
    ] = None,
    made_by: Annotated[
        str | None, typer.Option(help="Only what was trained with this profile.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what was trained since then.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Only what was trained before.")] = None,
    profile: Annotated[str | None, typer.Option(help="The profile to judge or train with.")] = None,
    first_batch: Annotated[
        int, typer.Option(help="Stand still after so many subjects; 0: do not.")
    ] = 5,
    at_once: Annotated[int, typer.Option(help="How many subjects are under way at a time.")] = 10,
    budget: Annotated[
        float | None, typer.Option(help="Dollars; what would pass it is not begun.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Select subjects, count what would be done and what it would cost; nothing is done yet.

    `reinspect` judges photos anew under a profile's thresholds; `retrain` trains again; `purge`
    deletes versions, their weights here and at the provider, their images, trackers and zips;
    `reset` purges and then trains again. Photos stay.
    """
    from safelight.domain.campaigns import Selection
    from safelight.flow.commands.campaigns import plan_campaign

    with system() as (cx, actor):
        ids = [subject_id_of(cx, actor, text) for text in subjects] if subjects else None
        selection = Selection(
            kind=of_kind,
            made_by=made_by,
            since=since.astimezone() if since else None,
            until=until.astimezone() if until else None,
        )
        with cx.db.transaction() as tx:
            planned = plan_campaign(
                tx,
                actor,
                name=name or kind,
                kind=kind,
                selection=selection,
                subject_ids=ids,
                profile=profile,
                first_batch=first_batch,
                at_once=at_once,
                budget_micro_usd=_micro(budget),
            )
        _say(planned, as_json)
        if not as_json:
            out.print(f"Nothing is done yet: {_how_to_start(planned)}.")


def _how_to_start(planned: Report) -> str:
    from safelight.domain.campaigns import CampaignKind

    count = planned.items.get("waiting", 0)
    typed = f" --confirm {count}" if CampaignKind(planned.campaign.kind).purges else ""
    return f"`safelight campaign start {short(planned.campaign.id)}{typed}`"


def start(
    campaign: Which,
    confirm: Annotated[
        int | None, typer.Option(help="The count of its subjects, typed, where it deletes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a planned campaign begin with its first batch.

    One that deletes asks for the count of its subjects, and what it is to delete draws no more from
    its first turn on. Look with `safelight campaign show`, and then resume or stop it.
    """
    from safelight.flow.commands.campaigns import start_campaign

    with system() as (cx, actor):
        id = _id(cx, actor, campaign)
        with cx.db.transaction() as tx:
            start_campaign(tx, actor, id, confirm=confirm)
        _show(cx, actor, id, as_json)


def pause(campaign: Which, as_json: Json = False) -> None:
    """Begin with no further subject; those under way come to their end. `resume` goes on.

    Nothing is lost by it: what waits keeps its place, and what is under way keeps its training.
    """
    from safelight.flow.commands.campaigns import pause_campaign

    with system() as (cx, actor):
        id = _id(cx, actor, campaign)
        with cx.db.transaction() as tx:
            pause_campaign(tx, actor, id)
        _show(cx, actor, id, as_json)


def resume(
    campaign: Which,
    budget: Annotated[float | None, typer.Option(help="A new budget, in dollars.")] = None,
    as_json: Json = False,
) -> None:
    """Go on after the first batch, after a pause, or with a higher budget.

    What was spent before counts towards the budget, as does what is set aside for trainings that are
    under way.
    """
    from safelight.flow.commands.campaigns import resume_campaign

    with system() as (cx, actor):
        id = _id(cx, actor, campaign)
        with cx.db.transaction() as tx:
            resume_campaign(tx, actor, id, budget_micro_usd=_micro(budget))
        _show(cx, actor, id, as_json)


def stop(campaign: Which, as_json: Json = False) -> None:
    """End a campaign for good: subjects that wait are skipped, those under way come to their end.

    What is done stays done, and the report goes on counting until the last one has ended.
    """
    from safelight.flow.commands.campaigns import stop_campaign

    with system() as (cx, actor):
        id = _id(cx, actor, campaign)
        with cx.db.transaction() as tx:
            stop_campaign(tx, actor, id)
        _show(cx, actor, id, as_json)


def show(campaign: Which, as_json: Json = False) -> None:
    """Show a campaign's report: what was counted, what came of it, what it cost, who was left out and why.

    Every subject that was selected is in one of its lines, so the numbers add up at any time.
    """
    with system() as (cx, actor):
        _show(cx, actor, _id(cx, actor, campaign), as_json)


def list_all(as_json: Json = False) -> None:
    """List campaigns, newest first: what each does, where it stands and why it stands still.

    `safelight campaign show ID` has the report of one.
    """
    from safelight.db import campaigns

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = campaigns.find(tx, actor.owner_id)
        if as_json:
            say_json(found)
            return
        table(
            "Campaigns",
            ("id", "name", "kind", "state", "why", "planned"),
            (
                (short(c.id), c.name, c.kind, state(c.state), c.reason, ago(c.created_at))
                for c in found
            ),
        )


def _id(cx: Context, actor: Actor, text: str) -> UUID:
    with cx.db.transaction() as tx:
        return id_of(tx, actor.owner_id, text, "campaign")


def _micro(dollars: float | None) -> int | None:
    if dollars is not None and dollars < 0:
        raise Invalid(f"A budget is 0 dollars or more; {dollars:g} was given.")
    return None if dollars is None else round(dollars * 1_000_000)


def _show(cx: Context, actor: Actor, id: UUID, as_json: bool) -> None:
    from safelight.flow.commands.campaigns import get_campaign, report

    with cx.db.transaction() as tx:
        found = report(tx, get_campaign(tx, actor, id))
    _say(found, as_json)


def _say(found: Report, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    campaign = found.campaign
    why = f" ({campaign.reason})" if campaign.reason else ""
    out.print(styled(f"{campaign.name}: {campaign.kind}, ", state(campaign.state), why))
    items = ", ".join(f"{n} {name}" for name, n in sorted(found.items.items()))
    out.print(f"{found.subjects} subjects: {items}")
    budget = f" of {dollars(campaign.budget_micro_usd)}" if campaign.budget_micro_usd else ""
    out.print(
        f"Estimated {dollars(found.estimate_micro_usd)}; spent {dollars(found.spent_micro_usd)}, "
        f"with what is set aside {dollars(found.bound_micro_usd)}{budget}",
    )
    table(
        "What",
        ("", "counted", "done"),
        (
            (name, size(n["planned"]), size(n["result"]))
            if name == "bytes"
            else (name, f"{n['planned']:,}", f"{n['result']:,}")
            for name, n in found.counts.items()
        ),
    )
    if found.reasons:
        table(
            "Left out, or failed",
            ("state", "why", "subjects"),
            ((r["state"], r["reason"], r["items"]) for r in found.reasons),
        )
