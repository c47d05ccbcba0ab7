"""`safelight costs`, `estimate` and `limits`: time and money, measured, to come, and at most."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from safelight.cli.console import (
    Json,
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


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Look")(costs)
    app.command(rich_help_panel="Look")(estimate)
    app.command(rich_help_panel="Judge")(limits)


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

    Drawn from the runs that succeeded here, as `safelight costs` shows them: of the profile where it has
    five or more, else of all. Fewer than five give no spread; with none, one real run that is on record
    elsewhere stands in. The answer says which, and how many were emulated.
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
                "emulated": found.emulated,
            }
        )
        return
    out.print(
        f"{plan.steps} steps, each of {images} images {plan.exposures:.0f} times: {found.words}"
    )


def limits(
    daily_cap: Annotated[
        float | None, typer.Option(help="Dollars a UTC day; 0: no cap.", min=0.0)
    ] = None,
    in_flight: Annotated[
        int | None,
        typer.Option(help="Trainings at the provider at once; 0: as many as come.", min=0),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show, or change, what you may spend a day and have in training at once.

    What a request may cost is reserved before it is sent; when it has ended, what it cost takes that
    place. What does not fit waits, visibly, and goes on by itself.
    """
    from safelight.flow.commands.limits import get_limits, set_limits

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            if daily_cap is not None or in_flight is not None:
                cap = None if daily_cap is None else round(daily_cap * 1e6)
                set_limits(tx, actor, daily_cap_micro_usd=cap, max_in_flight=in_flight)
            found, today = get_limits(tx, actor)
        if as_json:
            say_json({**asdict(found), "spent_or_reserved_today_micro_usd": today.micro_usd,
                      "trainings_in_flight": today.in_flight})  # fmt: skip
            return
        cap_text = dollars(found.daily_cap_micro_usd) or "none"
        out.print(f"cap a day: {cap_text}; spent or reserved today: {dollars(today.micro_usd)}")
        out.print(
            f"trainings in flight: {today.in_flight} of {found.max_in_flight or 'any number'}"
        )


def _emulated() -> str:
    return " (emulated)" if emulated(environment()) else ""
