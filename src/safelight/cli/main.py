"""The commands and how their errors are told."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer
from typer import rich_utils
from typer.exceptions import TyperException

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
from safelight.cli.console import err, out, say_error, survive_any_encoding
from safelight.domain.errors import SafelightError
from safelight.domain.texts import shown

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

app = typer.Typer(
    name="safelight",
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


def _print_version(asked: bool) -> None:
    if asked:
        out.print(f"safelight {metadata.version('safelight')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Photos of one subject in, a LoRA that draws that subject out.

    Start with `safelight up` (everything on this machine) and `safelight train FOLDER`.
    """


def run() -> None:
    """Run a command; an error is one line and the way out, never a traceback."""
    survive_any_encoding()
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            err.print()
            err.print("Stopped. What was asked for goes on; look at it with `safelight status`.")
        sys.exit(code)
    except TyperException as error:  # a command or an option that there is not
        # What was typed may be a file's name that a shell put there.
        error.message = shown(error.message, lines=True)
        rich_utils.rich_format_error(error)  # type: ignore[arg-type]  # all that it needs
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
    except SafelightError as error:
        if config.environment().get("SAFELIGHT_DEBUG"):
            raise
        say_error(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
