"""Commands that erase for good, and show and verify what proves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from safelight.cli.console import (
    Json,
    ago,
    out,
    say_json,
    short,
    show_json,
    state,
    styled,
    system,
    table,
)
from safelight.cli.naming import id_of
from safelight.domain.errors import Invalid
from safelight.domain.states import JobState


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (erase, erase_owner, erasures, verify_erasure):
        app.command(rich_help_panel="Operate")(command)


def erase(
    subject: Annotated[str, typer.Argument(help="The subject's name or id.")],
    confirm: Annotated[str, typer.Option(help="The subject's name, typed once more.")] = "",
    reason: Annotated[
        str, typer.Option(help="Stays in the statement: name nobody in it.")
    ] = "asked for",
    consent_withdrawn: Annotated[
        bool, typer.Option("--consent-withdrawn", help="The reason is: consent was withdrawn.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Erase a subject for good: photos, datasets, weights, images, rows, and the provider's copies.

    It is gone for every command at once. Its jobs are stopped, a training in flight is cancelled
    (what it has run is paid), and afterwards store, provider and every table are searched for it. A
    signed statement of all that stays: `safelight erasures`. There is no way back.
    """
    from safelight.cli.naming import subject_id_of
    from safelight.flow.commands.erasing import CONSENT_WITHDRAWN, erase_subject
    from safelight.flow.commands.subjects import get_subject

    with system() as (cx, actor):
        id = subject_id_of(cx, actor, subject)
        with cx.db.transaction() as tx:
            name = get_subject(tx, actor, id).name
            if confirm != name:
                raise Invalid(
                    f"This erases {name!r} for good; {confirm!r} was typed to confirm.",
                    hint=f"Say it once more: --confirm {name!r}.",
                )
            why = CONSENT_WITHDRAWN if consent_withdrawn else reason
            asked = erase_subject(tx, actor, id, reason=why)
        if as_json:
            say_json(asked)
            return
        out.print(f"{name} is being erased: `safelight erasures {short(asked.id)}`.")


def erase_owner(
    confirm: Annotated[str, typer.Option(help="The owner's name, typed.")] = "",
    reason: Annotated[
        str, typer.Option(help="Stays in the statement: name nobody in it.")
    ] = "asked for",
    as_json: Json = False,
) -> None:
    """Erase the owner (SAFELIGHT_OWNER) for good, with every subject, key, campaign and event of theirs.

    Each subject gets an erasure of its own, with a statement; the owner's statement names them.
    """
    from safelight.flow.commands.erasing import erase_owner as ask

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            asked = ask(tx, actor, confirm=confirm, reason=reason)
        if as_json:
            say_json(asked)
            return
        out.print(f"The owner is being erased: `safelight erasures {short(asked.id)}`.")


def erasures(
    erasure: Annotated[str | None, typer.Argument(help="An erasure's id.")] = None,
    as_json: Json = False,
) -> None:
    """Show erasures, of every owner, or one with its signed statement.

    `safelight erasures ID --json > proof.json` is what whoever asked for it is given;
    `safelight verify-erasure proof.json` checks it anywhere.
    """
    from safelight.db import erasures as rows
    from safelight.db import jobs

    with system() as (cx, _actor), cx.db.transaction() as tx:
        if erasure is not None:
            id = id_of(tx, None, erasure, "erasure")
            one = rows.get(tx, id)
            parked = [j.error for j in jobs.find(tx, target_id=id, state=JobState.PARKED)]
        else:
            found = rows.find(tx, None)
            if as_json:
                say_json([_shown(e) for e in found])
                return
            table(
                "Erasures",
                ("id", "of", "state", "reason", "asked", "done", "looked again"),
                (
                    (
                        short(e.id),
                        f"subject {short(e.subject_id)}" if e.subject_id else "the owner",
                        state(e.state),
                        e.reason,
                        ago(e.asked_at),
                        ago(e.finished_at),
                        ago(e.looked_again_at),
                    )
                    for e in found
                ),
            )
            return
    if one is None or as_json:
        say_json(_shown(one) if one else None)
        return
    out.print(styled(f"{one.id}: ", state(one.state)))
    for error in parked:
        out.print(f"It stands still: {error}")
    if one.statement is not None:
        show_json(one.statement)


def _shown(erasure: object) -> dict[str, object]:
    """Without the plan, which names what is to go."""
    from dataclasses import asdict

    return {k: v for k, v in asdict(erasure).items() if k != "plan"}  # type: ignore[call-overload]


def verify_erasure(
    file: Annotated[Path, typer.Argument(help="What `safelight erasures ID --json` printed.")],
    public_key: Annotated[
        str | None, typer.Option(help="The key you know to be the keeper's (base64).")
    ] = None,
) -> None:
    """Check the signature on a statement of erasure; needs no running system.

    The file bears the key it was signed with: compare it with the one you were given by another way
    (`--public-key`), else anyone could have signed it.
    """
    from safelight.domain.erasure import is_signed

    try:
        proof = json.loads(file.read_text("utf-8"))
        signed = is_signed(proof["statement"], proof["signature"], proof["public_key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Invalid(f"{file}: this is no statement of an erasure ({error}).") from error
    if not signed:
        raise Invalid(f"{file}: the signature is not of this statement: it was changed.")
    if public_key is not None and public_key != proof["public_key"]:
        raise Invalid(f"{file}: it is signed by {proof['public_key']}, not by {public_key}.")
    out.print(f"Signed by {proof['public_key']}.")
