"""What the tests' double and our client both keep of the provider, by one suite that runs on each.

`replicate` is `ReplicateProvider` against the emulator over HTTP, `scripted` the double that most tests
stand on. What goes over the wire, and what the emulator makes of it, is in test_provider.py.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.domain.errors import NotFound, ProviderRefused, Retryable, SafelightError
from safelight.domain.provider import (
    Accepted,
    Refused,
    RemoteRun,
    RemoteStatus,
    RunPage,
    Submission,
    Unknown,
)
from safelight.domain.trainer_inputs import TRAINER
from safelight.stages.tools import Provider
from tests.support.emulator import TOKEN, Emulator
from tests.support.pipeline import ScriptedProvider

MODEL = "emulated/both"
GONE = "0" * 64


class Side(Protocol):
    """A provider, and what happens at it without us."""

    provider: Provider

    def drawable(self) -> str:
        """A version that images can be asked of."""
        ...

    def zip_url(self) -> str:
        """Where a set lies that can be trained on; no other request has it."""
        ...

    def end(self, run: RemoteRun) -> None:
        """The training or the images come to a good end."""
        ...

    def next_create(self, what: str) -> None:
        """The next training that is asked for is `refused`, `throttled`, `lost` or `failed`."""
        ...

    def reads(self, what: str) -> None:
        """From now on reads of runs are `throttled`, `failed`, `forbidden`; or `fine` again."""
        ...

    def later(self) -> None:
        """The wait that a refusal asked for is over."""
        ...

    def delete(self) -> None:
        """What was asked to be deleted is gone now."""
        ...


class Scripted:
    """The double."""

    def __init__(self, folder: Path) -> None:
        self.double = ScriptedProvider()
        self.provider: Provider = self.double
        self._folder = folder

    def drawable(self) -> str:
        return "d" * 64

    def zip_url(self) -> str:
        return f"https://store.example/{uuid4()}.zip"

    def end(self, run: RemoteRun) -> None:
        url = f"https://replicate.delivery/{run.id}"
        self.double.files[url] = self._folder / run.id
        self.double.files[url].write_bytes(b"what came of it " * 99)
        output: Any = [url]
        if "input_images" in run.input:
            version = hashlib.sha256(run.id.encode()).hexdigest()
            output = {"version": f"{MODEL}:{version}", "weights": url}
            self.double.versions.add(version)
            self.double.listed.setdefault(MODEL, []).insert(0, version)
        self.double.tell(run.id, status=RemoteStatus.SUCCEEDED, output=output, logs="it is done")

    def next_create(self, what: str) -> None:
        def reply(_kind: str, input: Any) -> Submission:
            self.double.reply = None
            if what == "lost":
                self.double.add(input)
            return {
                "refused": Refused(422, "- input: not that"),
                "throttled": Refused(429, "Request was throttled.", 77),
            }.get(what, Unknown(what))

        self.double.reply = reply

    def reads(self, what: str) -> None:
        faults: dict[str, Exception] = {
            "throttled": Retryable("The provider answered 429.", after=77),
            "failed": Retryable("The provider answered 500."),
            "forbidden": ProviderRefused("The provider refused it (403): no"),
        }
        self.double.read_fault = faults.get(what)

    def later(self) -> None:
        """The double holds nobody to a wait."""

    def delete(self) -> None:
        self.double.versions -= set(self.double.deleted)


class Real:
    """Our client against the emulator."""

    def __init__(self, emulator: Emulator, zip_url: Callable[..., str]) -> None:
        self.provider: Provider = ReplicateProvider(TOKEN, emulator.url)
        self.emulator, self._serve = emulator, zip_url
        emulator.settings(faults=[], credit=True, version_delete_seconds=0)

    def zip_url(self) -> str:
        return self._serve()

    def drawable(self) -> str:
        run = accepted(train(self, steps=3))
        self.end(run)
        return version_of(self.provider.get_training(run.id))[1]

    def end(self, run: RemoteRun) -> None:
        get = self.provider.get_training
        if "input_images" not in run.input:
            get = self.provider.get_prediction
        deadline = time.monotonic() + 60
        while not get(run.id).status.ended:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def next_create(self, what: str) -> None:
        faults: dict[str, dict[str, Any]] = {
            "refused": {"do": "refuse", "status": 422},
            "throttled": {"do": "throttle", "retry_after": 77},
            "lost": {"do": "drop"},
            "failed": {"do": "refuse", "status": 502},
        }
        self.emulator.settings(faults=[{"on": "create_training", **faults[what]}])

    def reads(self, what: str) -> None:
        faults: dict[str, dict[str, Any]] = {
            "throttled": {"do": "throttle", "retry_after": 77},
            "failed": {"do": "refuse", "status": 500},
            "forbidden": {"do": "refuse", "status": 403},
        }
        fault = faults.get(what)
        on = ("get", "list") if fault else ()
        self.emulator.settings(faults=[{"on": where, "times": 99, **(fault or {})} for where in on])

    def later(self) -> None:
        """Our client keeps to it; one that knows nothing of it asks at once."""
        self.provider.close()
        self.provider = ReplicateProvider(TOKEN, self.emulator.url)

    def delete(self) -> None:
        """It takes the emulator no time here."""


@pytest.fixture(params=["scripted", "replicate"])
def side(
    request: pytest.FixtureRequest, zip_url: Callable[..., str], tmp_path: Path
) -> Iterator[Side]:
    if request.param == "scripted":
        yield Scripted(tmp_path)
        return
    emulator: Emulator = request.getfixturevalue("emulator")
    found = Real(emulator, zip_url)
    yield found
    found.provider.close()
    emulator.settings(faults=[], version_delete_seconds=2)


def train(side: Side, url: str | None = None, **input: Any) -> Submission:
    side.provider.ensure_model(MODEL)
    return side.provider.create_training(
        trainer=TRAINER,
        version=side.provider.latest_version(TRAINER),
        destination=MODEL,
        input={
            "input_images": url or side.zip_url(),
            "steps": 3000,
            "lora_rank": 4,
            "trigger_word": "sltest42",
            **input,
        },
        webhook=None,
    )


def draw(side: Side, version: str) -> Submission:
    input = {"prompt": f"{uuid4()} at sea", "seed": 1, "megapixels": "0.25"}
    return side.provider.create_prediction(version=version, input=input, webhook=None)


def accepted(reply: Submission) -> RemoteRun:
    assert isinstance(reply, Accepted), reply
    return reply.run


def version_of(run: RemoteRun) -> tuple[str, str]:
    """Model and version that a training made."""
    model, _, version = run.output["version"].partition(":")
    return model, version


def all_of(pages: Callable[[str | None], RunPage]) -> list[RemoteRun]:
    found: list[RemoteRun] = []
    cursor: str | None = None
    while True:
        page = pages(cursor)
        assert len(page.runs) <= 100
        found += page.runs
        if page.next is None:
            return found
        cursor = page.next


def marked(side: Side, url: str) -> list[RemoteRun]:
    """The trainings in the list that were asked for with this set, as a lost reply is looked for."""
    return [run for run in all_of(side.provider.list_trainings) if url in str(run.input)]


# What is paid for.


def test_a_training_that_is_asked_for_is_one_and_is_shown_as_it_was_asked_for(side: Side) -> None:
    url = side.zip_url()
    made = accepted(train(side, url))
    assert not made.status.ended
    (listed,) = marked(side, url)
    for run in (made, listed, side.provider.get_training(made.id)):
        assert run.id == made.id
        assert run.version == side.provider.latest_version(TRAINER)
        assert (run.input["input_images"], run.input["lora_rank"]) == (url, 4)
        assert run.output is None
        assert run.created_at is not None
        assert abs(run.created_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_images_that_are_asked_for_are_one_prediction_and_no_training(side: Side) -> None:
    made = accepted(draw(side, side.drawable()))
    shown = side.provider.get_prediction(made.id)
    assert shown.input["prompt"] == made.input["prompt"]
    listed = all_of(side.provider.list_predictions)
    assert [run.id for run in listed if run.input.get("prompt") == made.input["prompt"]] == [
        made.id
    ]
    assert made.id not in {run.id for run in all_of(side.provider.list_trainings)}
    with pytest.raises(NotFound):
        side.provider.get_training(made.id)


def test_the_same_request_sent_twice_is_two_runs(side: Side) -> None:
    """The provider knows no intent: that nothing is sent twice is ours to see to."""
    url = side.zip_url()
    first, second = accepted(train(side, url)), accepted(train(side, url))
    assert {run.id for run in marked(side, url)} == {first.id, second.id}
    assert first.id != second.id


def test_a_training_whose_reply_was_lost_is_found_again_by_what_it_was_asked_with(
    side: Side,
) -> None:
    url = side.zip_url()
    side.next_create("lost")
    assert isinstance(train(side, url), Unknown)
    (found,) = marked(side, url)
    assert not side.provider.get_training(found.id).status.ended


@pytest.mark.parametrize("what", ["refused", "throttled", "failed"])
def test_what_was_not_accepted_is_an_ending_and_no_exception_and_is_in_no_list(
    side: Side, what: str
) -> None:
    url = side.zip_url()
    side.next_create(what)
    reply = train(side, url)
    match what:
        case "refused":
            assert isinstance(reply, Refused)
            assert (reply.status, reply.retry_after) == (422, None)
            assert reply.detail
        case "throttled":
            assert isinstance(reply, Refused)
            assert (reply.status, reply.retry_after) == (429, 77)
        case _:
            assert isinstance(reply, Unknown)
    side.later()
    assert marked(side, url) == []


def test_a_training_into_a_model_that_is_not_there_is_refused(side: Side) -> None:
    url = side.zip_url()
    reply = side.provider.create_training(
        trainer=TRAINER,
        version=side.provider.latest_version(TRAINER),
        destination="emulated/nowhere",
        input={"input_images": url},
        webhook=None,
    )
    assert isinstance(reply, Refused)
    assert (reply.status, reply.retry_after) == (404, None)
    assert marked(side, url) == []


# Runs and their lists.


def test_a_training_ends_with_its_version_and_its_weights(side: Side, tmp_path: Path) -> None:
    url = side.zip_url()
    made = accepted(train(side, url, steps=3))
    side.end(made)
    run = side.provider.get_training(made.id)
    assert run.status is RemoteStatus.SUCCEEDED, run.error
    assert run.logs
    model, version = version_of(run)
    assert model == MODEL
    assert side.provider.version_exists(model, version)
    assert version in side.provider.list_versions(model).versions
    (listed,) = marked(side, url)
    assert (listed.status, listed.output) == (run.status, run.output)
    path = tmp_path / "weights"
    got = side.provider.download(run.output["weights"], path, limit=10**9)
    assert (got.bytes, got.sha256) == (
        path.stat().st_size,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    with pytest.raises(ProviderRefused, match="over the limit"):
        side.provider.download(run.output["weights"], path, limit=got.bytes - 1)


def test_images_end_as_a_list_of_what_can_be_fetched(side: Side, tmp_path: Path) -> None:
    made = accepted(draw(side, side.drawable()))
    side.end(made)
    run = side.provider.get_prediction(made.id)
    assert run.status is RemoteStatus.SUCCEEDED, run.error
    (url,) = run.output
    assert side.provider.download(url, tmp_path / "image", limit=10**8).bytes > 0
    with pytest.raises(NotFound):
        side.provider.download(f"{url}-gone", tmp_path / "image", limit=10**8)


@pytest.mark.parametrize("id", ["a" * 26, "", "../account", "two words"])
def test_a_run_that_is_not_there_is_not_found(side: Side, id: str) -> None:
    for ask in (
        side.provider.get_training,
        side.provider.get_prediction,
        side.provider.cancel_training,
        side.provider.cancel_prediction,
    ):
        with pytest.raises(NotFound):
            ask(id)


def test_a_cancel_ends_it_and_a_second_one_is_no_error(side: Side) -> None:
    training = accepted(train(side)).id
    images = accepted(draw(side, side.drawable())).id
    for _ in range(2):
        side.provider.cancel_training(training)
        side.provider.cancel_prediction(images)
    assert side.provider.get_training(training).status is RemoteStatus.CANCELED
    assert side.provider.get_prediction(images).status.ended


def test_what_has_ended_stays_as_it_ended_when_it_is_cancelled(side: Side) -> None:
    made = accepted(train(side, steps=3))
    side.end(made)
    before = side.provider.get_training(made.id)
    side.provider.cancel_training(made.id)
    assert side.provider.get_training(made.id) == before


def test_lists_come_in_pages_of_a_hundred_newest_first_and_without_logs(side: Side) -> None:
    url = side.zip_url()
    ids = [accepted(train(side, url)).id for _ in range(105)]
    for id in ids[-2:]:
        side.provider.cancel_training(id)
    first = side.provider.list_trainings()
    assert [run.id for run in first.runs] == list(reversed(ids))[:100]
    assert {run.logs for run in first.runs} == {None}
    assert first.unread == 0
    assert first.next is not None
    second = side.provider.list_trainings(first.next)
    assert [run.id for run in second.runs[:5]] == list(reversed(ids))[100:]
    assert len(marked(side, url)) == 105


READS: dict[str, tuple[type[SafelightError], float | None]] = {
    "throttled": (Retryable, 77),
    "failed": (Retryable, None),
    "forbidden": (ProviderRefused, None),
}


@pytest.mark.parametrize("what", READS)
def test_a_read_that_goes_wrong_raises_by_whether_it_may_pass(side: Side, what: str) -> None:
    made = accepted(train(side))
    side.reads(what)
    expected, after = READS[what]
    for read in (
        side.provider.list_trainings,
        side.provider.list_predictions,
        lambda: side.provider.get_training(made.id),
        lambda: side.provider.get_prediction(made.id),
    ):
        with pytest.raises(expected) as caught:
            read()
        if isinstance(caught.value, Retryable) and after is not None:
            assert caught.value.after == pytest.approx(after, abs=5)
    side.reads("fine")
    side.later()
    assert side.provider.get_training(made.id).id == made.id


# The account, its models and their versions.


def test_the_account_and_the_trainers_version_are_told(side: Side) -> None:
    assert side.provider.account() == "emulated"
    version = side.provider.latest_version(TRAINER)
    assert len(version) == 64
    schema = side.provider.version_schema(TRAINER, version)
    assert "steps" in schema["components"]["schemas"]["TrainingInput"]["properties"]


def test_a_model_is_made_once_and_begins_without_a_version(side: Side) -> None:
    model = f"emulated/new-{uuid4()}"
    with pytest.raises(NotFound):
        side.provider.list_versions(model)
    with pytest.raises(NotFound):
        side.provider.latest_version(model)
    side.provider.ensure_model(model)
    side.provider.ensure_model(model)
    page = side.provider.list_versions(model)
    assert (page.versions, page.next) == ((), None)
    with pytest.raises(NotFound):
        side.provider.latest_version(model)


def test_a_deleted_version_is_gone_and_to_delete_it_again_is_no_error(side: Side) -> None:
    made = accepted(train(side, steps=3))
    side.end(made)
    model, version = version_of(side.provider.get_training(made.id))
    side.provider.delete_version(model, version)
    side.delete()
    assert not side.provider.version_exists(model, version)
    side.provider.delete_version(model, version)
    side.provider.delete_version(model, GONE)


def test_the_name_of_a_deleted_model_stays_taken(side: Side) -> None:
    """replicate-python #323."""
    model = f"emulated/gone-{uuid4()}"
    side.provider.ensure_model(model)
    side.provider.delete_model(model)
    side.provider.delete_model(model)
    with pytest.raises(NotFound):
        side.provider.list_versions(model)
    with pytest.raises(NotFound):
        side.provider.ensure_model(model)
