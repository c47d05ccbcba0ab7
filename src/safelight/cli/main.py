"""The commands and how their errors are told."""

from __future__ import annotations

import sys

import typer

from safelight import config
from safelight.cli import (
    auditing,
    campaigns,
    chaos,
    cleaning,
    comparing,
    costs,
    course,
    dataset,
    drawing,
    erasing,
    inspect,
    inspecting,
    judging,
    keeping,
    keys,
    operating,
    parameters,
    profiles,
    running,
    training,
    weights,
)
from safelight.cli.console import err
from safelight.domain.errors import SafelightError

app = typer.Typer(
    name="safelight",
    help="Photos of one subject in, a LoRA that draws that subject out.\n\n"
    "Start with `safelight up` (everything on this machine) and `safelight train FOLDER`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)
for module in (
    auditing,
    comparing,
    running,
    training,
    drawing,
    judging,
    inspect,
    inspecting,
    costs,
    course,
    parameters,
    dataset,
    profiles,
    operating,
    erasing,
    campaigns,
    weights,
    cleaning,
    keeping,
    keys,
    chaos,
):
    module.add_to(app)


def run() -> None:
    """Run a command; an error is one line and the way out, never a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("\nStopped. What was started goes on; look at it with `safelight status`.")
        sys.exit(130)
    except SafelightError as error:
        if config.environment().get("SAFELIGHT_DEBUG"):
            raise
        err.print(f"[red]error:[/] {error.message}", highlight=False, soft_wrap=True)
        if error.hint:
            err.print(f"       {error.hint}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
