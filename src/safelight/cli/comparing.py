"""`safelight diff` and `safelight diagnose`: two runs side by side, and what a symptom may come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from safelight.cli.console import Json, dollars, out, say_json, system, table
from safelight.cli.naming import id_of, subject_id_of, version_id_of

if TYPE_CHECKING:
    from safelight.flow.diagnosis import Examined

Run = Annotated[str, typer.Argument(help="A version's or a training's id, or the end of it.")]
SURE = {"measured": "red", "likely": "yellow", "folklore": "dim"}
ANSWERED = {"yes": "green", "no": "red", "cannot verify": "yellow"}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Look")(diff)
    app.command(rich_help_panel="Look")(diagnose)


def diff(a: Run, b: Run, as_json: Json = False) -> None:
    """Compare two runs: their photos, parameters (asked, sent, effective), courses and weights."""
    from safelight.flow.diagnosis import compare_runs

    with system() as (cx, actor), cx.db.transaction() as tx:
        ids = [id_of(tx, actor.owner_id, end, "version", "training") for end in (a, b)]
        found = compare_runs(tx, actor, *ids)
    if as_json:
        say_json(found)
        return
    _show_diff(found)


def _show_diff(found: dict[str, Any]) -> None:
    for side in ("a", "b"):
        one = found[side]
        version = f"version {one['version']}" if one["version"] else "no version"
        says = f"{side.upper()}: {one['subject']}, training {one['training']} ({one['state']}), {version}"
        out.print(says, soft_wrap=True)
    sets = found["set"]
    table(
        "Set",
        ("", "A", "B"),
        (
            ("photos", *sets["photos"]),
            ("in common", sets["in_common"], sets["in_common"]),
            ("only here", ", ".join(sets["only_a"]), ", ".join(sets["only_b"])),
            ("exposures an image", *sets["exposures"]),
            ("captions that differ", len(sets["captions"]), len(sets["captions"])),
        ),
    )
    table(
        "Parameters that differ",
        ("column", "input", "A", "B"),
        ((p["column"], p["name"], p["a"], p["b"]) for p in found["parameters"]),
    )
    course = {name: values for name, values in found["course"].items() if name != "note"}
    table("Course", ("", "A", "B"), ((name, *values) for name, values in course.items()))
    out.print(found["course"]["note"], style="dim")
    weights = {name: values for name, values in found["weights"].items() if name != "same_file"}
    table("Weights", ("", "A", "B"), ((name, *values) for name, values in weights.items()))
    if found["weights"]["same_file"]:
        out.print("Both are the same file, byte for byte.")


def diagnose(
    subject: Annotated[str, typer.Argument(help="The subject's name or id.")],
    *,
    symptom: Annotated[
        str | None,
        typer.Option(
            help="plastic, wrong-person, identity-drift, age-drift, proportions, artefacts or disappears."
        ),
    ] = None,
    version: Annotated[str | None, typer.Option(help="Not the active version, but this.")] = None,
    as_json: Json = False,
) -> None:
    """Rank what a symptom may come from, with the evidence in this subject's own records.

    No cause is named without evidence. How sure it is: measured (it explains the symptom by itself),
    likely, or folklore. Then the checklist before a retrain, answered from the data; without
    --symptom that alone. A training's loss is never evidence.
    """
    from safelight.flow.diagnosis import examine

    with system() as (cx, actor):
        id = subject_id_of(cx, actor, subject)
        version_id = version_id_of(cx, actor, version) if version else None
        with cx.db.transaction() as tx:
            found = examine(tx, actor, id, symptom=symptom, version_id=version_id)
    if as_json:
        say_json(found.to_dict())
        return
    _show(found)


def _show(found: Examined) -> None:
    head = f"{found.subject.name}, version {found.version}"
    if found.diagnosis is not None:
        out.print(f"{head}: {found.diagnosis.symptom}", style="bold")
        if not found.diagnosis.causes:
            out.print("No cause that there is evidence for.")
        for place, cause in enumerate(found.diagnosis.causes, start=1):
            out.print(f"{place}. ", end="")
            out.print(cause.confidence.value, style=SURE[cause.confidence], end="  ")
            out.print(
                f"{cause.name}: {cause.says} ({cause.source})",
                soft_wrap=True,
            )
            for line in cause.evidence:
                out.print(f"   evidence: {line}", soft_wrap=True)
            free = cause.cost_micro_usd == 0
            price = "free" if free else dollars(cause.cost_micro_usd) or "cost not known"
            out.print(f"   remedy: {cause.remedy} ({cause.effort}, {price})", soft_wrap=True)
        for line in found.diagnosis.checks:
            out.print(f"first: {line}", soft_wrap=True)
        for line in found.diagnosis.unknown:
            out.print(
                f"cannot verify: {line}",
                style="yellow",
                soft_wrap=True,
            )
    out.print("Before a retrain", style="bold")
    for answer in found.checklist:
        out.print(f"{answer.step}. ", end="")
        out.print(f"{answer.answer:<13}", style=ANSWERED[answer.answer], end=" ")
        out.print(f"{answer.asks} {answer.says}", soft_wrap=True)
