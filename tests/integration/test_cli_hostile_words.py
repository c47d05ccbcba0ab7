"""Every command over rows in which every word of other people's speaks to the terminal, or tries to."""

from __future__ import annotations

import io
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from safelight import deps
from safelight.cli import console
from safelight.cli.main import app
from safelight.cli.main import run as safelight
from safelight.db import owners
from safelight.domain.campaigns import Selection
from safelight.domain.texts import speaks_to_terminals
from safelight.flow.commands import Actor
from safelight.flow.commands.campaigns import plan_campaign
from safelight.flow.commands.erasing import erase_subject
from safelight.flow.commands.recycling import place_hold, remove
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from safelight.settings import Settings
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, row, subject_with_photos, train
from tests.support.servers import Stores
from tests.support.versions import trained

WORDS = (
    "\x1b]0;PWNED\x07\x9b2J[red]M[/nope]\u202e[link=http://e.example]L\rN\nJ: fake :pile_of_poo:"
)
"""A title, a clear, markup that opens, closes what was never open and links, a line turned round, a line
of its own, a code of an emoji."""
SEEN = ("[red]M[/nope]", "[red]M[_nope]")
"""What is shown of them wherever they are shown: the markup as it was written (no file has a slash)."""

# A subject, a training, a version, a generation and the rest with such words wherever a producer's user,
# the provider or an operator's colleague writes them.
SPOIL = """
WITH s AS (UPDATE subjects SET consent_note = %(w)s, consented_at = now()),
     p AS (UPDATE photos SET name = %(w)s || left(id::text, 8), caption = %(w)s, findings = %(findings)s),
     d AS (UPDATE dataset_photos SET caption = %(w)s),
     t AS (UPDATE trainings SET error = CASE WHEN state = 'failed' THEN %(w)s END, log_tail = %(w)s,
                  overrides = %(pair)s, effective = %(pair)s, cancel_reason = %(w)s,
                  asked = jsonb_set(asked, '{parameters}', asked->'parameters' || %(pair)s::jsonb),
                  report = jsonb_build_object('findings', %(findings)s::jsonb)
           WHERE state IN ('succeeded', 'failed')),
     v AS (UPDATE versions SET approved_why = %(w)s, approved_by = %(w)s, marks = %(marks)s),
     g AS (UPDATE generations SET prompt = %(w)s),
     j AS (UPDATE jobs SET state = 'parked', reason = %(w)s, error = %(w)s WHERE target_id = %(parked)s),
     q AS (UPDATE queue_controls SET paused = true, reason = %(w)s, changed_by = %(w)s
           WHERE queue = 'generate'),
     e AS (UPDATE events SET actor = %(w)s, detail = %(pair)s),
     k AS (INSERT INTO walks (id, place) VALUES (gen_random_uuid(), 'store') RETURNING id),
     w AS (INSERT INTO strays (place, name, what, noun, detail, walk_id)
           SELECT 'store', %(w)s, 'unknown', %(w)s, %(w)s, id FROM k)
SELECT 1 AS done
"""


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def env(
    cx: Context, stores: Stores, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a command finds the system; the connections are opened once and not by each command."""
    monkeypatch.setattr(deps, "open_context", lambda *_a, **_k: cx)
    monkeypatch.setattr(deps, "close_context", lambda _cx: None)
    for one in (console.out, console.err):
        monkeypatch.setattr(one, "_width", 400)  # whoever imported it first had another
    for name, value in {
        **stores.environment,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REPLICATE_API_TOKEN": "r8_none",
        "REPLICATE_BASE_URL": "http://127.0.0.1:9",
        "SAFELIGHT_HOME": str(tmp_path / "home"),
        "SAFELIGHT_OWNER": "acme",
        "SAFELIGHT_PROFILES": str(tmp_path / "profiles"),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def who(cx: Context) -> Actor:
    with cx.db.transaction() as tx:
        return Actor(owners.ensure(tx, "acme").id, "test")


@pytest.fixture
def world(
    cx: Context, who: Actor, provider: ScriptedProvider, tmp_path: Path, env: None
) -> dict[str, str]:
    """Ids and names of one of each noun, every foreign word of which is hostile."""
    photos = distinct_photos(tmp_path, 8)
    subject = subject_with_photos(cx, who, photos, name=WORDS)
    version = trained(cx, who, provider, subject.id, tmp_path)
    waiting = train(cx, who, subject.id)
    with cx.db.transaction() as tx:
        other = create_subject(tx, who, name=f"other {WORDS}", kind="character")
        going = create_subject(tx, who, name=f"going {WORDS}", kind="character")
        hold = place_hold(tx, who, subject.id, WORDS)
        campaign = plan_campaign(
            tx, who, name=WORDS, kind="reinspect", selection=Selection(), subject_ids=[subject.id]
        ).campaign
        key, _ = owners.add_key(tx, who.owner_id, WORDS, actor=WORDS)
        erasure = erase_subject(tx, who, going.id, reason=WORDS)
        photo = tx.rows(
            "SELECT id FROM photos WHERE subject_id = %(s)s ORDER BY id", {"s": subject.id}
        )
        remove(tx, who, "photo", photo[0]["id"])
    found = {"kind": "k", "level": "warn", "message": WORDS, "photo": WORDS, "trust": "measured"}
    row(
        cx,
        SPOIL,
        w=WORDS,
        pair=json.dumps({WORDS: WORDS}),
        findings=json.dumps([found]),
        marks=json.dumps([{"name": WORDS, "sent": WORDS, "effective": WORDS}]),
        parked=waiting.id,
    )
    job = row(cx, "SELECT id FROM jobs WHERE target_id = %(t)s", t=waiting.id)
    return {
        "subject": WORDS,
        "other": other.name,
        "version": str(version.id),
        "training": str(version.training_id),
        "waiting": str(waiting.id),
        "job": str(job["id"]),
        "photo": str(photo[1]["id"]),
        "removed": str(photo[0]["id"]),
        "hold": str(hold.id),
        "campaign": str(campaign.id),
        "key": str(key["id"]),
        "erasure": str(erasure.id),
        **files(tmp_path),
    }


def files(tmp_path: Path) -> dict[str, str]:
    """Files whose names, and whose contents, are hostile."""
    folder = tmp_path / f"set {WORDS.replace('/', '_')}"
    folder.mkdir()
    for number, path in enumerate(distinct_photos(tmp_path, 2, first=40)):
        name = f"{number}{WORDS.replace('/', '_')}"
        path.rename(folder / f"{name}.jpg")
        (folder / f"{name}.txt").write_text(f"[trigger] {WORDS}")
    (folder / f"left {WORDS.replace('/', '_')}.json").write_text("{}")
    shape = {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}
    names = {f"{WORDS}.lora_A.weight": shape, f"{WORDS}x": {**shape, "data_offsets": [2, 4]}}
    head = json.dumps(names).encode()
    weights = tmp_path / "hostile.safetensors"
    weights.write_bytes(struct.pack("<Q", len(head)) + head + b"\x00\x3c" * 2)
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "own@v1.toml").write_text(f"title = {json.dumps(WORDS)}\n")
    proof = tmp_path / f"{WORDS.replace('/', '_')}.json"
    proof.write_text(json.dumps({"statement": {}, "signature": WORDS, "public_key": WORDS}))
    return {"folder": str(folder), "weights": str(weights), "proof": str(proof)}


COMMANDS = [
    "subjects",
    "versions",
    "versions {subject}",
    "status",
    "status {subject}",
    "status {waiting}",
    "status {training}",
    "status {subject}x",
    "jobs",
    "events {training}",
    "course {training}",
    "parameters {training}",
    "diff {version} {version}",
    "diagnose {subject} --symptom plastic",
    "diagnose {subject} --symptom {subject}",
    "audit {subject} --no-read",
    "audit {other}",
    "dataset inspect {subject}",
    "dataset reinspect {other}",
    "inspect {folder}",
    "costs",
    "estimate {subject} --images 12",
    "limits --daily-cap 5",
    "policy",
    "presets",
    "profiles",
    "profiles list",
    "profiles show {subject}",
    "profiles compare likeness@v2 {subject}",
    "weights inspect {weights}",
    "holds",
    "hold {other} --reason {subject}",
    "release {hold}",
    "recycled",
    "remove photo {photo}",
    "restore photo {removed}",
    "restore {subject} {removed}",
    "campaign list",
    "campaign show {campaign}",
    "campaign plan reinspect --name {subject} --subject {subject}",
    "campaign start {campaign}",
    "campaign pause {campaign}",
    "campaign resume {campaign}",
    "campaign stop {campaign}",
    "cleanup plan",
    "cleanup strays",
    "cleanup run",
    "keys create {subject}",
    "keys list",
    "keys revoke {key}",
    "pause preprocess --reason {subject}",
    "resume {subject}",
    "resume generate",
    "doctor",
    "approve {version} --reason {subject}",
    "tune {version} --scale 0.9",
    "activate {version}",
    "rollback {subject}",
    "reject {version} --reason {subject}",
    "retrain {version} --reason {subject} --set {subject}=1",
    "import {other} --model {subject}",
    "import {other} --weights {weights}",
    "generate {subject} sea --preset {subject}",
    "train {folder} --no-follow --retrain {subject}",
    "train {folder}x",
    "resolve {waiting} resend --reason {subject}",
    "retry {job}",
    "cancel {waiting}",
    "erasures",
    "erasures {erasure}",
    "verify-erasure {proof}",
    "erase {subject}",
    "erase {other} --confirm {other} --reason {subject}",
    "erase-owner --confirm {subject}",
    "db check",
    "db migrate",
    "{subject}",
    "status --{subject}",
]
NOT_HERE = {"up", "demo", "worker", "api", "emulator", "chaos"}
"""Run until they are stopped, or on a system of their own."""


def every_command() -> Iterator[str]:
    """The commands there are, as typed."""

    def walk(command: Any, words: str) -> Iterator[str]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{words} {name}".strip())
        if not getattr(command, "commands", {}):
            yield words

    return walk(typer.main.get_command(app), "")


def test_the_list_of_commands_has_every_command_there_is() -> None:
    typed = {line.split(" {")[0].split(" --")[0] for line in COMMANDS}
    for command in set(every_command()) - NOT_HERE:
        assert any(line == command or line.startswith(f"{command} ") for line in typed), command


def run(
    line: str, world: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Any, *more: str
) -> tuple[int, str, str]:
    arguments = [part.format_map(world) for part in line.split(" ")]
    monkeypatch.setattr("sys.argv", ["safelight", *arguments, *more])
    with pytest.raises(SystemExit) as end:
        safelight()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def test_no_command_obeys_a_word_of_another_or_falls_over_it(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shown, wrong = 0, []
    for line in COMMANDS:
        code, out, err = run(line, world, monkeypatch, capsys)
        if code not in (0, 1, 2):
            wrong.append(f"{line}: ended with {code}")
        for text in (out, err):
            wrong += [f"{line}: {part!r}" for part in text.split("\n") if speaks_to_terminals(part)]
            if "J: fake" in text and any(part.startswith("J: fake") for part in text.split("\n")):
                wrong.append(f"{line}: made a line of its own")
            if "PWNED" in text and not any(seen in text for seen in SEEN):
                wrong.append(f"{line}: lost its brackets: {text[-300:]}")
            shown += any(seen in text for seen in SEEN)
    assert not wrong, "\n".join(wrong)
    assert shown > 40, "the words were hardly shown anywhere: this test has lost its hold"


def test_json_holds_the_words_exactly_and_any_encoding_of_the_terminal_will_do(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for line in ("subjects", "recycled", "holds", "campaign list", "keys list", "erasures", "jobs"):
        code, out, _ = run(line, world, monkeypatch, capsys, "--json")
        assert code == 0, line
        assert not any(map(speaks_to_terminals, out.split("\n"))), line
        assert json.dumps(WORDS)[1:-1] in json.dumps(json.loads(out)), line
    for encoding in ("ascii", "latin-1", "cp437", "shift_jis", "utf-16"):
        for line in ("subjects", "status {training}", "weights inspect {weights}", "{subject}"):
            for more in ([], ["--json"]):
                arguments = [part.format_map(world) for part in line.split(" ")]
                monkeypatch.setattr("sys.argv", ["safelight", *arguments, *more])
                said, warned = io.BytesIO(), io.BytesIO()
                monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said, encoding))
                monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(warned, encoding))
                with pytest.raises(SystemExit):
                    safelight()
                sys.stdout.flush()
                sys.stderr.flush()
                if more and line != "{subject}":
                    json.loads(said.getvalue().decode(encoding))
