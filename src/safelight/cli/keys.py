"""`safelight keys`: the API keys of the owner."""

from __future__ import annotations

from typing import Annotated

import typer

from safelight.cli.console import Json, ago, err, out, say_json, system, table
from safelight.domain.errors import Invalid, NotFound


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    keys = typer.Typer(help="API keys of the owner.", no_args_is_help=True)
    keys.command("create")(create_key)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys", rich_help_panel="Operate")


def create_key(
    label: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    may: Annotated[
        str,
        typer.Option(
            help="What it may do, with commas between: read (look), write (change, spend), erase (delete "
            "a subject or the owner for good)."
        ),
    ] = "read,write,erase",
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="It opens nothing after so many days.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown once; only its hash is kept.

    An app that only shows things needs `--may read`; one that trains needs `--may read,write`.
    """
    from safelight.db import owners

    scopes = {word.strip() for word in may.split(",") if word.strip()}
    if not scopes or not scopes <= set(owners.SCOPES):
        raise Invalid(
            f"A key may {', '.join(owners.SCOPES)}; {may!r} was given.",
            hint="Like: --may read,write",
        )
    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            row, key = owners.add_key(
                tx, actor.owner_id, label, actor=actor.name, scopes=scopes, days=days
            )
        if as_json:
            say_json({**row, "key": key})
            return
        err.print("This key is shown once. Keep it where your app keeps its secrets.")
        out.print(key, soft_wrap=True)


def list_keys(as_json: Json = False) -> None:
    """List the owner's API keys: what each may do, when it was last used, when it ends."""
    from safelight.db import owners

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = owners.keys(tx, actor.owner_id)
        if as_json:
            say_json(found)
            return
        table(
            "API keys",
            ("id", "label", "may", "used", "ends", "revoked"),
            (
                (
                    str(k["id"]),
                    k["label"],
                    ",".join(k["scopes"]),
                    ago(k["last_used_at"]) or "never",
                    f"{k['expires_at']:%Y-%m-%d}" if k["expires_at"] else "",
                    ago(k["revoked_at"]),
                )
                for k in found
            ),
        )


def revoke_key(key_id: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """Close an API key: from now on it opens nothing."""
    from safelight.cli.naming import id_of
    from safelight.db import owners

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            id = id_of(tx, actor.owner_id, key_id, "key")
            if not owners.revoke_key(tx, id, actor.owner_id, actor=actor.name):
                raise NotFound(f"There is no open key {key_id}.")
        out.print("The key is revoked.")
