"""Commands about trainings: train, activate, cancel, retry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from safelight import scratch
from safelight.cli.console import Json, err, out, say_json, styled, system
from safelight.cli.folder import PhotoFile, name_of, read_folder
from safelight.cli.naming import by_end, version_id_of, whole_id
from safelight.domain.errors import Conflict, Invalid
from safelight.domain.findings import shown
from safelight.domain.nouns import SubjectKind
from safelight.domain.profiles import DEFAULT
from safelight.domain.states import JobState, TrainingState

if TYPE_CHECKING:
    from safelight.domain.nouns import Training
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context

DEFAULT_KIND = SubjectKind.CHARACTER
"""What a folder is trained as where nobody says: without consent on record it can be nothing else."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Work")(train)
    app.command(rich_help_panel="Work")(activate)
    app.command(rich_help_panel="Work")(retry)
    app.command(rich_help_panel="Work")(cancel)


def upload(
    cx: Context, actor: Actor, subject_id: UUID, photos: Sequence[PhotoFile], *, quiet: bool = False
) -> int:
    """Add the photos, with a bar; how many were new. A photo that cannot be taken is said and left."""
    from rich.progress import track

    from safelight.flow.commands.photos import add_photo

    new = located = 0
    for photo in track(photos, description="Photos", console=err, disable=quiet):
        try:
            stored, made = add_photo(
                cx.db,
                cx.tools.store,
                actor,
                subject_id,
                photo.path,
                name=photo.name,
                caption=photo.caption,
            )
        except OSError as error:  # it may be gone since the folder was read
            if scratch.is_own(error):
                raise
            why = f"{shown(photo.name)} cannot be read ({error.strerror})."
            err.print(styled(("left out:", "yellow"), f" {why}"))
            continue
        except Invalid as error:
            err.print(styled(("left out:", "yellow"), f" {error.message} {error.hint or ''}"))
            continue
        new += made
        located += made and stored.location_removed is not None
    if located:
        err.print(
            f"Where they were taken was taken out of {located} photos before they were stored; "
            "`safelight policy --keep-location` keeps it in those to come.",
        )
    return new


def train(
    folder: Annotated[Path, typer.Argument(help="Folder of photos of one subject.")],
    name: Annotated[str | None, typer.Option(help="Its name (default: the folder's).")] = None,
    kind: Annotated[str, typer.Option(help="person, model or character.")] = DEFAULT_KIND,
    profile: Annotated[str, typer.Option(help="See `safelight profiles`.")] = DEFAULT,
    consent: Annotated[
        str | None, typer.Option(help="For a real person: who consented, how and when.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A trainer input, as key=value; may be repeated."),
    ] = None,
    retrain: Annotated[
        str | None,
        typer.Option(help="Where the set is worse than the last good one: smaller or union."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Watch it to its end.")] = True,
    as_json: Json = False,
) -> None:
    """Train a LoRA on the photos of a folder.

    Run it again for the same folder and no photo is sent twice: an open training is joined, an
    ended one is followed by a new one. A caption may lie beside its photo as a .txt or .caption file;
    what is not read is named before anything is sent.
    """
    from safelight.cli.following import follow_training, training_json
    from safelight.flow.commands.consent import require_for_photos
    from safelight.flow.commands.estimates import estimate_training
    from safelight.flow.commands.subjects import ensure_subject

    found = read_folder(folder)
    found.say_aside()
    overrides = overrides_of(set_ or [])
    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            subject = ensure_subject(
                tx, actor, name=name or name_of(folder.resolve()), kind=kind, consent=consent
            )
            require_for_photos(subject)  # before a photo is sent, and nothing is made
        new = upload(cx, actor, subject.id, found.photos, quiet=as_json)
        training, joined = start_or_join(cx, actor, subject.id, profile, overrides, retrain=retrain)
        if not as_json:
            said = "Joined the open training" if joined else "Training"
            err.print(
                f"{said} {training.number} of {subject.name} (a {subject.kind}): {new} new photos, "
                f"{training.id}"
            )
            with cx.db.transaction() as tx:
                _, takes = estimate_training(
                    tx, training.profile, images=len(found.photos), overrides=training.overrides
                )
            err.print(f"Once it is sent: {takes.words}")
        if follow:
            training = follow_training(cx, actor, training.id, quiet=as_json)
        if as_json:
            say_json(training_json(cx, actor, training.id))
        if follow and training.state != TrainingState.SUCCEEDED:
            raise typer.Exit(1)


def start_or_join(
    cx: Context,
    actor: Actor,
    subject_id: UUID,
    profile: str,
    overrides: dict[str, Any],
    *,
    retrain: str | None = None,
) -> tuple[Training, bool]:
    """A new training, or the one that is open; True: it was open.

    One that is blocked has its photos judged anew: they may be others by now.
    """
    from safelight.db import trainings
    from safelight.flow.commands.trainings import retry_training, start_training

    with cx.db.transaction() as tx:
        there = trainings.open_of(tx, subject_id)
        if there is not None and there.state == TrainingState.BLOCKED:
            there = retry_training(tx, actor, there.id, retrain=retrain)
    if there is not None:
        return there, True
    with cx.db.transaction() as tx:
        return (
            start_training(
                tx, actor, subject_id, profile=profile, overrides=overrides, retrain=retrain
            ),
            False,
        )


def overrides_of(pairs: list[str]) -> dict[str, Any]:
    """Trainer inputs out of ``key=value`` pairs."""
    from safelight.stages import layers

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise Invalid(f"--set takes key=value, not {pair!r}.", hint="Like: --set lora_rank=32")
        found[key] = _value(value)
    layers.check(found)
    return found


def _value(text: str) -> Any:
    """A number or a truth value where the text is one, else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for as_number in (int, float):
        try:
            return as_number(text)
        except ValueError:
            continue
    return text


def activate(version: Annotated[str, typer.Argument(help="The version's id.")]) -> None:
    """Let this version draw for its subject from now on; the one before steps back."""
    from safelight.flow.commands.versions import activate_version

    with system() as (cx, actor):
        version_id = version_id_of(cx, actor, version)
        with cx.db.transaction() as tx:
            changed = activate_version(tx, actor, version_id)
        out.print(f"Version {changed.number} is active.")


def find_target(cx: Context, actor: Actor, text: str) -> tuple[str, UUID]:
    """What an id names: a training, a generation or a job."""
    from safelight.db import generations, trainings

    with cx.db.transaction() as tx:
        id = whole_id(text)
        if id is None:
            return by_end(tx, actor.owner_id, text, "job", "training", "generation")
        if trainings.get(tx, id, actor.owner_id) is not None:
            return "training", id
        if generations.get(tx, id, actor.owner_id) is not None:
            return "generation", id
        return "job", id


def retry(target: Annotated[str, typer.Argument(help="A training's or a job's id.")]) -> None:
    """Take up what stands still: its parked jobs are due again, their attempts counted anew."""
    from safelight.flow.commands.jobs import retry_job
    from safelight.flow.commands.trainings import retry_training

    with system() as (cx, actor):
        what, id = find_target(cx, actor, target)
        with cx.db.transaction() as tx:
            if what == "training":
                retry_training(tx, actor, id)
            elif what == "job":
                retry_job(tx, actor, id)
            else:
                raise Conflict("A generation is retried by its job.", hint="`safelight jobs`")
        out.print(f"The {what} {id} goes on.", soft_wrap=True)


def cancel(
    target: Annotated[str, typer.Argument(help="A training's, a generation's or a job's id.")],
) -> None:
    """Stop a training or a generation, as far as that is still possible."""
    from safelight.flow.commands.images import cancel_generation
    from safelight.flow.commands.jobs import cancel_job
    from safelight.flow.commands.trainings import cancel_training

    with system() as (cx, actor):
        what, id = find_target(cx, actor, target)
        with cx.db.transaction() as tx:
            if what == "training":
                state = cancel_training(tx, actor, id).state
            elif what == "generation":
                state = cancel_generation(tx, actor, id).state
            else:
                state = cancel_job(tx, actor, id).state
        said = "is cancelled" if state == JobState.CANCELED else f"is asked to stop (now: {state})"
        out.print(f"The {what} {id} {said}.", soft_wrap=True)
