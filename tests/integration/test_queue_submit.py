"""The `submit` queue: the intent first, one POST, every ending of it told apart (I2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.clients.s3 import S3Store
from safelight.db import jobs
from safelight.domain.errors import Conflict, Invalid, Retryable
from safelight.domain.nouns import Training
from safelight.domain.provider import (
    Accepted,
    NotSent,
    Refused,
    RemoteStatus,
    Submission,
    Unknown,
)
from safelight.flow.commands import Actor
from safelight.flow.commands.trainings import cancel_training
from safelight.flow.commands.unknowns import Decision, resolve_training
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.perform import perform
from safelight.flow.work import WORKS
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    due,
    history,
    hurry,
    row,
    subject_with_photos,
    train,
    training_row,
    turn,
)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def training(cx: Context, who: Actor, tmp_path: Path) -> Training:
    """Asked for, on photos enough: everything up to the submission is still to come."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    return train(cx, who, subject.id)


def reply(*endings: Submission) -> Any:
    left = list(endings)

    def answer(_kind: str, _input: Mapping[str, Any]) -> Submission:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def test_an_accepted_training_is_recorded_and_watched(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "training"
    assert found["provider_id"] in provider.runs
    assert row(cx, "SELECT count(*) AS n FROM jobs WHERE kind = 'watch_trainings'")["n"] == 1
    assert len(provider.creates) == 1


def test_what_is_sent_is_what_the_trainer_takes_and_nothing_else(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    """Requirements 0.1 and 0.2: an input the trainer drops is never sent."""
    drain(cx)
    sent = dict(provider.creates[0]["input"])
    url = sent.pop("input_images")
    found = training_row(cx, training.id)
    assert sent == found["sent"]["input"]
    assert sent["lora_rank"] == 16  # A-X, likeness@v1
    assert sent["steps"] == 500  # clamp(40 exposures x 12 images, 500, 1500)
    assert str(found["intent_id"]) in url, "the input URL bears the intent: it is our evidence"
    assert "num_repeats" not in sent
    assert "network_alpha" not in sent


def test_the_intent_is_on_record_before_the_request_leaves(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    seen: list[dict[str, Any]] = []

    def look(_kind: str, input: Mapping[str, Any]) -> Submission:
        seen.append(training_row(cx, training.id))
        return Accepted(provider.add(input))

    provider.reply = look
    drain(cx)
    assert [found["state"] for found in seen] == ["submitting"]
    assert seen[0]["intent_id"] is not None


def test_a_refusal_ends_the_training_with_the_reason_and_no_second_request(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(Refused(422, "- input.steps: Must be less than or equal to 6000"))
    drain(cx, wait=True)
    found = training_row(cx, training.id)
    assert found["state"] == "failed"
    assert "Must be less than or equal to 6000" in found["error"]
    assert len(provider.creates) == 1


def test_throttling_waits_as_long_as_it_is_told_and_sends_again(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(Refused(429, "throttled", retry_after=77))
    drain(cx)
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'submit_training'")
    assert training_row(cx, training.id)["state"] == "ready"
    assert (job["due_at"] - datetime.now(UTC)).total_seconds() == pytest.approx(77, abs=5)
    provider.reply = None
    hurry(cx, kinds=["submit_training"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"


def test_no_credit_parks_the_job_and_nothing_is_lost(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(Refused(402, "You have insufficient credit to run this model."))
    drain(cx)
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'submit_training'")
    assert job["state"] == "parked"
    assert "insufficient credit" in job["error"]
    provider.reply = None
    with cx.db.transaction() as tx:
        jobs.retry(tx, job["id"], actor="ops")
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"


def test_a_request_that_never_left_is_sent_again(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(NotSent("connection refused"))
    drain(cx)
    assert training_row(cx, training.id)["state"] == "ready"
    provider.reply = None
    hurry(cx, kinds=["submit_training"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    assert len(provider.runs) == 1


def test_a_provider_that_refuses_connections_for_long_parks_nothing(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(NotSent("connection refused"))
    drain(cx)
    for _ in range(12):
        hurry(cx, kinds=["submit_training"])
        drain(cx)
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'submit_training'")
    assert (job["state"], job["attempts"], job["reason"]) == ("ready", 0, "not sent")
    provider.reply = None
    hurry(cx, kinds=["submit_training"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"


def test_an_unknown_is_looked_for_for_as_long_as_the_list_cannot_be_read(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(Unknown("read timeout"))
    provider.read_fault = Retryable("The provider answered 500.")
    drain(cx)
    for _ in range(12):
        hurry(cx, kinds=["settle_training"])
        drain(cx)
    assert row(cx, "SELECT * FROM jobs WHERE kind = 'settle_training'")["state"] == "ready"
    provider.read_fault = None
    provider.add(provider.creates[0]["input"], created_at=datetime.now(UTC))
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    assert len(provider.creates) == 1


def test_a_lost_reply_is_found_in_the_providers_list_and_never_sent_again(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    """I2."""

    def accept_and_drop(_kind: str, input: Mapping[str, Any]) -> Submission:
        provider.add({"input_images": "https://elsewhere.example/other.zip"})
        provider.add(input, created_at=datetime.now(UTC))
        return Unknown("read timeout")

    provider.reply = accept_and_drop
    drain(cx, wait=False)
    found = training_row(cx, training.id)
    assert found["state"] == "training"
    assert "unknown" in history(cx, training.id)
    mark = str(found["intent_id"])
    assert mark in str(provider.runs[found["provider_id"]].input["input_images"])
    assert len(provider.creates) == 1


def test_an_unknown_that_the_list_does_not_show_is_parked_for_a_person_and_not_sent_again(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    """I1 and I2."""
    provider.reply = reply(Unknown("connection reset"))
    drain(cx)
    assert training_row(cx, training.id)["state"] == "unknown"
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '1 hour'")
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'settle_training'")
    assert job["state"] == "parked"
    assert "not sent again by itself" in job["error"]
    assert len(provider.creates) == 1


def test_a_training_that_waited_for_hours_is_searched_for_as_long_as_any_other(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    """I2: the stated wait is of the provider's list, and begins when the request leaves."""
    provider.reply = reply(Refused(429, "throttled", retry_after=77))
    drain(cx)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '5 hours'")
    provider.reply = reply(Unknown("read timeout"))
    hurry(cx, kinds=["submit_training"])
    drain(cx)
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'settle_training'")
    assert (job["state"], job["reason"]) == ("ready", "not in the provider's list yet")
    provider.add(provider.creates[-1]["input"], created_at=datetime.now(UTC))
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"


def test_an_unknown_is_not_absent_while_the_list_holds_runs_that_cannot_be_read(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    provider.reply = reply(Unknown("read timeout"))
    provider.unread = 1
    drain(cx)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '1 hour'")
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'settle_training'")
    assert job["state"] == "ready"
    assert "cannot be read" in job["error"]


def test_a_worker_that_dies_while_it_sends_leaves_an_unknown_and_not_a_second_request(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    def die(_kind: str, input: Mapping[str, Any]) -> Submission:
        provider.add(input, created_at=datetime.now(UTC))
        raise SystemExit

    provider.reply = die
    with pytest.raises(SystemExit):
        drain(cx)
    assert training_row(cx, training.id)["state"] == "submitting"
    with cx.db.transaction() as tx:
        tx.run("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'leased'")
        jobs.release_expired(tx, 100)
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    assert len(provider.creates) == 1


def test_a_worker_that_was_stopped_past_its_lease_does_not_send(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    """I2, I3: SIGSTOP past the lease, then SIGCONT: another has taken the job by then."""
    presign = cx.tools.store.presign_get

    def hang(key: str, seconds: int, *, least: int) -> str:
        time.sleep(0.6)
        return presign(key, seconds, least=least)

    for _ in range(2):  # inspect, build
        for job in due(cx):
            perform(job.queue, WORKS, cx, seconds=0)
    stopped = replace(
        cx,
        settings=cx.settings.model_copy(update={"lease_seconds": 0.3}),
        heartbeat=Heartbeat(cx.db, 0.3),
        tools=replace(cx.tools, store=_Slow(cx.tools.store, hang)),
    )
    stopped.heartbeat._beat = lambda: None  # type: ignore[method-assign]  # stopped: no beat
    for _ in range(2):  # prepare, submit
        for job in due(stopped):
            perform(job.queue, WORKS, stopped, seconds=0)
    stopped.heartbeat.close()
    assert provider.creates == []
    assert training_row(cx, training.id)["state"] == "submitting"


def test_a_training_whose_link_would_end_too_soon_is_parked_before_anything_is_paid(
    cx: Context, training: Training, provider: ScriptedProvider, stores: Any
) -> None:
    """The store's keys are temporary: a link that is signed with them ends when they do."""
    s3 = stores.s3
    ends = datetime.now(UTC) + timedelta(hours=6)
    short = S3Store(
        *(s3.bucket,),
        endpoint_url=s3.endpoint,
        access_key=s3.access_key,
        secret_key=s3.secret_key,
        keys_end=ends,
    )
    drain(replace(cx, tools=replace(cx.tools, store=short)))
    assert provider.creates == []
    assert training_row(cx, training.id)["state"] == "ready"
    parked = row(cx, "SELECT * FROM jobs WHERE state = 'parked'")
    assert (parked["kind"], parked["reason"]) == ("prepare_submission", "link-too-short")
    assert "SAFELIGHT_INPUT_LINK_SECONDS" in parked["error"]
    # With what can be kept, it goes on.
    less = cx.settings.model_copy(update={"input_link_seconds": 3 * 3600})
    with cx.db.transaction() as tx:
        jobs.retry(tx, parked["id"], actor="test")
    drain(replace(cx, settings=less, tools=replace(cx.tools, store=short)))
    (sent,) = provider.creates
    assert "X-Amz-Expires=10800" in sent["input"]["input_images"]
    short.close()


class _Slow:
    """A store whose presigning takes its time."""

    def __init__(self, store: Any, presign_get: Any) -> None:
        self._store = store
        self.presign_get = presign_get

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_the_list_is_not_read_further_back_than_the_intent(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    for _ in range(450):
        provider.add({"input_images": "https://elsewhere.example/x.zip"}, created_at=long_ago)
    provider.reply = reply(Unknown("read timeout"))
    drain(cx)
    assert provider.calls == ["list None"]


def test_a_cancel_before_submission_ends_the_training_and_sends_nothing(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    with cx.db.transaction() as tx:
        cancel_training(tx, who, training.id)
    drain(cx, wait=True)
    assert training_row(cx, training.id)["state"] == "canceled"
    assert provider.creates == []
    assert due(cx) == []


def test_a_cancel_while_it_trains_is_asked_for_at_the_provider_and_seen_by_the_watch(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    provider.cancels_late = True
    drain(cx)
    with cx.db.transaction() as tx:
        cancel_training(tx, who, training.id)
    drain(cx)
    provider_id = training_row(cx, training.id)["provider_id"]
    assert provider.canceled == [provider_id]
    assert training_row(cx, training.id)["state"] == "training", "not before the provider says so"
    provider.tell(provider_id, status=RemoteStatus.CANCELED, predict_seconds=12.0)
    turn(cx, "watch_trainings")
    found = training_row(cx, training.id)
    assert found["state"] == "canceled"
    assert found["cost_micro_usd"] == 18_300  # 12 s of an H100 at $0.001525


def test_the_destination_is_made_on_first_use_under_our_account(
    cx: Context, training: Training, provider: ScriptedProvider
) -> None:
    drain(cx)
    # R-3 names a model for each user; an account may have 1,000, so ours is one an owner.
    name = f"emulated/safelight-{str(training.owner_id)[-12:]}"
    assert provider.models == [name]
    assert provider.creates[0]["destination"] == name


def _unknown_and_parked(cx: Context, training: Training, provider: ScriptedProvider) -> None:
    provider.reply = reply(Unknown("connection reset"))
    drain(cx)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '1 hour'")
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    assert training_row(cx, training.id)["state"] == "unknown"
    provider.reply = None


def test_a_person_adopts_what_the_provider_has(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    _unknown_and_parked(cx, training, provider)
    found = provider.add({"input_images": "seen on the dashboard"})
    with cx.db.transaction() as tx:
        resolve_training(
            tx, who, training.id, Decision.ADOPT, reason="it runs there", provider_id=found.id
        )
    drain(cx)
    assert training_row(cx, training.id)["provider_id"] == found.id
    assert len(provider.creates) == 1
    event = row(
        cx,
        "SELECT * FROM events WHERE noun_id = %(id)s ORDER BY id DESC LIMIT 1",
        id=training.id,
    )
    assert (event["actor"], event["detail"]["reason"]) == ("test", "it runs there")


def test_a_cancel_asked_for_while_it_was_unknown_follows_what_a_person_adopts(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    _unknown_and_parked(cx, training, provider)
    with cx.db.transaction() as tx:
        cancel_training(tx, who, training.id)
    found = provider.add({"input_images": "seen on the dashboard"})
    with cx.db.transaction() as tx:
        resolve_training(
            tx, who, training.id, Decision.ADOPT, reason="it runs there", provider_id=found.id
        )
    drain(cx)
    assert provider.canceled == [found.id]


def test_a_person_has_it_sent_anew_under_a_new_mark(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    _unknown_and_parked(cx, training, provider)
    before = training_row(cx, training.id)["intent_id"]
    with cx.db.transaction() as tx:
        resolve_training(tx, who, training.id, Decision.RESEND, reason="not in the dashboard")
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "training"
    assert found["intent_id"] != before
    assert len(provider.creates) == 2


def test_a_person_gives_it_up_and_the_subject_is_free(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    _unknown_and_parked(cx, training, provider)
    with cx.db.transaction() as tx:
        resolve_training(tx, who, training.id, Decision.GIVE_UP, reason="not needed any more")
    assert training_row(cx, training.id)["state"] == "canceled"
    assert train(cx, who, training.subject_id).number == 2


def test_only_what_is_unknown_can_be_resolved_and_adopting_needs_an_id(
    cx: Context, who: Actor, training: Training, provider: ScriptedProvider
) -> None:
    with pytest.raises(Conflict, match="is not unknown"), cx.db.transaction() as tx:
        resolve_training(tx, who, training.id, Decision.RESEND, reason="x")
    _unknown_and_parked(cx, training, provider)
    with pytest.raises(Invalid, match="the provider's id"), cx.db.transaction() as tx:
        resolve_training(tx, who, training.id, Decision.ADOPT, reason="x")
