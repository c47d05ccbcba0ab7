"""`safelight profiles`: what trainings are judged by and sent with, without any service."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safelight.cli.console import Json, environment, err, say_json, show_json, styled, table
from safelight.domain.profiles import DEFAULT

if TYPE_CHECKING:
    from safelight.domain.profiles import Profile

app = typer.Typer(name="profiles", invoke_without_command=True)


def add_to(main: typer.Typer) -> None:
    """Register the group."""
    main.add_typer(app, rich_help_panel="Look")


def read_own() -> None:
    """Let the project's own folder count, where `SAFELIGHT_PROFILES` names one."""
    from safelight.domain.profiles import use_folder

    folder = environment().get("SAFELIGHT_PROFILES")
    use_folder(Path(folder).expanduser() if folder else None)


@app.callback()
def group(cx: typer.Context, as_json: Json = False) -> None:
    """List the training profiles, show one, or compare two.

    A profile is a dated file that never changes: what photos are measured against, what is sent to the
    trainer, how images are drawn, and where each number comes from. A new one is a new file; put your
    own into a folder and name it in SAFELIGHT_PROFILES.
    """
    read_own()
    if cx.invoked_subcommand is None:
        list_(as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List every profile, the project's own after those that Safelight brings."""
    from safelight.domain.profiles import load_profiles, own_profiles

    found = load_profiles()
    wrong = own_profiles()[1]
    if as_json:
        say_json(
            [
                {
                    "id": p.id,
                    "title": p.title,
                    "source": p.source,
                    "own": p.own,
                    "default": p.id == DEFAULT,
                    "sha256": p.sha256,
                }
                for p in found.values()
            ]
            + [{"id": id, "problem": problem.message} for id, problem in wrong.items()]
        )
        return
    table(
        "Profiles",
        ("profile", "photos", "rank", "rate", "steps", "resolution", "what it is"),
        (
            (
                p.id + (" (default)" if p.id == DEFAULT else " (own)" if p.own else ""),
                f"{p.gates.ideal_min}-{p.gates.ideal_max}, min {p.gates.block}",
                p.sent.get("lora_rank", 16),
                p.sent.get("learning_rate", ""),
                _steps(p),
                p.sent.get("resolution", ""),
                p.title,
            )
            for p in found.values()
        ),
    )
    for problem in wrong.values():
        err.print(styled(("✗", "red"), f" {problem.message}"), soft_wrap=True)


def _steps(profile: Profile) -> str:
    rule = profile.steps
    if isinstance(rule, int):
        return str(rule)
    return f"{rule.exposures} an image, {rule.minimum}-{rule.maximum}"


@app.command()
def show(
    profile: Annotated[str, typer.Argument(help=f"Like {DEFAULT}.")],
    images: Annotated[int | None, typer.Option(min=1, help="Work it out for so many.")] = None,
    as_json: Json = False,
) -> None:
    """Show a profile in full: what is sent, what is only recorded, where each number is from.

    With `--images`: the steps and exposures it comes to for a set of that size.
    """
    from safelight.domain.plans import training_input
    from safelight.domain.profiles import get_profile

    found = get_profile(profile)
    shown = about(found)
    if images is not None:
        plan = training_input(found, images=images, trigger="TOK")
        shown["for"] = {
            "images": images,
            "steps": plan.steps,
            "exposures": round(plan.exposures, 1),
        }
    if as_json:
        say_json(shown)
    else:
        show_json(shown)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A profile.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    as_json: Json = False,
) -> None:
    """Show what two profiles set differently, with the source of each number."""
    from safelight.domain.profiles import get_profile

    profiles = get_profile(first), get_profile(second)
    different = differences(*profiles)
    if as_json:
        say_json({"first": profiles[0].id, "second": profiles[1].id, "differences": different})
        return
    table(
        f"{profiles[0].id} and {profiles[1].id}",
        ("what", profiles[0].id, profiles[1].id, "sources"),
        (
            (
                one["name"],
                _word(one["first"]),
                _word(one["second"]),
                " | ".join(filter(None, one["sources"])),
            )
            for one in different
        ),
    )


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def about(profile: Profile) -> dict[str, Any]:
    """A profile as JSON."""
    return {
        "id": profile.id,
        "title": profile.title,
        "source": profile.source,
        "own": profile.own,
        "sha256": profile.sha256,
        "trainer": profile.trainer,
        "sent": dict(profile.sent),
        "steps": profile.steps if isinstance(profile.steps, int) else asdict(profile.steps),
        "photos": asdict(profile.gates),
        "generation": asdict(profile.generation),
        "previews": [asdict(p) for p in profile.previews],
        "recorded as ignored": {k: asdict(v) for k, v in profile.ignored.items()},
        "sources": dict(profile.sources),
    }


def differences(first: Profile, second: Profile) -> list[dict[str, Any]]:
    """What the two set differently: name, both values, both sources."""
    flat = [_flat(about(profile)) for profile in (first, second)]
    names = [*flat[0], *(name for name in flat[1] if name not in flat[0])]
    return [
        {
            "name": name,
            "first": flat[0].get(name),
            "second": flat[1].get(name),
            "sources": [p.sources.get(name.rpartition(".")[2], "") for p in (first, second)],
        }
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    ]


_NAMES = ("id", "title", "source", "own", "sha256")


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        if not prefix and name in (*_NAMES, "sources", "previews"):
            continue
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
