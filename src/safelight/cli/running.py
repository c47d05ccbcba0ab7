"""Commands that run something: everything, the API, the emulator, migrations, the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safelight import config
from safelight.cli.console import environment, err, out, styled
from safelight.domain.errors import SafelightError
from safelight.domain.nouns import SubjectKind

Port = Annotated[int, typer.Option(help="Port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Run")(up)
    app.command(rich_help_panel="Run")(demo)
    app.command(rich_help_panel="Run")(api)
    app.command(rich_help_panel="Run")(emulator)
    db = typer.Typer(help="The database's schema.", no_args_is_help=True)
    db.command("migrate")(migrate)
    db.command("check")(check)
    app.add_typer(db, name="db", rich_help_panel="Run")


def up(
    port: Annotated[int | None, typer.Option(help="Port of the API (default 8700).")] = None,
) -> None:
    """Run everything on this machine: stores, broker, emulator, five workers, clock and API.

    What DATABASE_URL, BROKER_URL, S3_ENDPOINT_URL and REPLICATE_API_TOKEN name is used instead and
    not started. Ctrl-C stops all of it; the data stay in `.safelight`.
    """
    from safelight.local.stack import plan

    env = config.given()
    home = config.home(env)
    stack = plan(home, env, base_env=env, api_port=port, time_scale=None)
    embedded = stack.embedded

    def ready(found: dict[str, str]) -> None:
        err.print()
        err.print(styled(("Safelight is up.", "bold green"), f" API: {found['API_URL']}/docs"))
        err.print(f"Data: {home}   Started here: {', '.join(embedded) or 'only our own processes'}")
        if "emulator" in embedded:
            says = "Replicate is EMULATED: nothing is trained, nothing is paid."
            err.print(styled((says, "yellow")))
        err.print("In another terminal: safelight train FOLDER --name NAME --kind character")
        err.print()

    stack.run(on_ready=ready)


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
