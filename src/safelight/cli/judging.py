"""Commands that judge versions: approve, reject, roll back, retrain, tune; and the owner's policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safelight.cli.console import Json, out, say_json, system, table
from safelight.cli.naming import subject_id_of, version_id_of
from safelight.domain.nouns import SubjectKind

if TYPE_CHECKING:
    from safelight.domain.nouns import Version

Which = Annotated[str, typer.Argument(help="The version's id, or the end of it.")]
Reason = Annotated[str, typer.Option(help="What was seen; kept with the version.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("import", rich_help_panel="Work")(import_)
    for command in (approve, reject, rollback, retrain, tune, policy):
        app.command(rich_help_panel="Judge")(command)
    app.command(rich_help_panel="Look")(presets)


def approve(
    version: Which,
    reason: Reason = "looked at its previews",
    activate: Annotated[bool, typer.Option(help="Let it draw from now on.")] = True,
    as_json: Json = False,
) -> None:
    """Approve a version: it may draw for users, and does from now on. Nothing is archived by this."""
    from safelight.flow.commands.versions import approve_version

    with system() as (cx, actor):
        id = version_id_of(cx, actor, version)
        with cx.db.transaction() as tx:
            changed = approve_version(tx, actor, id, reason=reason, activate=activate)
        _say(changed, "is approved" + (" and draws from now on" if activate else ""), as_json)


def reject(version: Which, reason: Reason, as_json: Json = False) -> None:
    """Reject a version: it may not draw for users. It stays, and can be approved later."""
    from safelight.flow.commands.versions import reject_version

    with system() as (cx, actor):
        id = version_id_of(cx, actor, version)
        with cx.db.transaction() as tx:
            changed = reject_version(tx, actor, id, reason=reason)
        _say(changed, "is rejected", as_json)


def rollback(
    subject: Annotated[str, typer.Argument(help="The subject's name or id.")],
    reason: Reason = "rolled back",
    as_json: Json = False,
) -> None:
    """Go back to the version that drew before, and reject the one that draws now.

    What is asked for from now on is drawn by the old one. Run it again to go one further back.
    """
    from safelight.flow.commands.versions import roll_back

    with system() as (cx, actor):
        id = subject_id_of(cx, actor, subject)
        with cx.db.transaction() as tx:
            now, left = roll_back(tx, actor, id, reason=reason)
        if as_json:
            say_json({"active": now, "rejected": left})
            return
        out.print(f"Version {now.number} draws again; version {left.number} is rejected.")


def retrain(
    version: Which,
    reason: Reason,
    profile: Annotated[str | None, typer.Option(help="Another profile than it had.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A trainer input, as key=value; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Reject a version and train anew, as it was trained but for what you say here."""
    from safelight.cli.training import overrides_of
    from safelight.flow.commands import versions

    overrides: dict[str, Any] = overrides_of(set_ or [])
    with system() as (cx, actor):
        id = version_id_of(cx, actor, version)
        with cx.db.transaction() as tx:
            started = versions.retrain(
                tx, actor, id, reason=reason, profile=profile, overrides=overrides
            )
        if as_json:
            say_json(started)
            return
        out.print(
            f"Training {started.number} is queued: `safelight status {started.id} --follow`",
            soft_wrap=True,
        )


def tune(
    version: Which,
    scale: Annotated[float | None, typer.Option(help="LoRA scale it draws with.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="2.0 to 3.5 is advised; more looks plastic.")
    ] = None,
    reason: Reason = "tuned",
    as_json: Json = False,
) -> None:
    """Set the scale and the guidance that this version draws with from now on."""
    from safelight.flow.commands.versions import tune_version

    with system() as (cx, actor):
        id = version_id_of(cx, actor, version)
        with cx.db.transaction() as tx:
            changed = tune_version(tx, actor, id, scale=scale, guidance=guidance, reason=reason)
        own = "its profile's" if changed.guidance is None else f"{changed.guidance:g}"
        _say(changed, f"draws at scale {changed.lora_scale:g}, guidance {own}", as_json)


def policy(
    approval: Annotated[
        str | None,
        typer.Option(help="first-version: a subject's first draws at once; person: none does."),
    ] = None,
    draw_unapproved: Annotated[
        bool | None, typer.Option(help="Whether versions nobody approved may draw for users.")
    ] = None,
    keep_location: Annotated[
        bool | None, typer.Option(help="Whether photos are stored with where they were taken.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show, or change, how your versions come to draw and photos are stored.

    Where a photo was taken (GPS and the like) is taken out of it before it is stored, unless you keep it.
    """
    from safelight.flow.commands.versions import get_policy, set_policy

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            if approval is None and draw_unapproved is None and keep_location is None:
                owner = get_policy(tx, actor)
            else:
                owner = set_policy(
                    tx,
                    actor,
                    approval=approval,
                    draw_unapproved=draw_unapproved,
                    keep_location=keep_location,
                )
        if as_json:
            say_json(owner)
            return
        out.print(f"approval: {owner.approval}")
        out.print(f"unapproved versions draw for users: {'yes' if owner.draw_unapproved else 'no'}")
        out.print(f"photos keep where they were taken: {'yes' if owner.keep_location else 'no'}")


def import_(
    subject: Annotated[str, typer.Argument(help="The subject's name; made if it is not there.")],
    *,
    model: Annotated[
        str | None, typer.Option(help="At Replicate: owner/name:version (or its newest).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A LoRA file (.safetensors), or a trainer's .tar.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="What it was trained with, if nothing else tells.")
    ] = None,
    scale: Annotated[float, typer.Option(help="LoRA scale it draws with.")] = 1.0,
    kind: Annotated[str, typer.Option(help="person, model or character.")] = SubjectKind.CHARACTER,
    consent: Annotated[
        str | None, typer.Option(help="For a real person: who consented, how and when.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in a version trained elsewhere: a model at Replicate, a LoRA file, or both as one.

    What the provider's training and the file tell is kept; the rest is marked 'cannot verify'. It
    comes in as a candidate: look, then `safelight approve`. A file alone cannot draw, but is checked,
    kept and audited. The same again changes nothing.
    """
    from safelight.flow.commands.importing import import_version
    from safelight.flow.commands.subjects import ensure_subject

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            there = ensure_subject(tx, actor, name=subject, kind=kind, consent=consent)
        version, made = import_version(
            cx, actor, there.id, model=model, file=weights, trigger=trigger, scale=scale
        )
        if as_json:
            say_json(version)
            return
        said = "is imported" if made else "was imported before"
        out.print(f"Version {version.number} of {there.name} {said}: {version.id}", soft_wrap=True)
        known = version.known or {}
        for name, why in (known.get("cannot_verify") or {}).items():
            out.print(f"  cannot verify {name}: {why}", style="yellow")
        if version.provider_version and not version.approved:
            out.print(f"Try it, then approve it: `safelight approve {version.id}`", soft_wrap=True)


def presets(as_json: Json = False) -> None:
    """List the generation presets: what each sends, takes out of a prompt and adds to it."""
    from safelight.domain.presets import load_presets

    found = load_presets().values()
    if as_json:
        say_json(
            [
                {
                    "id": p.id,
                    "title": p.title,
                    "source": p.source,
                    "draw": dict(p.draw),
                    "banned": p.banned,
                    "add": p.add,
                    "extra_lora": p.extra_lora,
                }
                for p in found
            ]
        )
        return
    table(
        "Presets",
        ("preset", "guidance", "steps", "adds", "what it is"),
        (
            (
                p.id,
                p.draw.get("guidance_scale"),
                p.draw.get("num_inference_steps"),
                ", ".join(p.add),
                p.title,
            )
            for p in found
        ),
    )


def _say(version: Version, what: str, as_json: bool) -> None:
    if as_json:
        say_json(version)
        return
    out.print(f"Version {version.number} {what}.")
