"""The command line: help that teaches, errors that say the way out, no traceback to a user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safelight.cli.console import duration, size
from safelight.cli.course import curve, draw
from safelight.cli.folder import read_folder
from safelight.cli.main import app
from safelight.domain.errors import Invalid

runner = CliRunner()
COMMANDS = (
    *("remove", "restore", "recycled", "hold", "holds", "release"),
    *(
        "up",
        "demo",
        "worker",
        "api",
        "emulator",
        "train",
        "generate",
        "activate",
        "retry",
        "cancel",
    ),
    *(
        "status",
        "inspect",
        "dataset",
        "versions",
        "subjects",
        "jobs",
        "events",
        "profiles",
        "course",
        "costs",
        "estimate",
        "parameters",
        "weights",
        "pause",
        "resume",
        "doctor",
        "erase",
        "erase-owner",
        "erasures",
        "verify-erasure",
    ),
)


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The real command, as a person starts it, where nothing runs."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE", "SAFELIGHT"))}
    return subprocess.run(
        (sys.executable, "-m", "safelight.cli", *arguments),
        capture_output=True,
        text=True,
        env={**env, "SAFELIGHT_HOME": str(home), "COLUMNS": "200"},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = runner.invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert len(shown.output) > 300


@pytest.mark.parametrize("verb", ["plan", "start", "show", "pause", "resume", "stop", "list"])
def test_every_verb_of_a_campaign_explains_itself(verb: str) -> None:
    shown = runner.invoke(app, ["campaign", verb, "--help"])
    assert (shown.exit_code, len(shown.output) > 300) == (0, True)


@pytest.mark.parametrize("command", ["plan", "run", "strays"])
def test_every_command_of_cleanup_explains_itself(command: str) -> None:
    shown = runner.invoke(app, ["cleanup", command, "--help"])
    assert shown.exit_code == 0
    assert len(shown.output) > 300


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("up", "--without", "submit", "--without", "drawing"), "There is no queue 'drawing'."),
        (("up", "--only", "workers"), "There is no part 'workers'."),
        (("worker", "drawing"), "There is no worker 'drawing'."),
    ],
)
def test_a_worker_that_is_not_there_is_refused_with_those_that_are(
    arguments: tuple[str, ...], says: str
) -> None:
    refused = runner.invoke(app, arguments).exception
    assert isinstance(refused, Invalid)
    assert refused.message == says
    queues = "preprocess, submit, poll, generate, cleanup"
    assert refused.hint is not None
    assert queues in refused.hint or "--only servers" in refused.hint


def test_where_nothing_runs_a_command_says_how_to_start_it(tmp_path: Path) -> None:
    done = run("status", home=tmp_path)
    assert done.returncode == 1
    assert "error: Nothing is running here." in done.stderr
    assert "safelight up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p / "nowhere", "is not a folder"),
        (lambda p: p, "There are no photos in"),
    ],
)
def test_a_folder_that_is_none_or_empty_is_refused_before_anything_else(
    tmp_path: Path, make: object, says: str
) -> None:
    assert callable(make)
    done = run("train", str(make(tmp_path)), home=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_word_that_is_no_command_is_a_usage_error(tmp_path: Path) -> None:
    assert run("trian", home=tmp_path).returncode == 2


def test_json_is_one_document_and_nothing_else(tmp_path: Path) -> None:
    done = run("profiles", "--json", home=tmp_path)
    found = {profile["id"]: profile for profile in json.loads(done.stdout)}
    assert found["likeness@v2"]["default"]
    assert "likeness-ladder@v1-45" in found


def test_a_profile_is_shown_with_its_sources_and_what_the_trainer_ignores(tmp_path: Path) -> None:
    """Requirements 0.1, A-X."""
    shown = json.loads(
        run("profiles", "show", "selfie-detail@2025-12-14", "--json", home=tmp_path).stdout
    )
    assert shown["sent"]["lora_rank"] == 48
    assert set(shown["recorded as ignored"]) == {"num_repeats", "network_alpha"}


def test_two_profiles_are_compared_number_by_number_with_their_sources(tmp_path: Path) -> None:
    """A-X: likeness@v1 against selfie-reset (S2)."""
    done = run(
        "profiles", "compare", "likeness@v1", "selfie-reset@2025-07-22", "--json", home=tmp_path
    )
    found = {one["name"]: one for one in json.loads(done.stdout)["differences"]}
    assert (found["sent.lora_rank"]["first"], found["sent.lora_rank"]["second"]) == (16, 32)
    assert found["sent.lora_rank"]["sources"] == [
        "16 is the default candidate",
        "the note's rank",
    ]
    assert (found["steps.exposures"]["first"], found["steps"]["second"]) == (40, 1200)
    assert found["recorded as ignored.mixed_precision.value"]["second"] == "fp16"
    assert "sent.optimizer" not in found


def test_a_profile_is_worked_out_for_a_number_of_images(tmp_path: Path) -> None:
    done = run("profiles", "show", "likeness@v2", "--images", "20", "--json", home=tmp_path)
    assert json.loads(done.stdout)["for"] == {"images": 20, "steps": 800, "exposures": 40.0}


def test_the_doctor_fails_where_nothing_is_set_and_says_what(tmp_path: Path) -> None:
    done = run("doctor", home=tmp_path)
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stdout


def test_hidden_and_other_files_are_no_photos_and_odd_names_are(tmp_path: Path) -> None:
    for name in (".hidden.jpg", "notes.txt", "été 📷 1.JPG", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    assert [p.name for p in read_folder(tmp_path).photos] == ["b.png", "été 📷 1.JPG"]


def test_numbers_are_shown_as_people_read_them() -> None:
    assert duration(3725) == "1:02:05"
    assert duration(65) == "1:05"
    assert size(171_970_000) == "172.0 MB"


def test_a_curve_is_of_medians_so_that_one_odd_step_does_not_draw_it() -> None:
    values = [0.5] * 50 + [9.0] + [0.3] * 49
    assert curve(values, 4) == [0.5, 0.5, 0.3, 0.3]
    assert curve([1.0, 2.0], 60) == [1.0, 2.0]
    assert draw([0.5, 0.5, 0.3]) == "██▁"
    assert draw([0.5]) == "▁"


def test_a_statement_of_erasure_is_verified_without_a_running_system(tmp_path: Path) -> None:
    from safelight.domain.erasure import sign

    statement = {"form": "x", "deleted": {"rows": {"photos": 3}}}
    signature, key = sign(b"k" * 32, statement)
    proof = {"statement": statement, "signature": signature, "public_key": key}
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proof))
    done = run("verify-erasure", str(file), "--public-key", key, home=tmp_path)
    assert (done.returncode, key in done.stdout) == (0, True)
    other = sign(b"o" * 32, statement)[1]
    assert "not by" in run("verify-erasure", str(file), "--public-key", other, home=tmp_path).stderr
    statement["deleted"] = {"rows": {"photos": 4}}
    file.write_text(json.dumps(proof))
    changed = run("verify-erasure", str(file), home=tmp_path)
    assert (changed.returncode, "it was changed" in changed.stderr) == (1, True)
