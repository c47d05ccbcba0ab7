"""Commands that run something: everything, the API, the emulator, migrations, the demo."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from safelight import config
from safelight.cli.console import environment, err, out, styled
from safelight.domain.errors import Invalid, SafelightError
from safelight.domain.nouns import SubjectKind
from safelight.domain.queues import Queue

Port = Annotated[int, typer.Option(help="Port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Run")(up)
    app.command(rich_help_panel="Run")(demo)
    app.command(rich_help_panel="Run")(worker)
    app.command(rich_help_panel="Run")(api)
    app.command(rich_help_panel="Run")(emulator)
    db = typer.Typer(help="The database's schema.", no_args_is_help=True)
    db.command("migrate")(migrate)
    db.command("check")(check)
    app.add_typer(db, name="db", rich_help_panel="Run")


def up(
    port: Annotated[int | None, typer.Option(help="Port of the API (default 8700).")] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="`servers`: stores, broker and emulator, and nothing of Safelight's own."
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out the worker of this queue, to run it by hand; may be repeated."
        ),
    ] = None,
) -> None:
    """Run everything on this machine: stores, broker, emulator, five workers, clock and API.

    What DATABASE_URL, BROKER_URL, S3_ENDPOINT_URL and REPLICATE_API_TOKEN name is used instead and
    not started. Ctrl-C stops all of it; the data stay in `.safelight`.
    """
    from safelight.local.stack import plan

    if only not in (None, "servers"):
        raise Invalid(f"There is no part {only!r}.", hint="Say `--only servers`.")
    left_out = [_queue(name) for name in without or ()]
    env = config.given()
    home = config.home(env)
    stack = plan(
        home,
        env,
        base_env=env,
        api_port=port,
        time_scale=None,
        only_servers=only is not None,
        without=left_out,
    )
    embedded = stack.embedded

    def ready(found: dict[str, str]) -> None:
        err.print()
        if only is not None:
            _say_by_hand(home, "db migrate", *(f"worker {name}" for name in _WORKERS), "api")
            return
        err.print(styled(("Safelight is up.", "bold green"), f" API: {found['API_URL']}/docs"))
        err.print(f"Data: {home}   Started here: {', '.join(embedded) or 'only our own processes'}")
        if "emulator" in embedded:
            says = "Replicate is EMULATED: nothing is trained, nothing is paid."
            err.print(styled((says, "yellow")))
        err.print("In another terminal: safelight train FOLDER --name NAME --kind character")
        if left_out:
            _say_by_hand(home, *(f"worker {queue}" for queue in dict.fromkeys(left_out)))
        err.print()

    stack.run(on_ready=ready)


_WORKERS = (*Queue, "clock")


def _queue(name: str) -> Queue:
    if name not in list(Queue):
        raise Invalid(f"There is no queue {name!r}.", hint=f"There are: {', '.join(Queue)}.")
    return Queue(name)


def _say_by_hand(home: Path, *commands: str) -> None:
    """The commands that start what was left out, from any folder and with any shell's settings."""
    err.print("Left out; to be started by hand, each in a terminal of its own:")
    for command in commands:
        line = f"SAFELIGHT_HOME={shlex.quote(str(home.absolute()))} {shlex.quote(sys.executable)}"
        err.print(f"  {line} -m safelight.cli {command}", soft_wrap=True)


def worker(
    name: Annotated[str, typer.Argument(help="A queue (see `safelight jobs`), or `clock`.")],
) -> None:
    """Run one worker, or the clock, alone (`safelight up` runs them with everything else).

    It works for the `safelight up` that runs here, or else on what DATABASE_URL, BROKER_URL and so on
    name. To debug one: `safelight up --without QUEUE` in one terminal, this in another.
    """
    from safelight.local.choice import joined
    from safelight.local.programs import argv_of
    from safelight.local.state import read_environment

    if name not in _WORKERS:
        raise Invalid(f"There is no worker {name!r}.", hint=f"There are: {', '.join(_WORKERS)}.")
    env = config.given()
    running = read_environment(config.home(env))
    argv = argv_of(name)
    os.execve(argv[0], argv, env if running is None else joined(env, running))  # noqa: S606


def api(port: Port = 8700, host: Host = "127.0.0.1") -> None:
    """Run the HTTP API alone (`safelight up` runs it with everything else)."""
    from safelight.web.app import serve

    serve(config.load(environment()), host=host, port=port)


def emulator(
    data: Annotated[Path | None, typer.Option(help="Folder its state is kept in.")] = None,
    port: Port = 8710,
    host: Host = "127.0.0.1",
    time_scale: Annotated[float, typer.Option(help="Provider seconds in one of ours.")] = 150.0,
    full: Annotated[bool, typer.Option(help="Train all 494 modules, not four.")] = False,
    public_url: Annotated[
        str | None, typer.Option(help="The URL others reach it by, for links it gives out.")
    ] = None,
) -> None:
    """Run the Replicate emulator alone: point REPLICATE_BASE_URL at it.

    Any token of Replicate's form (r8_...) is an account of its own. What it accepted, and faults on
    demand, are under /_emulator, for those who send the token in its data folder (control-token).
    """
    from safelight.local.emulator.app import serve
    from safelight.local.emulator.server import Settings

    folder = data or config.home() / "emulator"
    layers = "full" if full else "subset"
    serve(Settings(folder, time_scale, layers, public_url, host), port=port)


def migrate() -> None:
    """Bring the database's schema up to date. Safe to run again, and from several places at once."""
    from safelight.db.migrate import migrate as run

    settings = config.load(environment())
    done = run(settings.database_url.get_secret_value(), settings.database_pooler)
    out.print(f"ran {', '.join(done)}" if done else "the schema is up to date")


def check() -> None:
    """Say whether the schema is the one this code was written for (exit 1: it is behind)."""
    from safelight.db.migrate import check as look

    settings = config.load(environment())
    missing = look(settings.database_url.get_secret_value(), settings.database_pooler)
    if missing:
        raise SafelightError(
            f"{len(missing)} migration(s) have not run: {', '.join(missing)}.",
            hint="Run `safelight db migrate`.",
        )
    out.print("the schema is up to date")


def demo(
    photos: Annotated[
        Path | None, typer.Argument(help="Folder of photos (default: our own).")
    ] = None,
    kind: Annotated[str, typer.Option(help="person, model or character.")] = SubjectKind.CHARACTER,
    consent: Annotated[
        str | None, typer.Option(help="For a real person: who consented, how and when.")
    ] = None,
) -> None:
    """Start everything, train on photos, draw previews, and show what came of it."""
    from safelight.cli.demo import run

    run(photos, kind=kind, consent=consent)
