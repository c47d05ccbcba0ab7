"""`safelight demo`: from photos to a trained version and previews, on one machine, in one command."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from safelight import config, deps, logging
from safelight.cli.console import emulated, err, out, styled
from safelight.cli.contact_sheet import contact_sheet
from safelight.cli.folder import Folder, name_of, read_folder
from safelight.cli.following import Sight, follow_training, look, summary
from safelight.cli.training import start_or_join, upload
from safelight.domain.errors import SafelightError
from safelight.domain.profiles import DEFAULT
from safelight.domain.states import TrainingState

if TYPE_CHECKING:
    from safelight.domain.nouns import Version
    from safelight.flow.context import Context
    from safelight.local.stack import Stack

SUBJECT = "Demo"


def run(photos: Path | None, *, kind: str, consent: str | None) -> None:
    """Start what is not running, train, draw, show. Raises SafelightError unless all of it worked."""
    from safelight.local import demo
    from safelight.local.stack import plan

    started = time.monotonic()
    folder = photos or demo.photos()
    given = read_folder(folder)
    if photos:
        given.say_aside()
    env = config.given()
    home = config.home(env)
    # The demo looks often, so that there is something to see.
    base = {"SAFELIGHT_WATCH_SECONDS": "1", **env}
    with _running(plan(home, env, base_env=base)) as found:
        err.print(
            f"Everything is up after {time.monotonic() - started:.1f} s: {', '.join(_parts(found))}"
        )
        logging.setup("console", "ERROR")
        cx = deps.open_context(config.load({**base, **found}), "cli", connections=2)
        try:
            name = name_of(photos.resolve()) if photos else SUBJECT
            sight = _train(cx, name, given, kind=kind, consent=consent)
            paths = [photo.path for photo in given.photos]
            seconds = time.monotonic() - started
            _show(cx, sight, home / "demo", paths, name=name, env=found, seconds=seconds)
        finally:
            deps.close_context(cx)


@contextmanager
def _running(stack: Stack) -> Iterator[dict[str, str]]:
    """The stack's environment while the block runs; says when it starts and when it stops."""
    with ExitStack() as opened:
        with err.status(
            "Starting Postgres, Valkey, SeaweedFS, the emulator, five workers, the clock ..."
        ):
            found = opened.enter_context(stack.running())
        try:
            yield found
        finally:
            with err.status("Stopping ..."):
                opened.close()


def _audited(cx: Context, version: Version) -> str:
    """What the audit says of the version: every object it stands on is read and hashed."""
    from safelight.flow.audit import audit_subject
    from safelight.flow.commands import Actor

    audit = audit_subject(cx, Actor(version.owner_id, "demo"), version.subject_id)
    one = next(one for one in audit.versions if one.row["version_id"] == version.id)
    odd = [f"{link.name} {link.state}: {link.says}" for link in one.links if link.state != "ok"]
    return f"Audit: {'; '.join(odd) or f'all {len(one.links)} links verified, photos to approver'}"


def _parts(env: dict[str, str]) -> list[str]:
    provider = "Replicate (EMULATED)" if emulated(env) else "Replicate"
    return ["Postgres", "broker", "object store", provider, "five workers", "clock", "API"]


def _train(cx: Context, name: str, given: Folder, *, kind: str, consent: str | None) -> Sight:
    from safelight.db import owners
    from safelight.flow.commands import Actor
    from safelight.flow.commands.consent import require_for_photos
    from safelight.flow.commands.subjects import ensure_subject

    with cx.db.transaction() as tx:
        actor = Actor(owners.ensure(tx, "local").id, "cli:demo")
        subject = ensure_subject(tx, actor, name=name, kind=kind, consent=consent)
        require_for_photos(subject)
    new = upload(cx, actor, subject.id, given.photos)
    training, joined = start_or_join(cx, actor, subject.id, DEFAULT, {})
    said = "going on with" if joined else "starting"
    err.print(
        f"{subject.name}: {len(given.photos)} photos ({new} new), trigger word {subject.trigger_word}; "
        f"{said} training {training.number}"
    )
    if follow_training(cx, actor, training.id).state != TrainingState.SUCCEEDED:
        raise SafelightError(
            "The training did not succeed.",
            hint="`safelight up` in one terminal and `safelight status` in another show why.",
        )
    return look(cx, actor, training.id)


def _show(
    cx: Context,
    sight: Sight,
    target: Path,
    references: list[Path],
    *,
    name: str,
    env: dict[str, str],
    seconds: float,
) -> None:
    """Check what was made, save the previews and the sheet, and say what there is."""
    version = sight.version
    if version is None or version.stored is None or not sight.images:
        raise SafelightError("The training succeeded and left no version or no previews.")
    target.mkdir(parents=True, exist_ok=True)
    weights = target / "lora.safetensors"
    got = cx.tools.store.get_file(version.stored.key, weights)
    if got.sha256 != version.weights_sha256:
        raise SafelightError(f"The stored weights have sha256 {got.sha256}, not the version's.")
    with safe_open(weights, framework="numpy") as opened:
        tensors = len(list(opened.keys()))
    prompts = {generation.id: generation for generation in sight.previews}
    images: list[tuple[Path, str]] = []
    for image in sorted(sight.images, key=lambda i: prompts[i.generation_id].id):
        made = prompts[image.generation_id]
        path = target / f"{made.purpose}-{len(images) + 1}.{image.format}"
        cx.tools.store.get_file(image.key, path)
        without = "WITHOUT THE LORA: " if made.purpose == "control" else ""
        images.append((path, f"{without}{made.prompt} (seed {made.input['seed']})"))
    sheet = contact_sheet(
        images,
        target / "contact-sheet.png",
        title=f"Version {version.number}, trigger word {version.trigger_word}",
        subtitle=f"{sight.training.profile}, rank {version.rank}, {sight.training.steps} steps, "
        f"trained on {len(references)} photos",
        references=references,
        emulated=emulated(env),
    )
    err.print()
    out.print(summary(sight))
    out.print()
    out.print(f"Weights open with safetensors: {tensors} tensors in {weights}", soft_wrap=True)
    out.print(f"Previews: {sheet}", soft_wrap=True)
    out.print(_audited(cx, version), soft_wrap=True)
    if emulated(env):
        out.print(
            styled(
                ("EMULATED:", "yellow"),
                " Replicate was played by an emulator on this machine. No model was trained and "
                "nothing was paid; weights have real names and shapes and random values, previews are "
                "cut out of the training photos. All else is real.",
            )
        )
    out.print(f"Took {seconds:.0f} s in all.")
    out.print()
    out.print("Try next:")
    for command, why in (
        ("safelight up", "keep everything running (in another terminal)"),
        ("safelight versions", "what there is, and which version draws"),
        (
            f"safelight audit {shlex.quote(name)}",
            "each version back to its photos, and what was changed since",
        ),
        (f'safelight generate {shlex.quote(name)} "waving from a boat"', "draw with it"),
        ("safelight train FOLDER --name NAME", "your own photos"),
        ("safelight jobs", "every queue and what stands still"),
    ):
        out.print(f"  .venv/bin/{command:<46} {why}", soft_wrap=True)
