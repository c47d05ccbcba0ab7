"""`safelight weights`: LoRA files, read without any service."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from safelight import scratch
from safelight.cli.console import Json, err, out, say_json, styled
from safelight.domain.errors import BadArchive, NotFound
from safelight.domain.texts import shown

if TYPE_CHECKING:
    from safelight.domain.lora import Layer
    from safelight.stages.weights import WeightsFacts

COLUMN, SIGNS, NAME = 28, 48, 76
"""Characters of a part's name before its signs, of signs on a line, and of a name on a line of its own."""
MOST_LINES = 150
"""Lines that are drawn: a file may name any number of parts and blocks."""

app = typer.Typer(
    name="weights",
    help="Look into LoRA files: rank, layers, what is wrong with them.",
    no_args_is_help=True,
)


def add_to(main: typer.Typer) -> None:
    """Register the group."""
    main.add_typer(app, rich_help_panel="Look")


@app.callback()
def group() -> None:
    """Look into LoRA files: rank, layers, what is wrong with them."""


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A .safetensors file, or the trainer's .tar.")],
    rank: Annotated[
        int | None, typer.Option(min=1, max=1024, help="The rank it should have.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a LoRA file holds, draw how much each layer learnt, and fail where it is broken.

    Any LoRA is read, whoever trained it; FLUX.1-dev is checked against the model's own layers whatever
    their naming, and another model is named. Told are the rank or the range of ranks, the strength
    (alpha over rank) and what cannot be drawn with here. Broken is: cut short, NaN or infinite values,
    a B that is all zero (nothing was learnt), halves that do not fit each other, an alpha of zero, and
    with `--rank`: another rank, or a size that is over 2 % off the formula. Exit code 1 then; memory
    does not grow with the file.
    """
    from safelight.stages.weights import check

    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    facts: WeightsFacts | None = None
    problems: tuple[str, ...]
    try:
        facts = _facts(file)
        problems = check(facts, rank)
    except BadArchive as error:
        problems = (error.message,)
    if as_json:
        found = _json(facts) if facts else {}
        say_json({"file": str(file), "ok": not problems, **found, "problems": list(problems)})
    else:
        if facts:
            _show(facts)
        for problem in problems:
            err.print(styled(("✗", "red"), f" {problem}"))
        if not problems:
            out.print(styled(("✓", "green"), " nothing is wrong with it"))
    if problems:
        raise typer.Exit(1)


def _facts(file: Path) -> WeightsFacts:
    from safelight.stages.archives import is_archive, unpack
    from safelight.stages.weights import inspect as look

    if not is_archive(file):
        return look(file)
    with scratch.folder() as folder:
        return look(unpack(file, folder).weights)


def _json(facts: WeightsFacts) -> dict[str, Any]:
    from safelight.domain.lora import ranks, strengths

    found = asdict(facts)
    del found["modules"], found["beside"]
    for key, layers in (("layers", facts.layers), ("text_encoders", facts.text_encoders)):
        found[key] = [_layer(layer) for layer in layers]
    found["ranks"] = ranks(facts.layers)
    found["strengths"] = strengths(facts.layers)
    return found


def _layer(layer: Layer) -> dict[str, Any]:
    """A layer, its strength with it; JSON has no NaN, and a name in it may be anything."""
    found = {**asdict(layer), "strength": layer.strength, "module": shown(layer.module)}
    numbers = {key: value for key, value in found.items() if isinstance(value, float)}
    return {**found, **{k: v if math.isfinite(v) else None for k, v in numbers.items()}}


def _show(facts: WeightsFacts) -> None:
    from safelight.domain.architectures import FLUX
    from safelight.domain.lora import ranks
    from safelight.domain.lora_notes import span

    model = FLUX if facts.flux else facts.model or "a model that is not known here"
    changed = f"{len(facts.layers):,} layers"
    if not facts.layers:
        changed = f"{sum(facts.others.values()) or len(facts.text_encoders):,} modules"
    types = ", ".join(shown(dtype) for dtype in facts.dtypes[:4])
    out.print(
        styled(
            (f"rank {span(ranks(facts.layers))}" if facts.layers else "no rank", "bold"),
            f" · {changed}, {facts.tensors:,} tensors · {types} · {facts.bytes:,} bytes",
        )
    )
    out.print(styled(f"{model} · {facts.naming} naming{_strength(facts)}"))
    out.print(styled(f"sha256 {facts.sha256}"))
    out.print()
    _draw(facts.layers)
    for note in facts.notes:
        out.print(styled(("· ", "yellow"), shown(note)))
    if facts.notes:
        out.print()


def _strength(facts: WeightsFacts) -> str:
    from safelight.domain.lora import strengths
    from safelight.domain.lora_notes import span

    if not facts.layers:
        return ""
    alphas = [layer.alpha for layer in facts.layers if layer.alpha is not None]
    told = f"alpha {span(alphas)}" if alphas else "no alpha"
    return f" · strength {span(strengths(facts.layers))} ({told})"


def _draw(layers: Sequence[Layer]) -> None:
    """A row a part, a sign a block, within eighty columns and so many lines."""
    lines = _lines(layers)
    for line in islice(lines, MOST_LINES):
        out.print(line)
    if next(lines, None) is not None:
        out.print("  ... and more; --json has every layer")
    if layers:
        out.print()


def _lines(layers: Sequence[Layer]) -> Iterator[Text]:
    from safelight.domain.lora import picture

    heading = None
    for kind, part, signs in picture(layers):
        if part and kind != heading:
            of = shown(kind, most=COLUMN)
            yield styled((f"{of} (a sign a block: RMS of B against the largest)", "bold"))
            heading = kind
        name = shown(part or kind, most=NAME)
        if len(name) > COLUMN:
            yield styled(f"  {name}")
            name = ""
        for start in range(0, len(signs), SIGNS):
            yield styled(f"  {name:<{COLUMN}} {signs[start : start + SIGNS]}")
            name = ""
