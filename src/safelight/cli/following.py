"""A training as it goes on: its stages, what each took, what it waits for."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from safelight.cli.console import dollars, duration, err, size, state, styled
from safelight.domain.errors import NotFound
from safelight.domain.states import TERMINAL_GENERATION, GenerationState, JobState, TrainingState

if TYPE_CHECKING:
    from safelight.domain.nouns import Event, Generation, Image, Job, Training, Version
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context

STAGES = (
    (TrainingState.QUEUED, "Waiting for a worker"),
    (TrainingState.PREPARING, "Photos inspected, dataset built"),
    (TrainingState.READY, "Destination and input prepared"),
    (TrainingState.SUBMITTING, "Sent to the provider"),
    (TrainingState.TRAINING, "Training"),
    (TrainingState.STORING, "Weights fetched, verified, stored"),
)
LOOK_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Sight:
    """All there is to see of one training at one moment."""

    training: Training
    events: list[Event]
    parked: list[Job]
    version: Version | None
    previews: list[Generation]
    images: list[Image]

    @property
    def settled(self) -> bool:
        """Nothing more comes by itself."""
        if self.parked or self.training.state in (TrainingState.FAILED, TrainingState.CANCELED):
            return True
        drawn = all(g.state in TERMINAL_GENERATION for g in self.previews)
        return drawn and self.training.state == TrainingState.SUCCEEDED


def look(cx: Context, actor: Actor, training_id: UUID) -> Sight:
    """Read it all in one transaction."""
    from safelight.db import events, generations, jobs, trainings, versions

    with cx.db.transaction() as tx:
        training = trainings.get(tx, training_id, actor.owner_id)
        if training is None:
            raise NotFound(f"There is no training {training_id}.")
        trainings.look(tx, training_id)
        version = versions.of_training(tx, training_id)
        drawn = generations.find(tx, actor.owner_id, version_id=version.id) if version else []
        previews = sorted(
            (g for g in drawn if g.purpose in ("preview", "control")), key=lambda g: g.id
        )
        targets = [training_id, *(g.id for g in previews)]
        found = [j for t in targets for j in jobs.find(tx, target_id=t, state=JobState.PARKED)]
        return Sight(
            training,
            events.history(tx, training_id),
            found,
            version,
            previews,
            generations.images(tx, [g.id for g in previews]),
        )


def stage_seconds(sight: Sight) -> dict[str, float]:
    """How long it stood in each state, in seconds; the last one until now."""
    spent: dict[str, float] = {}
    for event, after in zip(sight.events, [*sight.events[1:], None], strict=True):
        until = after.at if after else (sight.training.finished_at or datetime.now(UTC))
        spent[event.after] = spent.get(event.after, 0.0) + max(
            0.0, (until - event.at).total_seconds()
        )
    return spent


def picture(sight: Sight) -> Group:
    """The stages as a table: done, running, to come."""
    training, spent = sight.training, stage_seconds(sight)
    grid = Table.grid(padding=(0, 1))
    reached = set(spent)
    for name, says in STAGES:
        now = training.state == name
        if now:
            mark, style = "▸", "bold cyan"
        elif name in reached:
            mark, style = "✓", "green"
        else:
            mark, style = "·", "dim"
        more: Any = ""
        if name == TrainingState.TRAINING and (now or name in reached):
            more = _progress(training)
        grid.add_row(
            styled((mark, style)),
            styled((says, style)),
            duration(spent[name]) if name in reached else "",
            more,
        )
    drawn = sum(g.state == GenerationState.SUCCEEDED for g in sight.previews)
    if sight.previews:
        done = drawn == len(sight.previews)
        grid.add_row(
            styled(("✓" if done else "▸", "green" if done else "bold cyan")),
            styled(("Previews drawn and stored", "green" if done else "bold cyan")),
            "",
            f"{drawn} of {len(sight.previews)}",
        )
    else:
        grid.add_row(styled(("·", "dim")), styled(("Previews drawn and stored", "dim")), "", "")
    return Group(grid, *_notes(sight))


def _progress(training: Training) -> Any:
    step, steps = training.step or 0, training.steps or 0
    line = Table.grid(padding=(0, 1))
    loss = f"loss {training.loss:.3f}" if training.loss is not None else ""
    line.add_row(
        ProgressBar(total=max(steps, 1), completed=step, width=20), f"{step}/{steps}", loss
    )
    return line


def _notes(sight: Sight) -> list[Text]:
    notes = [styled((f"{job.reason}: ", "red"), job.error or "") for job in sight.parked]
    if sight.training.error:
        notes.append(styled((f"{sight.training.state}: ", "red"), sight.training.error))
    return notes


def follow_training(
    cx: Context, actor: Actor, training_id: UUID, *, quiet: bool = False
) -> Training:
    """Watch it until nothing more comes by itself; on a terminal as a live picture, else in lines."""
    sight = look(cx, actor, training_id)
    if quiet or not err.is_terminal:
        said = ""
        while not sight.settled:
            said = _say_line(sight, said, quiet=quiet)
            time.sleep(LOOK_SECONDS)
            sight = look(cx, actor, training_id)
        _say_line(sight, said, quiet=quiet)
        if sight.training.error and not quiet:
            err.print(sight.training.error)
    else:
        with Live(picture(sight), console=err, refresh_per_second=4) as live:
            while not sight.settled:
                time.sleep(LOOK_SECONDS)
                sight = look(cx, actor, training_id)
                live.update(picture(sight))
    if not quiet:
        show_findings(sight)
        say_what_it_waits_for(sight)
    return sight.training


def _say_line(sight: Sight, said: str, *, quiet: bool) -> str:
    training = sight.training
    now = training.state
    if now == TrainingState.TRAINING and training.step:
        now = f"training: step {training.step // 100 * 100}/{training.steps}"
    if now != said and not quiet:
        err.print(now)
    return now


def show_findings(sight: Sight, *, notes: bool = False) -> None:
    """What was found in the photos and the set, the gravest first."""
    report = sight.training.report or {}
    weight = {"block": 0, "warn": 1, "note": 2}
    found = [f for f in report.get("findings", []) if notes or f["level"] != "note"]
    if not found:
        return
    shown = Table(title="Findings", title_justify="left", title_style="bold", show_lines=False)
    for column in ("level", "photo", "what was found, and what to do"):
        shown.add_column(column, overflow="fold")
    for finding in sorted(found, key=lambda f: weight.get(f["level"], 3)):
        color = {"block": "red", "warn": "yellow"}.get(finding["level"], "dim")
        shown.add_row(
            styled((finding["level"], color)),
            styled(finding.get("photo") or "the set"),
            styled(finding["message"]),
        )
    err.print(shown)


def say_what_it_waits_for(sight: Sight) -> None:
    """For a training that stands still: why, and the way on."""
    for job in sight.parked:
        err.print(styled(("It stands still", "red"), f" ({job.reason}): {job.error}"))
        if sight.training.state == TrainingState.BLOCKED:
            first = "Run `safelight train` again with more photos"
        elif sight.training.state == TrainingState.UNKNOWN:
            first = f"Look at the provider, then `safelight resolve {sight.training.id} ...`"
        else:
            first = f"Once that is mended, `safelight retry {job.id}`"
        err.print(f"{first}; or `safelight cancel {sight.training.id}`.")


def summary(sight: Sight) -> Table:
    """The end of a training in one table."""
    training, version = sight.training, sight.version
    spent = stage_seconds(sight)
    shown = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    shown.add_row("training", _which(training.number, training.state, training.id))
    if version is not None:
        shown.add_row("version", _which(version.number, version.state, version.id))
        shown.add_row("weights", f"{size(version.weights_bytes or 0)}, {version.tensors} tensors")
        shown.add_row("sha256", version.weights_sha256)
        shown.add_row("rank", str(version.rank))
        shown.add_row("trigger word", version.trigger_word)
        for mark in version.marks:
            said = f"sent {mark['sent']}, the trainer used {mark['effective']}"
            shown.add_row(styled(("not as ordered", "red")), f"{mark['name']}: {said}")
    shown.add_row("profile", training.profile)
    shown.add_row("steps", f"{training.step or 0} of {training.steps or 0}")
    if training.loss is not None:
        shown.add_row("last loss", f"{training.loss:.4f} (one step's; it says little by itself)")
    drawing = sum(g.cost_micro_usd or 0 for g in sight.previews)
    shown.add_row(
        "cost",
        f"{dollars(training.cost_micro_usd) or 'not known'} training, {dollars(drawing)} previews",
    )
    stages = [f"{name} {duration(spent[name])}" for name, _ in STAGES if name in spent]
    shown.add_row("time", ", ".join(stages))
    return shown


def _which(number: int, its_state: str, id: UUID) -> Text:
    return styled(f"{number} (", state(its_state), f")  {id}")


def training_json(cx: Context, actor: Actor, training_id: UUID) -> dict[str, Any]:
    """The same as one JSON object."""
    sight = look(cx, actor, training_id)
    return {
        "training": sight.training,
        "version": sight.version,
        "previews": [
            {**asdict(g), "images": [asdict(i) for i in sight.images if i.generation_id == g.id]}
            for g in sight.previews
        ],
        "parked": [{"job": j.id, "reason": j.reason, "error": j.error} for j in sight.parked],
        "seconds": {name: round(s, 3) for name, s in stage_seconds(sight).items()},
    }
