"""Commands that show and start cleanup."""

from __future__ import annotations

from typing import Annotated

import typer

from safelight.cli.console import Json, ago, out, say_json, size, system, table


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    cleanup = typer.Typer(
        help="What is kept for how long, and what goes. `plan` only looks; the clock does the same "
        "by itself.",
        no_args_is_help=True,
    )
    cleanup.command("plan")(show_plan)
    cleanup.command("run")(start)
    cleanup.command("strays")(show_strays)
    app.add_typer(cleanup, name="cleanup", rich_help_panel="Operate")


def show_plan(as_json: Json = False) -> None:
    """Say what would go now, how much of it and by which rule, and what keeps the rest.

    Nothing is deleted. The clock carries out the same plan every SAFELIGHT_CLEANUP_SECONDS; its
    rules are those of SAFELIGHT_RETENTION_FILE, else those that are shipped.
    """
    from safelight.flow.retention import plan, policy_of

    with system() as (cx, _actor):
        policy = policy_of(cx.settings)
        with cx.db.transaction() as tx:
            lines = plan(tx, policy)
        if as_json:
            say_json({"rules": str(cx.settings.retention_file or "shipped"), "plan": lines})
            return
        table(
            "What would go",
            ("what", "how many", "size", "oldest", "why", "kept by"),
            (
                (
                    str(line.rule),
                    f"{line.things:,}" if line.things else "-",
                    size(line.bytes) if line.bytes else "",
                    ago(line.oldest),
                    line.why,
                    ", ".join(f"{reason} ({n:,})" for reason, n in line.protected.items()),
                )
                for line in lines
            ),
        )


def start(
    walk: Annotated[
        bool, typer.Option("--walk", help="Compare store and provider with the rows too.")
    ] = False,
) -> None:
    """Have the plan carried out now and not at the clock's next turn. Safe to run again."""
    from safelight.flow.commands.cleaning import run_cleanup

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            run_cleanup(tx, actor, walk=walk)
        out.print("Cleanup is due now. Follow it with `safelight jobs --queue cleanup`.")


def show_strays(as_json: Json = False) -> None:
    """List what the last walks found: unknown here, or gone there.

    An object in a folder of ours that no row knows is deleted after its time ([orphans] in the
    rules); one elsewhere in the bucket, and a version at the provider, is only shown. A row whose
    object is missing needs a person: restore it from a backup, or remove the thing.
    """
    from dataclasses import asdict

    from safelight.db import walks

    with system() as (cx, _actor), cx.db.transaction() as tx:
        last, found = walks.last(tx), walks.strays(tx, limit=500)
        if as_json:
            say_json({"walks": [asdict(w) for w in last], "strays": [asdict(s) for s in found]})
            return
        table(
            "Walks",
            ("place", "begun", "ended", "seen", "unknown", "missing"),
            (
                (
                    walk.place,
                    ago(walk.started_at),
                    ago(walk.finished_at) or "on its way",
                    f"{walk.seen:,}",
                    f"{walk.unknown:,}",
                    f"{walk.missing:,}",
                )
                for walk in last
            ),
        )
        table(
            "Strays",
            ("place", "what", "name", "of", "why"),
            ((stray.place, stray.what, stray.name, stray.noun, stray.detail) for stray in found),
        )
