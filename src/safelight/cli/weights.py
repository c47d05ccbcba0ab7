"""`safelight weights`: LoRA files, read without any service."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safelight import scratch
from safelight.cli.console import err, out, say_json, styled
from safelight.domain.errors import BadArchive, NotFound

if TYPE_CHECKING:
    from safelight.stages.weights import WeightsFacts

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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what a LoRA file holds, draw how much each layer learnt, and fail where it is broken.

    Any LoRA is read; FLUX.1-dev in PEFT and in kohya's naming is checked against the model's own
    layers. Broken is: cut short, NaN or infinite values, a B that is all zero (nothing was learnt),
    halves or ranks that do not fit each other, and with `--rank`: another rank, or a size that is
    over 2 % off the formula. Exit code 1 then; memory does not grow with the file.
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
            err.print(styled(("✗", "red"), f" {problem}"), soft_wrap=True)
        if not problems:
            out.print(styled(("✓", "green"), " nothing is wrong with it"))
    if problems:
        raise typer.Exit(1)


def _facts(file: Path) -> WeightsFacts:
    import tarfile

    from safelight.stages.weights import inspect as look
    from safelight.stages.weights import unpack

    if not tarfile.is_tarfile(file):
        return look(file)
    with scratch.folder() as folder:
        return look(unpack(file, folder).weights)


def _json(facts: WeightsFacts) -> dict[str, Any]:
    found = asdict(facts)
    del found["modules"]
    for layer in found["layers"]:  # JSON has no NaN
        for name in ("norm_a", "norm_b"):
            layer[name] = layer[name] if math.isfinite(layer[name]) else None
    return found


def _show(facts: WeightsFacts) -> None:
    from safelight.domain.lora import picture

    model = "FLUX.1-dev" if facts.flux else "a model that is not known here"
    out.print(
        styled(
            (f"rank {facts.rank}", "bold"),
            f" · {len(facts.layers)} layers, {facts.tensors} tensors · {', '.join(facts.dtypes)} · "
            f"{facts.bytes:,} bytes · {facts.naming} naming · {model}",
        ),
        soft_wrap=True,
    )
    out.print(f"sha256 {facts.sha256}", soft_wrap=True)
    kind_shown = ""
    for kind, part, signs in picture(facts.layers):
        if kind != kind_shown:
            out.print()
            out.print(styled((kind, "bold"), " (one sign a block: RMS of B against the largest)"))
            kind_shown = kind
        out.print(f"  {part:<28} {signs}", soft_wrap=True)
    out.print()
