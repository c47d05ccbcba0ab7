"""`safelight parameters`: what was asked for, what was sent, what the trainer really used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from safelight.cli.console import Json, out, say_json, styled, system, table
from safelight.cli.naming import id_of
from safelight.domain.errors import NotFound

if TYPE_CHECKING:
    from rich.text import Text

    from safelight.domain.differences import ParameterRow
    from safelight.domain.nouns import Training

_COLORS = {"changed": "red", "not taken": "yellow", "not verified": "dim"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(parameters)


def parameters(
    training: Annotated[str, typer.Argument(help="A training's id, or its last digits.")],
    as_json: Json = False,
) -> None:
    """Show a training's parameters in three columns: asked for, sent, and effective.

    Effective is read out of the config.yaml in the trainer's own archive, so it is there once the
    training has succeeded. *changed*: the trainer used something else than it was sent, and where
    that matters the version is marked. *not taken*: somebody set it and the trainer has no such
    input, so it was never sent. *not verified*: nothing tells what became of it.
    """
    from safelight.db import trainings

    with system() as (cx, actor), cx.db.transaction() as tx:
        id = id_of(tx, actor.owner_id, training, "training")
        one = trainings.get(tx, id, actor.owner_id)
        if one is None:
            raise NotFound(f"There is no training {training!r}.", hint="`safelight status`")
    rows = columns_of(one)
    if as_json:
        say_json(
            {
                "training": one.id,
                "profile": one.profile,
                "profile_sha256": one.profile_sha256,
                "checked_against": one.inputs_source,
                "parameters": [row.to_dict() for row in rows],
            }
        )
        return
    table(
        f"Training {one.number}: {one.profile}",
        ("parameter", "asked", "sent", "effective", ""),
        (
            (
                row.name,
                _word(row.asked),
                _word(row.sent),
                _word(row.effective),
                _verdict(row),
            )
            for row in rows
        ),
    )
    source = one.inputs_source
    if source:
        which = "Safelight's own table" if source == "bundled" else f"trainer version {source[:12]}"
        out.print(f"Checked before it was sent against {which}.")


def columns_of(training: Training) -> tuple[ParameterRow, ...]:
    """A training's parameters in three columns."""
    from safelight.domain.differences import columns

    return columns(
        training.asked,
        (training.sent or {}).get("input"),
        training.effective,
        images=training.images,
        version=(training.trainer_version, training.trainer_version_observed),
    )


def _word(value: object) -> str:
    return "" if value is None else str(value)


def _verdict(row: ParameterRow) -> Text:
    if row.verdict == "same":
        return styled("")
    matters = ": not what was ordered" if row.matters else ""
    return styled((f"{row.verdict}{matters}", _COLORS.get(row.verdict, "")))
