"""Photos of a real person are refused before the first byte, at every door, until consent is on record."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from safelight.cli.main import app
from safelight.domain.errors import Conflict, ConsentMissing
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import add_photo, confirm_upload, request_upload
from safelight.flow.commands.subjects import create_subject, ensure_subject, record_consent
from safelight.flow.commands.trainings import start_training
from safelight.flow.context import Context
from safelight.settings import Settings
from tests.support.api import Door, assert_problem
from tests.support.photos import distinct_photos, photo
from tests.support.pipeline import row, subject_with_photos
from tests.support.servers import Stores

REAL = pytest.mark.parametrize("kind", ["person", "model"])


def count(cx: Context, table: str) -> int:
    found: int = row(cx, f"SELECT count(*) AS n FROM {table}")["n"]
    return found


def nothing_of(cx: Context, subject_id: str) -> bool:
    """No row, no note and no object of the subject's photos."""
    stored = list(cx.tools.store.list(f"photos/{subject_id}/"))
    return (count(cx, "photos"), count(cx, "temporary_objects"), stored) == (0, 0, [])


@REAL
def test_the_commands_take_no_photo_before_consent_and_take_it_after(
    cx: Context, who: Actor, tmp_path: Path, kind: str
) -> None:
    path = photo(tmp_path, "a.jpg", 1, (64, 80))
    with cx.db.transaction() as tx:
        someone = create_subject(tx, who, name="Mia", kind=kind)
    with pytest.raises(ConsentMissing, match=f"Mia is a {kind}"):
        add_photo(cx.db, cx.tools.store, who, someone.id, path)
    with pytest.raises(ConsentMissing), cx.db.transaction() as tx:
        request_upload(tx, who, someone.id, name="a.jpg", bytes=5)
    assert nothing_of(cx, str(someone.id))
    with cx.db.transaction() as tx:
        record_consent(tx, who, someone.id, "form 12")
    assert add_photo(cx.db, cx.tools.store, who, someone.id, path)[1]


@REAL
def test_a_url_from_before_takes_its_photo_into_no_set(cx: Context, who: Actor, kind: str) -> None:
    """The object is purged after a day, as every upload that is not confirmed."""
    with cx.db.transaction() as tx:
        someone = create_subject(tx, who, name="Mia", kind="character")
        asked = request_upload(tx, who, someone.id, name="a.jpg", bytes=5)
        tx.run("UPDATE subjects SET kind = %(kind)s", {"kind": kind})
    cx.tools.store.put_bytes(asked.key, b"photo", "image/jpeg")
    with pytest.raises(ConsentMissing):
        confirm_upload(cx.db, cx.tools.store, who, asked.id)
    assert row(cx, "SELECT state FROM photos")["state"] == "awaited"
    with cx.db.transaction() as tx:
        record_consent(tx, who, someone.id, "form 12")
    assert confirm_upload(cx.db, cx.tools.store, who, asked.id).state == "stored"


@REAL
def test_the_api_refuses_the_photos_unread(cx: Context, acme: Door, kind: str) -> None:
    id = acme.subject("mia", kind=kind)["id"]
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        while read < 1000:
            read += 1
            yield b"\xff" * 65536
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = acme.request("POST", f"/v1/subjects/{id}/photos", content=body(), headers=headers)
    assert "consent" in assert_problem(answer, 409, "consent-missing")["hint"]
    assert read <= 1, "its body was taken"
    upload = acme.post(f"/v1/subjects/{id}/uploads", {"name": "a.jpg", "bytes": 5})
    assert_problem(upload, 409, "consent-missing")
    assert nothing_of(cx, id)
    assert acme.request("PUT", f"/v1/subjects/{id}/consent", json={"note": "form 7"}).is_success
    assert acme.post(f"/v1/subjects/{id}/uploads", {"name": "a.jpg", "bytes": 5}).status_code == 201


def test_another_owners_person_is_not_there_and_not_a_matter_of_consent(
    acme: Door, other: Door
) -> None:
    id = acme.subject("mia", kind="person")["id"]
    answer = other.post(f"/v1/subjects/{id}/uploads", {"name": "a.jpg", "bytes": 5})
    assert_problem(answer, 404, "not-found")


def test_a_model_with_photos_from_before_trains_on_and_its_next_photo_says_what_to_do(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    old = subject_with_photos(cx, who, distinct_photos(tmp_path, 8), kind="model")
    with cx.db.transaction() as tx:
        assert start_training(tx, who, old.id).state == "queued"
    with pytest.raises(ConsentMissing, match="a real person") as refused:
        add_photo(cx.db, cx.tools.store, who, old.id, photo(tmp_path, "new.jpg", 99))
    assert "PUT /v1/subjects/{id}/consent" in str(refused.value.hint)


@pytest.fixture
def env(stores: Stores, settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        **stores.environment,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REPLICATE_API_TOKEN": "r8_none",
        "SAFELIGHT_HOME": str(tmp_path / "home"),
        "SAFELIGHT_OWNER": "acme",
    }


def train(env: dict[str, str], folder: Path, *more: str) -> Result:
    arguments = ["train", str(folder), "--name", "Mia", "--no-follow", "--json", *more]
    return CliRunner().invoke(app, arguments, env=env)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "set"
    made.mkdir()
    for n in range(3):
        photo(made, f"{n}.jpg", n, (64, 80))
    return made


@REAL
def test_the_command_line_sends_nothing_and_makes_nothing_before_consent(
    cx: Context, env: dict[str, str], folder: Path, kind: str
) -> None:
    refused = train(env, folder, "--kind", kind)
    assert isinstance(refused.exception, ConsentMissing)
    assert "--consent" in str(refused.exception.hint)
    assert "Photos" not in refused.output
    assert (count(cx, "subjects"), count(cx, "photos")) == (0, 0)
    done = train(env, folder, "--kind", kind, "--consent", "form 12")
    assert done.exit_code == 0, done.output
    assert (count(cx, "photos"), count(cx, "trainings")) == (3, 1)
    again = train(env, folder)
    assert again.exit_code == 0, "what is on record stays on record"


def test_what_is_not_read_of_a_folder_is_named_before_the_first_photo_is_sent(
    cx: Context, env: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "0.txt").write_bytes("[trigger] waving\r\n".encode("utf-16"))
    (folder / "1.txt").write_bytes("手を振る".encode("shift_jis"))
    (folder / "metadata.jsonl").write_text("{}")
    (folder / "2.jpg").unlink()
    (folder / "2.jpg").mkdir()
    done = train(env, folder)
    assert done.exit_code == 0, done.output
    for name in ("1.txt", "metadata.jsonl", "2.jpg"):
        assert f'left aside: "{name}"' in done.stderr
    json.loads(done.stdout)
    captions = row(cx, "SELECT array_agg(caption ORDER BY name) AS them FROM photos")["them"]
    assert captions == ["[trigger] waving", None]


def test_a_photo_that_vanishes_while_the_others_are_sent_costs_them_nothing(
    cx: Context, env: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight.flow.commands import photos

    send = photos.add_photo

    def sending(*given: object, **more: object) -> object:
        (folder / "1.jpg").unlink(missing_ok=True)
        return send(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(photos, "add_photo", sending)
    done = train(env, folder)
    assert done.exit_code == 0, done.output
    assert 'left out: "1.jpg" cannot be read (No such file or directory)' in done.stderr
    assert count(cx, "photos") == 2


def test_a_caption_that_was_mended_is_taken_though_its_photo_is_there(
    cx: Context, env: dict[str, str], folder: Path
) -> None:
    (folder / "0.txt").write_bytes("手を振る".encode("shift_jis"))
    assert train(env, folder).exit_code == 0
    (folder / "0.txt").write_text("手を振る", "utf-8")
    assert train(env, folder).exit_code == 0
    found = row(cx, "SELECT caption FROM photos WHERE name = '0.jpg'")
    assert found["caption"] == "手を振る"
    (folder / "0.txt").unlink()
    assert train(env, folder).exit_code == 0
    assert row(cx, "SELECT caption FROM photos WHERE name = '0.jpg'") == found
    assert count(cx, "photos") == 3


@REAL
def test_a_person_is_not_taken_for_a_character_of_the_same_name(
    cx: Context, env: dict[str, str], folder: Path, kind: str
) -> None:
    assert train(env, folder).exit_code == 0
    refused = train(env, folder, "--kind", kind)
    assert isinstance(refused.exception, Conflict)
    assert f"is a character here, and not a {kind}" in str(refused.exception)
    assert count(cx, "photos") == 3


def test_consent_given_with_the_order_counts_at_once(cx: Context, who: Actor) -> None:
    with cx.db.transaction() as tx:
        made = ensure_subject(tx, who, name="Mia", kind="person", consent="form 12")
        assert request_upload(tx, who, made.id, name="a.jpg", bytes=5).said_bytes == 5
