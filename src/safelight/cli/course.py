"""`safelight course`: how a training went, step by step."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from safelight.cli.console import dollars, duration, out, say_json, styled, system
from safelight.cli.naming import id_of
from safelight.domain.errors import NotFound

if TYPE_CHECKING:
    from safelight.domain.nouns import Training
    from safelight.domain.trainlog import Course

BINS = 60
_SHADES = "▁▂▃▄▅▆▇█"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(course)


def course(
    training: Annotated[str, typer.Argument(help="A training's id, or its last digits.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every step, as JSON.")] = False,
) -> None:
    """Show the course of a training: step, loss and rate out of the trainer's own log.

    The curve is of medians, since one step's loss is mostly noise. A low loss is shown and never
    acted on: it is no sign of a good LoRA, and its scale differs by model. A loss that is no number
    (NaN) is a mark: the trainer passes over that step. Ten of them within twenty steps end the run,
    since what follows would be paid for nothing.
    """
    from safelight.db import trainings

    with system() as (cx, actor), cx.db.transaction() as tx:
        id = id_of(tx, actor.owner_id, training, "training")
        one = trainings.get(tx, id, actor.owner_id)
        if one is None:
            raise NotFound(f"There is no training {training!r}.", hint="`safelight status`")
        went = trainings.course(tx, id)
    if as_json:
        points = [[p.step, p.loss, p.lr, p.rate] for p in went.points] if went else []
        about = went.to_dict() if went else {}
        kept = {name: about.get(name) for name in ("step", "steps", "rate", "nan", "restarts")}
        say_json(
            {"training": id, **kept, "columns": ["step", "loss", "lr", "rate"], "points": points}
        )
        return
    if went is None:
        out.print(f"No log of this training was seen: it is {one.state}.")
        return
    _show(one, went)


def _show(training: Training, went: Course) -> None:
    from safelight.domain.trainlog import LOSS_SAYS_LITTLE

    rate = f", {went.rate:.2f} steps a second" if went.rate else ""
    cost = dollars(training.cost_micro_usd)
    spent = f", {duration(training.predict_seconds)} {cost}" if cost else ""
    out.print(f"step {went.step} of {went.steps or '?'}{rate}{spent}")
    if went.images is not None:
        out.print(f"the trainer found {went.images} images")
    for step in went.restarts:
        out.print(f"an attempt broke off after step {step}, and it began again")
    if went.nan_steps:
        shown = ", ".join(map(str, went.nan_steps[:5]))
        out.print(styled(("no number (NaN)", "red"), f" at {len(went.nan_steps)} steps: {shown}"))
    if went.points:
        middles = curve([p.loss for p in went.points])
        out.print(
            f"loss {draw(middles)}  medians {min(middles):.3f} to {max(middles):.3f}, "
            f"last step {went.loss:.3f}"
        )
        out.print(
            styled((LOSS_SAYS_LITTLE, "dim")),
        )


def curve(values: list[float], bins: int = BINS) -> list[float]:
    """The medians of up to *bins* equal parts."""
    count = min(bins, len(values))
    edges = [len(values) * n // count for n in range(count + 1)]
    return [median(values[a:b]) for a, b in pairwise(edges)]


def draw(values: list[float]) -> str:
    """One sign a value, from the lowest to the highest."""
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    top = len(_SHADES) - 1
    return "".join(_SHADES[round((value - low) / spread * top)] for value in values)
