"""Commands for whoever runs it: pause and resume queues, API keys, the doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from safelight.cli.console import Json, environment, out, say_json, styled, system
from safelight.domain.errors import Invalid
from safelight.domain.queues import Queue


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Operate")(pause)
    app.command(rich_help_panel="Operate")(resume)
    app.command(rich_help_panel="Operate")(resolve)
    app.command(rich_help_panel="Operate")(doctor)


def _queue(name: str) -> Queue:
    if name not in list(Queue):
        raise Invalid(f"There is no queue {name!r}.", hint=f"There are: {', '.join(Queue)}.")
    return Queue(name)


def pause(
    queue: Annotated[str, typer.Argument(help="preprocess, submit, poll, generate or cleanup.")],
    reason: Annotated[str | None, typer.Option(help="Shown wherever the queue is.")] = None,
) -> None:
    """Let no worker claim from a queue; what runs, ends. Jobs gather and nothing is lost."""
    from safelight.flow.commands.jobs import pause_queue

    name = _queue(queue)
    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            changed = pause_queue(tx, actor, name, reason=reason)
        out.print(f"The queue {name} is paused." if changed else f"{name} was paused already.")


def resume(
    queue: Annotated[str, typer.Argument(help="preprocess, submit, poll, generate or cleanup.")],
) -> None:
    """Let workers claim from a paused queue again."""
    from safelight.flow.commands.jobs import resume_queue

    name = _queue(queue)
    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            changed = resume_queue(tx, actor, name)
        out.print(f"The queue {name} goes on." if changed else f"{name} was not paused.")


def resolve(
    target: Annotated[str, typer.Argument(help="A training's or a generation's id.")],
    decision: Annotated[str, typer.Argument(help="adopt, resend or give-up.")],
    reason: Annotated[str, typer.Option(help="What you found out, and where; kept as an event.")],
    provider_id: Annotated[
        str | None, typer.Option(help="To adopt it: the provider's id for it.")
    ] = None,
) -> None:
    """Settle a request whose reply was lost, once you know whether the provider has it.

    Look at the provider's own dashboard first: what is sent again although it was accepted is paid
    twice.
    """
    from safelight.cli.training import find_target
    from safelight.flow.commands import unknowns
    from safelight.flow.commands.unknowns import Decision

    if decision not in list(Decision):
        raise Invalid(f"There is no decision {decision!r}.", hint=f"Say {', '.join(Decision)}.")
    with system() as (cx, actor):
        what, id = find_target(cx, actor, target)
        if what == "job":
            raise Invalid("Name the training or the generation, not its job.")
        training = what == "training"
        settle = unknowns.resolve_training if training else unknowns.resolve_generation
        if decision == Decision.ADOPT and provider_id:
            look = unknowns.look_at_training if training else unknowns.look_at_generation
            look(cx, actor, id, provider_id)
        with cx.db.transaction() as tx:
            done = settle(tx, actor, id, Decision(decision), reason=reason, provider_id=provider_id)
        out.print(f"The {what} is {done.state} now.")


def doctor(as_json: Json = False) -> None:
    """Check everything this system needs, and say what to do about what is missing (exit 1)."""
    from safelight.cli.checks import run_all

    found = run_all(environment())
    if as_json:
        say_json(found)
    else:
        marks = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}
        for check in found:
            out.print(styled(marks[check.verdict], f" {check.what}: {check.seen}"))
            if check.remedy:
                out.print(f"       {check.remedy}")
    if any(check.verdict == "fail" for check in found):
        raise typer.Exit(1)
