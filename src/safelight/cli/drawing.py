"""`safelight generate`: images of a subject."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from safelight.cli.console import Json, err, out, say_json, system
from safelight.cli.naming import subject_id_of, version_id_of
from safelight.domain.errors import SafelightError
from safelight.domain.states import TERMINAL_GENERATION, GenerationState, JobState

if TYPE_CHECKING:
    from safelight.domain.nouns import Generation
    from safelight.flow.context import Context


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Work")(generate)


def generate(
    subject: Annotated[str, typer.Argument(help="The subject's name or id.")],
    prompt: Annotated[str, typer.Argument(help="What to draw; the trigger word is put in.")],
    *,
    version: Annotated[str | None, typer.Option(help="Not the active version, but this.")] = None,
    count: Annotated[int | None, typer.Option(help="Images, 1 to 4.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same image.")] = None,
    scale: Annotated[float | None, typer.Option(help="LoRA scale, -1 to 3.")] = None,
    guidance: Annotated[float | None, typer.Option(help="2.0 to 3.5 is advised.")] = None,
    aspect: Annotated[str | None, typer.Option(help="Like 3:4.")] = None,
    preset: Annotated[str | None, typer.Option(help="See `safelight presets`.")] = None,
    extra_lora: Annotated[
        str | None, typer.Option(help="Another adapter beside it; it pulls towards its own look.")
    ] = None,
    unapproved: Annotated[
        bool, typer.Option("--unapproved", help="Draw with a version that nobody approved.")
    ] = False,
    target: Annotated[Path, typer.Option("--out", help="Folder for the images.")] = Path(),
    as_json: Json = False,
) -> None:
    """Draw images with a subject's active version, and save them."""
    from safelight.db import generations
    from safelight.flow.commands.images import request_generation

    with system() as (cx, actor):
        subject_id = subject_id_of(cx, actor, subject)
        version_id = version_id_of(cx, actor, version) if version else None
        with cx.db.transaction() as tx:
            asked = request_generation(
                tx,
                actor,
                subject_id=subject_id,
                version_id=version_id,
                prompt=prompt,
                count=count,
                seed=seed,
                scale=scale,
                guidance=guidance,
                aspect_ratio=aspect,
                preset=preset,
                extra_lora=extra_lora,
                unapproved=unapproved,
            )
        done = wait_for_generation(cx, asked.id, quiet=as_json)
        with cx.db.transaction() as tx:
            images = generations.images(tx, [done.id])
        target.mkdir(parents=True, exist_ok=True)
        saved = []
        for image in images:
            path = target / f"{str(done.id)[-12:]}-{image.number}.{image.format}"
            cx.tools.store.get_file(image.key, path)
            saved.append(str(path))
        if as_json:
            say_json({"generation": done, "files": saved})
            return
        show_changes(done)
        err.print(f"Drawn as: {done.input['prompt']} (seed {done.input['seed']})")
        for path_name in saved:
            out.print(path_name, soft_wrap=True)


def show_changes(generation: Generation) -> None:
    """What was taken out of the prompt and what was added (R-69, R-70)."""
    for change in generation.changes:
        added = change["kind"] == "added"
        sign, color = ("+", "green") if added else ("-", "yellow")
        line = f"{sign} {change['kind']}: {change['text']}"
        err.print(line, style=color)


def wait_for_generation(cx: Context, id: UUID, *, quiet: bool = False) -> Generation:
    """Wait until it has ended. Raises SafelightError unless it succeeded."""
    from safelight.db import generations, jobs

    with err.status("Drawing ...") if not quiet else _silence():
        while True:
            with cx.db.transaction() as tx:
                found = generations.get(tx, id)
                stuck = [job for job in jobs.open_of(tx, id) if job.state == JobState.PARKED]
            assert found is not None
            if found.state == GenerationState.SUCCEEDED:
                return found
            if found.state in TERMINAL_GENERATION:
                raise SafelightError(f"The generation {found.state}: {found.error or ''}")
            if stuck:
                raise SafelightError(
                    f"The generation stands still: {stuck[0].error}",
                    hint=f"Once that is mended: `safelight retry {stuck[0].id}`.",
                )
            time.sleep(0.3)


class _silence:  # noqa: N801 (stands beside rich's status)
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
