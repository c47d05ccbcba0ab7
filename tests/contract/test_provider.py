"""Our client and the emulator, over real HTTP: what one sends, the other takes, and every ending.

What the tests' double keeps as well is in test_both_providers.py.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from safelight.clients.replicate import ReplicateProvider
from safelight.domain.errors import Forbidden, ProviderRefused, Retryable
from safelight.domain.provider import Accepted, NotSent, Refused, RemoteRun, RemoteStatus, Unknown
from safelight.domain.trainlog import parse_log
from safelight.stages import weights
from tests.support import official as lines
from tests.support.emulator import TOKEN, Emulator, free_port, running
from tests.support.official import all_pages, needs_stable
from tests.support.photos import distinct_photos

TRAINER = "ostris/flux-dev-lora-trainer"
MODEL = "emulated/contract"
TRIGGER = "sltest42"


def ask(provider: ReplicateProvider, url: str, **input: Any) -> Any:
    provider.ensure_model(MODEL)
    return provider.create_training(
        trainer=TRAINER,
        version=provider.latest_version(TRAINER),
        destination=MODEL,
        input={"input_images": url, "steps": 60, "lora_rank": 4, "trigger_word": TRIGGER, **input},
        webhook=None,
    )


def wait(get: Callable[[str], RemoteRun], id: str, seconds: float = 30) -> RemoteRun:
    deadline = time.monotonic() + seconds
    while not (run := get(id)).status.ended:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


@pytest.fixture
def official(emulator: Emulator) -> Iterator[Any]:
    """The official client as it is, in its stable line; it has no close of its own."""
    client = lines.stable(TOKEN, emulator.url)
    yield client
    client._client.close()


@pytest.fixture(scope="module")
def trained(emulator: Emulator, files: tuple[Path, str], tmp_path_factory: Any) -> RemoteRun:
    """A training that succeeded, for the tests that look at what it left."""
    folder = tmp_path_factory.mktemp("trained")
    with zipfile.ZipFile(files[0] / "trained.zip", "w") as zipped:
        for number, path in enumerate(distinct_photos(folder, 3)):
            zipped.write(path, f"{number:03d}.jpg")
            zipped.writestr(f"{number:03d}.txt", f"photo of {TRIGGER} person")
    provider = ReplicateProvider(TOKEN, emulator.url)
    accepted = ask(provider, f"{files[1]}/trained.zip")
    run = wait(provider.get_training, accepted.run.id)
    provider.close()
    assert run.status is RemoteStatus.SUCCEEDED, run.error
    return run


def test_a_training_goes_from_starting_to_an_archive_of_the_asked_rank(
    provider: ReplicateProvider, trained: RemoteRun, tmp_path: Path
) -> None:
    course = parse_log(trained.logs or "")
    assert (course.step, course.steps) == (60, 60)
    assert trained.predict_seconds == pytest.approx(110 + 60 * 0.8 + 15)
    assert trained.output["version"].startswith(f"{MODEL}:")
    archive = tmp_path / "a.tar"
    got = provider.download(trained.output["weights"], archive, limit=10**9)
    assert got.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    unpacked = weights.unpack(archive, tmp_path)
    weights.verify(weights.inspect(unpacked.weights), rank=4, effective=unpacked.effective)
    assert unpacked.effective is not None
    assert unpacked.effective["trigger_word"] == TRIGGER
    assert unpacked.effective["train"]["steps"] == 60


def test_all_494_modules_are_written_where_that_is_asked_for(
    tmp_path: Path, zip_url: Callable[..., str]
) -> None:
    """replicate.md 4.3: 988 tensors."""
    with running(tmp_path / "full", "--layers", "full") as emulator:
        provider = ReplicateProvider(TOKEN, emulator.url)
        accepted = ask(provider, zip_url(), lora_rank=1, steps=3)
        run = wait(provider.get_training, accepted.run.id)
        provider.download(run.output["weights"], tmp_path / "a.tar", limit=10**9)
        provider.close()
    unpacked = weights.unpack(tmp_path / "a.tar", tmp_path)
    facts = weights.inspect(unpacked.weights)
    assert (facts.tensors, facts.rank) == (988, 1)
    weights.verify(facts, rank=1, effective=unpacked.effective)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 1}, "ensure this value is greater than or equal to 3"),
        ({"lora_rank": 999}, "ensure this value is less than or equal to 128"),
    ],
)
def test_inputs_out_of_range_fail_after_they_were_accepted(
    provider: ReplicateProvider, zip_url: Callable[..., str], change: dict[str, int], says: str
) -> None:
    accepted = ask(provider, zip_url(), **change)
    assert isinstance(accepted, Accepted)
    run = wait(provider.get_training, accepted.run.id)
    assert run.status is RemoteStatus.FAILED
    assert says in (run.error or "")
    assert run.predict_seconds == 0, "nothing ran, nothing is paid"


def test_an_input_the_trainer_does_not_take_is_dropped_without_a_word(
    provider: ReplicateProvider, zip_url: Callable[..., str], tmp_path: Path
) -> None:
    """Requirements 0.2: this is why Safelight refuses them itself."""
    accepted = ask(provider, zip_url(), num_repeats=20)
    run = wait(provider.get_training, accepted.run.id)
    assert run.status is RemoteStatus.SUCCEEDED
    assert run.input["num_repeats"] == 20
    provider.download(run.output["weights"], tmp_path / "a.tar", limit=10**9)
    assert "num_repeats" not in str(weights.unpack(tmp_path / "a.tar", tmp_path).effective)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"no zip", "input_images must be a zip file"),
        (b"PK\x05\x06" + bytes(18), "no images found"),
    ],
)
def test_a_zip_that_is_none_or_empty_fails_the_training(
    provider: ReplicateProvider, zip_url: Callable[..., str], data: bytes, says: str
) -> None:
    run = wait(provider.get_training, ask(provider, zip_url(data)).run.id)
    assert run.status is RemoteStatus.FAILED
    assert says in (run.error or "")


def test_an_unknown_destination_is_refused_in_the_providers_words(
    provider: ReplicateProvider,
) -> None:
    reply = provider.create_training(
        trainer=TRAINER,
        version=provider.latest_version(TRAINER),
        destination="emulated/nowhere",
        input={},
        webhook=None,
    )
    assert reply == Refused(404, "The specified training destination does not exist", None)


def test_a_webhook_that_is_not_https_is_refused(provider: ReplicateProvider) -> None:
    provider.ensure_model(MODEL)
    reply = provider.create_training(
        trainer=TRAINER,
        version=provider.latest_version(TRAINER),
        destination=MODEL,
        input={},
        webhook="http://app.example/hook",
    )
    assert isinstance(reply, Refused)
    assert (reply.status, reply.detail) == (422, "- webhook: Not a valid HTTPS URL")


def test_images_differ_with_seed_prompt_and_scale_and_are_the_same_for_the_same(
    provider: ReplicateProvider, trained: RemoteRun, tmp_path: Path
) -> None:
    version = trained.output["version"].partition(":")[2]

    def draw(**change: Any) -> bytes:
        input = {"prompt": f"{TRIGGER} smiling", "seed": 1, "megapixels": "0.25", **change}
        accepted = provider.create_prediction(version=version, input=input, webhook=None)
        assert isinstance(accepted, Accepted), accepted
        run = wait(provider.get_prediction, accepted.run.id)
        assert run.status is RemoteStatus.SUCCEEDED, run.error
        provider.download(run.output[0], tmp_path / "x", limit=10**8)
        with Image.open(tmp_path / "x") as image:
            return image.convert("RGB").tobytes()

    base = draw()
    assert draw() == base
    others = [draw(seed=2), draw(prompt=f"{TRIGGER} at sea"), draw(lora_scale=0.2)]
    assert len({base, *others}) == 4


def test_a_prediction_out_of_range_is_refused_up_front_with_its_field(
    provider: ReplicateProvider, trained: RemoteRun
) -> None:
    version = trained.output["version"].partition(":")[2]
    reply = provider.create_prediction(
        version=version, input={"prompt": "x", "num_outputs": 9}, webhook=None
    )
    assert isinstance(reply, Refused)
    assert "input.num_outputs: Must be less than or equal to 4" in reply.detail


def test_a_reply_that_is_lost_is_unknown_and_one_request_left_the_process(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    """I2: no retry at any layer."""
    url = zip_url()
    emulator.settings(faults=[{"on": "create_training", "do": "drop"}])
    assert isinstance(ask(provider, url), Unknown)
    assert [e["input"].get("input_images") for e in emulator.ledger()].count(url) == 1


@pytest.mark.parametrize("fault", [{"do": "error"}, {"do": "refuse", "status": 502}])
def test_a_5xx_is_unknown_whether_it_was_accepted_or_not(
    provider: ReplicateProvider,
    emulator: Emulator,
    zip_url: Callable[..., str],
    fault: dict[str, Any],
) -> None:
    emulator.settings(faults=[{"on": "create_training", **fault}])
    assert isinstance(ask(provider, zip_url(b"x")), Unknown)


def test_throttling_is_a_refusal_with_its_wait_and_takes_no_time(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    url = zip_url(b"x")
    ask(provider, url)
    emulator.settings(faults=[{"on": "create_training", "do": "throttle", "retry_after": 3600}])
    started = time.monotonic()
    reply = ask(provider, url)
    assert isinstance(reply, Refused)
    assert (reply.status, reply.retry_after) == (429, 3600)
    assert time.monotonic() - started < 5


def test_a_throttled_read_says_how_long_to_wait_and_does_not_sleep(
    provider: ReplicateProvider, emulator: Emulator
) -> None:
    emulator.settings(faults=[{"on": "list", "do": "throttle", "retry_after": 3600}])
    started = time.monotonic()
    with pytest.raises(Retryable) as caught:
        provider.list_trainings()
    assert caught.value.after == 3600
    assert time.monotonic() - started < 5


def test_no_credit_is_a_refusal(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    emulator.settings(credit=False)
    reply = ask(provider, zip_url(b"x"))
    assert isinstance(reply, Refused)
    assert reply.status == 402
    assert "insufficient credit" in reply.detail


def test_where_nobody_listens_nothing_was_sent() -> None:
    provider = ReplicateProvider(TOKEN, f"http://127.0.0.1:{free_port()}")
    reply = provider.create_prediction(version="a" * 64, input={"prompt": "x"}, webhook=None)
    assert isinstance(reply, NotSent)
    with pytest.raises(Retryable):
        provider.account()
    provider.close()


def test_a_token_that_is_not_valid_is_said(emulator: Emulator) -> None:
    provider = ReplicateProvider("nonsense", emulator.url)
    with pytest.raises(ProviderRefused, match="does not accept the API token"):
        provider.account()
    provider.close()


def test_an_output_elsewhere_is_not_fetched_and_our_token_goes_nowhere(
    provider: ReplicateProvider, files: tuple[Path, str], tmp_path: Path
) -> None:
    with pytest.raises(ProviderRefused, match="not the provider's"):
        provider.download(f"{files[1]}/x", tmp_path / "x", limit=100)


def test_an_output_over_the_limit_is_refused(
    provider: ReplicateProvider, trained: RemoteRun, tmp_path: Path
) -> None:
    with pytest.raises(ProviderRefused, match="over the limit of 1,000 bytes"):
        provider.download(trained.output["weights"], tmp_path / "x", limit=1000)


def test_a_deleted_version_is_listed_for_a_while_and_then_gone(
    provider: ReplicateProvider, emulator: Emulator, trained: RemoteRun, zip_url: Callable[..., str]
) -> None:
    run = wait(provider.get_training, ask(provider, zip_url(), steps=3).run.id)
    model, _, version = run.output["version"].partition(":")
    emulator.settings(version_delete_seconds=0.5)
    provider.delete_version(model, version)
    assert provider.version_exists(model, version)
    time.sleep(0.7)
    assert not provider.version_exists(model, version)
    provider.delete_version(model, version)  # gone already: no error


@pytest.mark.parametrize(("status", "code"), [(409, "conflict"), (403, "provider-refused")])
def test_a_deletion_that_is_refused_says_whether_it_may_pass(
    provider: ReplicateProvider,
    emulator: Emulator,
    zip_url: Callable[..., str],
    status: int,
    code: str,
) -> None:
    run = wait(provider.get_training, ask(provider, zip_url(), steps=3).run.id)
    model, _, version = run.output["version"].partition(":")
    emulator.settings(faults=[{"on": "delete_version", "do": "refuse", "status": status}])
    with pytest.raises(ProviderRefused) as caught:
        provider.delete_version(model, version)
    assert caught.value.code == code
    assert provider.version_exists(model, version)


def test_webhooks_are_signed_so_that_the_official_client_believes_them_and_forged_ones_not(
    provider: ReplicateProvider, zip_url: Callable[..., str]
) -> None:
    got: list[tuple[dict[str, str], bytes]] = []
    came = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()
            came.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider.ensure_model(MODEL)
    reply = provider.create_training(
        trainer=TRAINER,
        version=provider.latest_version(TRAINER),
        destination=MODEL,
        input={"input_images": zip_url(b"no zip")},
        webhook=f"http://127.0.0.1:{server.server_address[1]}/?intent=7",
    )
    assert isinstance(reply, Accepted)
    assert came.wait(20)
    server.shutdown()
    server.server_close()
    thread.join()
    headers, body = got[0]
    assert json.loads(body)["id"] == reply.run.id
    provider.verify_webhook(headers, body)
    with pytest.raises(Forbidden):
        provider.verify_webhook(headers, body + b" ")
    with pytest.raises(Forbidden):
        provider.verify_webhook({**headers, "webhook-timestamp": "1614265330"}, body)
    with pytest.raises(Forbidden):
        provider.verify_webhook({}, body)


@needs_stable
def test_files_are_kept_with_their_hashes(official: Any, tmp_path: Path) -> None:
    client = official
    path = tmp_path / "photo.bin"
    path.write_bytes(b"x" * 1000)
    made = client.files.create(path)
    assert made.size == 1000
    assert made.checksums["sha256"] == hashlib.sha256(b"x" * 1000).hexdigest()
    assert client.files.get(made.id).name == "photo.bin"
    assert client.files.delete(made.id)


@needs_stable
def test_the_official_client_drives_it_too(official: Any, trained: RemoteRun) -> None:
    client = official
    assert client.trainings.get(trained.id).status == "succeeded"
    assert trained.id in {t.id for page in all_pages(client.trainings.list) for t in page.results}
    assert client.models.get(MODEL).latest_version is not None
    assert {h.sku for h in client.hardware.list()} >= {"cpu", "gpu-h100"}


def drawn(official: Any, trained: RemoteRun, **more: Any) -> Any:
    """Images asked for by the official client."""
    version = trained.output["version"].partition(":")[2]
    input = {"prompt": f"{TRIGGER} smiling", "seed": 1, "megapixels": "0.25"}
    return official.predictions.create(version=version, input=input, **more)


@needs_stable
def test_a_prediction_that_is_waited_for_comes_with_its_images(
    official: Any, trained: RemoteRun
) -> None:
    """`Prefer: wait`: the answer to the create is the end, or after the time where it stands then."""
    for wait in (True, 30):
        made = drawn(official, trained, wait=wait)
        assert made.status == "succeeded"
        assert len(made.output) == 1
    assert drawn(official, trained).status == "starting", "without it the answer comes at once"


@needs_stable
def test_a_prediction_that_takes_longer_than_it_is_waited_for_is_told_as_it_stands(
    emulator: Emulator, official: Any, trained: RemoteRun
) -> None:
    emulator.settings(time_scale=1)
    try:
        started = time.monotonic()
        made = drawn(official, trained, wait=1)
        assert made.status in ("starting", "processing")
        assert 0.9 < time.monotonic() - started < 10, (
            "nine seconds of the provider are as many of ours"
        )
    finally:
        emulator.settings(time_scale=150)


@pytest.mark.parametrize("prefer", ["wait=0", "wait=61", "wait=x", "wait=1.5", "wait=", "later"])
def test_a_wait_of_another_form_is_refused(
    emulator: Emulator, trained: RemoteRun, prefer: str
) -> None:
    answer = httpx.post(
        f"{emulator.url}/v1/predictions",
        headers={"Authorization": f"Bearer {TOKEN}", "Prefer": prefer},
        json={"version": trained.output["version"].partition(":")[2], "input": {"prompt": "x"}},
    )
    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] == "Prefer"


@needs_stable
def test_each_run_says_where_its_page_is(official: Any, trained: RemoteRun) -> None:
    """`urls.web`, which a prediction must have."""
    made = drawn(official, trained)
    for urls in (made.urls, official.predictions.get(made.id).urls):
        assert urls["web"].endswith(f"/p/{made.id}")
    assert "web" in official.trainings.get(trained.id).urls


@needs_stable
def test_predictions_are_listed_between_two_moments(
    emulator: Emulator, official: Any, trained: RemoteRun
) -> None:
    first = drawn(official, trained, wait=True)
    time.sleep(0.05)
    second = drawn(official, trained, wait=True)

    def listed(**asked: str) -> set[str]:
        answer = httpx.get(
            f"{emulator.url}/v1/predictions",
            headers={"Authorization": f"Bearer {TOKEN}"},
            params=asked,
        )
        assert answer.status_code == 200, answer.text
        return {run["id"] for run in answer.json()["results"]}

    both, moment = {first.id, second.id}, second.created_at
    assert listed() >= both
    assert listed(created_after=moment) & both == {second.id}
    assert listed(created_before=moment) & both == {first.id}
    assert not listed(created_after=moment, created_before=moment)
    assert not listed(source="web"), "all of them came by the API"
    with pytest.raises(AssertionError, match="date-time"):
        listed(created_after="yesterday")


@needs_stable
def test_pages_of_a_list_lead_on_and_back_and_keep_their_filter(
    official: Any, emulator: Emulator, trained: RemoteRun
) -> None:
    """More than two pages, by the official client's own way through them."""
    since = drawn(official, trained).created_at
    version = trained.output["version"].partition(":")[2]
    emulator.settings(limits={"prediction": 60_000})
    asks = {"version": version, "input": {"prompt": "x"}}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=emulator.url, headers=headers) as http:
        for _ in range(205):
            assert http.post("/v1/predictions", json=asks).status_code == 201
    emulator.settings(limits={"prediction": 600})
    all = [run.id for page in all_pages(official.predictions.list) for run in page.results]
    assert len(all) == len(set(all)) > 205
    url = f"{emulator.url}/v1/predictions?created_after={since}"
    pages = [httpx.get(url, headers=headers).json()]
    while following := pages[-1]["next"]:
        pages.append(httpx.get(following, headers=headers).json())
    sizes = [len(page["results"]) for page in pages]
    assert sizes == [100, 100, 6]
    assert pages[0]["previous"] is None
    for earlier, later in pairwise(pages):
        back = httpx.get(later["previous"], headers=headers).json()
        assert [run["id"] for run in back["results"]] == [run["id"] for run in earlier["results"]]


def test_a_kill_in_the_middle_of_a_training_costs_nothing_but_time(
    tmp_path: Path, zip_url: Callable[..., str]
) -> None:
    with running(tmp_path / "killed") as emulator:
        provider = ReplicateProvider(TOKEN, emulator.url)
        accepted = ask(provider, zip_url(), steps=400)
        time.sleep(1.2)
        emulator.end()
        emulator.start()
        run = wait(provider.get_training, accepted.run.id)
        assert run.status is RemoteStatus.SUCCEEDED
        assert [e["id"] for e in emulator.ledger()] == [run.id]
        assert emulator.ledger()[0]["price_usd"] == pytest.approx(0.001525 * (110 + 320 + 15))
        provider.close()
