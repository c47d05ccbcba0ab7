"""`safelight costs` and `safelight estimate`: time and money, measured and to come."""

from __future__ import annotations

from typing import Annotated

import typer

from safelight.cli.console import (
    dollars,
    duration,
    emulated,
    environment,
    out,
    say_json,
    system,
    table,
)
from safelight.cli.training import overrides_of

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Look")(costs)
    app.command(rich_help_panel="Look")(estimate)


def costs(as_json: Json = False) -> None:
    """Show what your trainings took, by profile: time and money at the 50th and 95th percentile.

    The percentiles are of runs that succeeded; what was spent is of all of them. Money is seconds at
    the provider's price for the hardware that FLUX trainings run on.
    """
    from safelight.db import runs

    with system() as (cx, actor), cx.db.transaction() as tx:
        found = runs.spent(tx, actor.owner_id)
    if as_json:
        say_json(found)
        return
    table(
        "Costs" + _emulated(),
        ("profile", "runs", "succeeded", "time p50", "p95", "cost p50", "p95", "spent"),
        (
            (
                row["profile"],
                row["runs"],
                row["succeeded"],
                duration(row["seconds_p50"]),
                duration(row["seconds_p95"]),
                dollars(row["micro_usd_p50"]),
                dollars(row["micro_usd_p95"]),
                dollars(row["micro_usd"]),
            )
            for row in found
        ),
    )


def estimate(
    profile: Annotated[str, typer.Argument(help="See `safelight profiles`.")],
    images: Annotated[int, typer.Option(min=1, help="How many photos.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A trainer input, as key=value; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a training would take, before it is asked for: steps, exposures, time and money.

    Drawn from the runs measured here: of the profile where it has five or more, else of all. With
    none, one real run that is on record elsewhere stands in, and the answer says so.
    """
    from safelight.flow.commands.estimates import estimate_training

    with system() as (cx, _actor), cx.db.transaction() as tx:
        plan, found = estimate_training(
            tx, profile, images=images, overrides=overrides_of(set_ or [])
        )
    if as_json:
        say_json(
            {
                "profile": profile,
                "images": images,
                "steps": plan.steps,
                "exposures": round(plan.exposures, 1),
                "seconds_p50": found.seconds_p50,
                "seconds_p95": found.seconds_p95,
                "micro_usd_p50": found.micro_usd_p50,
                "micro_usd_p95": found.micro_usd_p95,
                "basis": found.basis,
                "runs": found.runs,
            }
        )
        return
    out.print(
        f"{plan.steps} steps, each of {images} images {plan.exposures:.0f} times: "
        f"{found.words}{_emulated()}",
        highlight=False,
    )


def _emulated() -> str:
    return " (emulated)" if emulated(environment()) else ""
