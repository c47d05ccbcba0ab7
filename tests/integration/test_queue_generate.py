"""The `generate` queue: a version only for weights that are ours and verified, images once stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from safelight import scratch
from safelight.clients.s3 import S3Store
from safelight.db import trainings, versions
from safelight.domain.errors import Conflict, Invalid, Retryable
from safelight.domain.nouns import Training, Version
from safelight.domain.provider import RemoteStatus, Submission, Unknown
from safelight.domain.trainer_inputs import modules
from safelight.flow.commands import Actor
from safelight.flow.commands.images import request_generation
from safelight.flow.commands.trainings import cancel_training
from safelight.flow.commands.versions import activate_version
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    history,
    hurry,
    row,
    subject_with_photos,
    train,
    training_row,
    turn,
)
from tests.support.strict_s3 import ACCESS, AWS, SECRET, strict_s3
from tests.support.weights import FEW, write_archive, write_lora

ARCHIVE = "https://replicate.delivery/x/trained_model.tar"
BAR = (
    "flux_train_replicate: 100%|####      | 499/500 [05:00<00:01,  1.39it/s, lr: 4.0e-04 "
    "loss: 2.5e-01]"
)
VERSION = "b" * 64


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def training(cx: Context, who: Actor, provider: ScriptedProvider, tmp_path: Path) -> Training:
    """Trained at the provider; its archive is there to be fetched."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    training = train(cx, who, subject.id)
    drain(cx)
    provider.files[ARCHIVE] = write_archive(
        tmp_path / "a.tar", write_lora(tmp_path / "a.safetensors", rank=16)
    )
    provider.tell(
        training_row(cx, training.id)["provider_id"],
        status=RemoteStatus.SUCCEEDED,
        output={"version": f"emulated/x:{VERSION}", "weights": ARCHIVE},
        predict_seconds=900.0,
    )
    turn(cx, "watch_trainings")
    return training


@pytest.fixture
def version(cx: Context, training: Training) -> Version:
    """Stored, verified, and active since it is the first; its previews are with the provider."""
    drain(cx)
    with cx.db.transaction() as tx:
        found = versions.of_training(tx, training.id)
    assert found is not None
    return found


def test_success_is_said_once_the_weights_are_stored_and_verified(
    cx: Context, training: Training, version: Version
) -> None:
    """I5, R-7, R-15, R-102: upload, store, submit, poll, store weights, job row, version row."""
    found = training_row(cx, training.id)
    assert found["state"] == "succeeded"
    assert version.weights_key is not None
    there = cx.tools.store.head(version.weights_key)
    assert there is not None
    assert (there.bytes, there.sha256) == (version.weights_bytes, version.weights_sha256)
    assert (version.rank, version.tensors) == (16, 2 * len(FEW))
    assert found["effective"]["network"]["linear"] == 4, "out of the archive's own config.yaml"
    assert history(cx, training.id) == [
        "queued",
        "preparing",
        "ready",
        "submitting",
        "training",
        "storing",
        "succeeded",
    ]


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (507, "InsufficientStorage", "no room"),
        (403, "QuotaExceeded", "no room"),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "ExpiredToken", "session token"),
    ],
)
def test_a_store_that_takes_nothing_for_a_while_costs_no_paid_weights(
    cx: Context, training: Training, tmp_path: Path, status: int, code: str, says: str
) -> None:
    with strict_s3(AWS, tmp_path / "tls") as server:
        store = S3Store(
            *(server.bucket,),
            endpoint_url=server.url,
            access_key=ACCESS,
            secret_key=SECRET,
            region=AWS.region,
            ca_bundle=server.ca,
        )
        there = replace(cx, tools=replace(cx.tools, store=store))
        server.fail(status, code, times=9, when=lambda asked: asked.method == "PUT")
        turn(there, "fetch_weights")
        waits = row(cx, "SELECT * FROM jobs WHERE kind = 'fetch_weights'")
        assert (waits["state"], training_row(cx, training.id)["state"]) == ("ready", "storing")
        assert says in waits["error"]
        assert code in waits["error"]
        server.reset(AWS)
        turn(there, "fetch_weights")
        assert training_row(cx, training.id)["state"] == "succeeded"
        assert [key for key in server.objects if key.startswith("weights/")]
        store.close()


def test_the_version_carries_the_subjects_trigger_and_the_providers_names(
    cx: Context, version: Version
) -> None:
    """R-2, R-5."""
    subject = row(cx, "SELECT * FROM subjects WHERE id = %(id)s", id=version.subject_id)
    assert version.trigger_word == subject["trigger_word"]
    assert (version.provider_model, version.provider_version) == ("emulated/x", VERSION)
    assert (version.number, version.state) == (1, "active")


def test_a_version_that_is_not_what_was_ordered_is_marked_and_the_columns_are_kept(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    """Asked, sent, effective; 0.6: photos that the loader could not read are dropped in silence."""
    provider.tell(
        training_row(cx, training.id)["provider_id"],
        logs=f"-  Found 11 images\n{BAR}",
        version="c" * 64,
    )
    drain(cx)
    found = training_row(cx, training.id)
    differ = {row["name"]: row for row in found["differences"]}
    assert differ["lora_rank"]["sent"] == 16
    assert differ["lora_rank"]["effective"] == 4, "out of the archive's config.yaml"
    assert (differ["images"]["asked"], differ["images"]["effective"]) == (12, 11)
    assert found["images"] == 11
    with cx.db.transaction() as tx:
        version = versions.of_training(tx, training.id)
        course = trainings.course(tx, training.id)
    assert version is not None
    assert {mark["name"] for mark in version.marks} == {"lora_rank", "images"}
    assert course is not None
    assert (course.step, course.loss) == (500, 0.25), "the whole log is read once more at the end"


def test_what_each_layer_learnt_is_kept_with_the_version(
    cx: Context, training: Training, version: Version
) -> None:
    assert version.weights is not None
    assert (version.weights["naming"], version.weights["dtypes"]) == ("peft", ["F16"])
    learnt = version.weights["learnt"]["single_transformer_blocks"]["proj_out"]
    assert [n for n, value in enumerate(learnt) if value is not None] == [7, 12]
    assert learnt[7] == pytest.approx(1.0, abs=0.02), "the file's values are normal ones"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.write_bytes(b"<html>expired</html>" * 99), "cannot be read"),
        (lambda p: _archive(p, rank=8), "Rank 16 was asked for and the weights have rank 8"),
        (lambda p: _archive(p, rank=16, only=None), "494 modules should have been trained"),
        (lambda p: _archive(p, rank=16, cut=1000), "are cut short"),
        (lambda p: _archive(p, rank=16, b=float("nan")), "are NaN or infinite"),
        (lambda p: _archive(p, rank=16, b=0.0), "The weights are dead: B is zero in all 2 layers"),
    ],
)
def test_weights_that_are_not_what_was_asked_for_fail_the_training_and_make_no_version(
    cx: Context, training: Training, provider: ScriptedProvider, make: Any, reason: str
) -> None:
    """I5, R-120."""
    make(provider.files[ARCHIVE])
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "failed"
    assert reason in found["error"]
    assert row(cx, "SELECT count(*) AS n FROM versions")["n"] == 0


def _archive(
    path: Path, *, rank: int, only: Any = FEW, b: float | None = None, cut: int = 0
) -> None:
    """*b*: every value of the B halves; *cut*: bytes that are missing at the end of the weights."""
    lora = write_lora(path.with_suffix(".lora"), rank=rank)
    if b is not None:
        tensors = load_file(lora)
        for name in tensors:
            if name.endswith("lora_B.weight"):
                tensors[name].fill(b)
        save_file(tensors, lora)
    if cut:
        lora.write_bytes(lora.read_bytes()[:-cut])
    write_archive(path, lora, only=only)


def test_a_download_that_breaks_is_tried_again(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    download, left = provider.download, [Retryable("reset by peer")]

    def breaks_once(url: str, path: Path, *, limit: int) -> Any:
        if left:
            raise left.pop()
        return download(url, path, limit=limit)

    provider.download = breaks_once  # type: ignore[method-assign]
    drain(cx)
    assert training_row(cx, training.id)["state"] == "storing"
    hurry(cx, kinds=["fetch_weights"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "succeeded"


def test_a_full_disk_of_ours_keeps_a_paid_training_until_there_is_room(
    cx: Context, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full() -> Iterator[Path]:
        with folder() as path:
            (path / "lora.safetensors").symlink_to("/dev/full")
            yield path

    folder = scratch.folder
    with monkeypatch.context() as patch:
        patch.setattr(scratch, "folder", full)
        drain(cx)
    assert training_row(cx, training.id)["state"] == "storing"
    job = row(cx, "SELECT state, attempts, error FROM jobs WHERE kind = 'fetch_weights'")
    assert (job["state"], job["attempts"]) == ("ready", 0)
    assert "is full" in job["error"]
    hurry(cx, kinds=["fetch_weights"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "succeeded"


LAUGHS = b"config: {process: [{a: &a [x, x], b: &b [*a, *a], c: [*b, *b]}]}"


def test_a_config_that_cannot_be_read_costs_nothing_and_is_said(
    cx: Context, who: Actor, provider: ScriptedProvider, tmp_path: Path
) -> None:
    """What was sent says which layers there should be."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    layers = r"single_transformer_blocks\.(7|12)\.proj_out$"
    training = train(cx, who, subject.id, overrides={"layers_to_optimize_regex": layers})
    drain(cx)
    lora = write_lora(tmp_path / "a.safetensors", rank=16)
    provider.files[ARCHIVE] = write_archive(tmp_path / "a.tar", lora, config=LAUGHS)
    provider.tell(
        training_row(cx, training.id)["provider_id"],
        status=RemoteStatus.SUCCEEDED,
        output={"version": f"emulated/x:{VERSION}", "weights": ARCHIVE},
        predict_seconds=900.0,
    )
    turn(cx, "watch_trainings")
    drain(cx)
    found = training_row(cx, training.id)
    assert (found["state"], found["effective"]) == ("succeeded", None)
    event = row(cx, "SELECT detail FROM events WHERE after = 'succeeded' AND noun = 'training'")
    assert event["detail"]["config"].startswith("config.yaml cannot be read: it has an alias")


def test_names_that_postgres_cannot_keep_end_in_the_reason_and_in_no_surprise(
    cx: Context, training: Training, provider: ScriptedProvider, tmp_path: Path
) -> None:
    lora = write_lora(tmp_path / "l", rank=16)
    save_file({**load_file(lora), "x\x00\u202e": np.ones(3, np.float16)}, lora)
    write_archive(provider.files[ARCHIVE], lora)
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "failed"
    assert "1 tensors belong to no LoRA pair: x\\x00\\u202e." in found["error"]


def test_a_training_whose_weights_are_being_stored_cannot_be_cancelled(
    cx: Context, who: Actor, training: Training
) -> None:
    with pytest.raises(Conflict, match="trained and paid"), cx.db.transaction() as tx:
        cancel_training(tx, who, training.id)


def test_previews_are_asked_for_with_fixed_prompts_and_seeds(
    cx: Context, version: Version, provider: ScriptedProvider
) -> None:
    """R-113: three to five, the same for every version, each with the version's own trigger."""
    *asked, control = [c["input"] for c in provider.creates if "prompt" in c["input"]]
    assert 3 <= len(asked) <= 5
    assert control == {**asked[0], "lora_scale": 0.0}, "the first once more, without the LoRA (C8)"
    for input in asked:
        assert input["prompt"].count(version.trigger_word) == 1
        assert input["lora_scale"] == version.lora_scale
        assert 2.0 <= input["guidance_scale"] <= 3.5  # R-97, K12
    assert len({input["seed"] for input in asked}) == len(asked)


def _draw(cx: Context, provider: ScriptedProvider, tmp_path: Path, *, bad: bool = False) -> None:
    """Let every prediction in flight succeed with one image."""
    with cx.db.transaction() as tx:
        rows = tx.rows("SELECT provider_id FROM generations WHERE state = 'drawing'")
    for found in rows:
        url = f"https://replicate.delivery/x/{found['provider_id']}/out-0.png"
        path = tmp_path / f"{found['provider_id']}.png"
        Image.effect_noise((64, 48), 60).convert("RGB").save(path)
        if bad:
            path.write_bytes(b"<html>busy</html>")
        provider.files[url] = path
        provider.tell(
            found["provider_id"],
            status=RemoteStatus.SUCCEEDED,
            output=[url],
            predict_seconds=2.0,
        )
    turn(cx, "watch_generations")
    drain(cx)


def test_images_are_fetched_looked_at_and_stored(
    cx: Context, version: Version, provider: ScriptedProvider, tmp_path: Path
) -> None:
    _draw(cx, provider, tmp_path)
    with cx.db.transaction() as tx:
        images = tx.rows("SELECT i.* FROM images i JOIN generations g ON g.id = i.generation_id")
        states = {r["state"] for r in tx.rows("SELECT state FROM generations")}
    assert states == {"succeeded"}
    assert len(images) >= 3
    for image in images:
        there = cx.tools.store.head(image["key"])
        assert there is not None
        assert there.sha256 == image["sha256"]
        assert (image["width"], image["height"], image["format"]) == (64, 48, "png")


def test_what_comes_and_is_no_image_fails_the_generation(
    cx: Context, version: Version, provider: ScriptedProvider, tmp_path: Path
) -> None:
    _draw(cx, provider, tmp_path, bad=True)
    found = row(cx, "SELECT DISTINCT state, error FROM generations")
    assert found["state"] == "failed"
    assert "does not decode" in found["error"]


def test_a_users_request_uses_the_active_version_its_trigger_and_its_scale(
    cx: Context, who: Actor, version: Version, provider: ScriptedProvider
) -> None:
    """R-5, R-14, R-69, R-94..R-100."""
    with cx.db.transaction() as tx:
        generation = request_generation(
            tx, who, subject_id=version.subject_id, prompt="**riding** a bicycle", seed=11
        )
    drain(cx)
    sent = provider.creates[-1]
    assert sent["version"] == VERSION
    assert sent["input"]["seed"] == 11
    assert version.trigger_word in sent["input"]["prompt"]
    assert "**" not in sent["input"]["prompt"]
    assert sent["input"]["lora_scale"] == version.lora_scale
    assert generation.input == sent["input"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 5},
        {"scale": 4.0},
        {"guidance": 11.0},
        {"aspect_ratio": "7:5"},
        {"seed": -1},
        {"format": "bmp"},
        {"extra_lora_scale": 1.0},
        {"preset": "authentic", "extra_lora": "somebody/super-realism"},
    ],
)
def test_a_request_out_of_range_is_refused_before_anything_is_sent(
    cx: Context, who: Actor, version: Version, wrong: Mapping[str, Any]
) -> None:
    with pytest.raises(Invalid), cx.db.transaction() as tx:
        request_generation(tx, who, subject_id=version.subject_id, prompt="smiling", **wrong)


def test_a_request_whose_reply_was_lost_is_found_by_its_seed_and_prompt(
    cx: Context, who: Actor, version: Version, provider: ScriptedProvider
) -> None:
    """I2."""

    def accept_and_drop(kind: str, input: Mapping[str, Any]) -> Submission:
        provider.add(input, kind=kind, created_at=datetime.now(UTC))
        return Unknown("read timeout")

    provider.reply, before = accept_and_drop, len(provider.creates)
    with cx.db.transaction() as tx:
        asked = request_generation(tx, who, subject_id=version.subject_id, prompt="on a beach")
    drain(cx)
    found = row(cx, "SELECT * FROM generations WHERE id = %(id)s", id=asked.id)
    assert found["state"] == "drawing"
    assert len(provider.creates) == before + 1


def test_a_second_version_waits_for_approval_and_activating_it_archives_nothing(
    cx: Context, who: Actor, version: Version, provider: ScriptedProvider
) -> None:
    again = train(cx, who, version.subject_id)
    drain(cx)
    provider.tell(
        training_row(cx, again.id)["provider_id"],
        status=RemoteStatus.SUCCEEDED,
        output={"version": f"emulated/x:{'c' * 64}", "weights": ARCHIVE},
    )
    turn(cx, "watch_trainings")
    drain(cx)
    with cx.db.transaction() as tx:
        second = versions.of_training(tx, again.id)
        assert second is not None
        assert (second.number, second.state) == (2, "candidate")
        activate_version(tx, who, second.id)
        activate_version(tx, who, second.id)  # again: nothing changes
    with cx.db.transaction() as tx:
        found = {v.number: v.state for v, _ in versions.find(tx, who.owner_id)}
        assert found == {1: "candidate", 2: "active"}
        activate_version(tx, who, version.id)
    assert history(cx, version.id) == ["candidate", "active", "candidate", "active"]


def test_the_subset_named_in_the_config_is_what_is_expected() -> None:
    assert set(FEW) < set(modules())


def test_a_text_that_cannot_be_kept_ends_its_own_generation_and_holds_up_no_other(
    cx: Context, version: Version, provider: ScriptedProvider
) -> None:
    with cx.db.transaction() as tx:
        drawing = tx.rows("SELECT id, provider_id FROM generations WHERE state = 'drawing'")
    assert len(drawing) > 1
    for run in drawing:
        provider.tell(run["provider_id"], status=RemoteStatus.FAILED, error="out of memory")
    provider.tell(drawing[0]["provider_id"], error="binary \x00 and half a pair \ud83d")
    turn(cx, "watch_generations")
    with cx.db.transaction() as tx:
        ended = {
            r["id"]: r["error"] for r in tx.rows("SELECT * FROM generations WHERE state = 'failed'")
        }
    assert set(ended) == {run["id"] for run in drawing}
    assert "cannot be kept" in ended.pop(drawing[0]["id"])
    assert set(ended.values()) == {"out of memory"}
