"""The provider's own client against the emulator, in the line that is installed: 1.x, or 2.x on Python 3.14.

What costs money leaves once, whatever is answered: the emulator counts the requests that arrive.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safelight.clients.replicate import ReplicateProvider
from tests.support import official
from tests.support.emulator import TOKEN, Emulator, running
from tests.support.official import needs_beta

TRAINER = "ostris/flux-dev-lora-trainer"
MODEL = "emulated/official"
TRIGGER = "sltest42"
ANSWERS = (
    {"do": "throttle", "retry_after": 1},
    {"do": "refuse", "status": 409},
    {"do": "refuse", "status": 503},
    {"do": "error"},
    {"do": "drop"},
    {"do": "hang", "seconds": 3},
)
"""After each of these 2.x sends a request again, unless it is told not to."""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Its own: requests are counted."""
    with running(tmp_path_factory.mktemp("official")) as found:
        yield found


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """The installed line, set so that it sends a request once, with a second of patience."""
    if official.STABLE:
        made = official.stable(TOKEN, emulator.url, timeout=1)
        yield made
        made._client.close()
        return
    with official.beta(TOKEN, emulator.url, timeout=1) as made:
        yield made


@pytest.fixture
def beta(emulator: Emulator) -> Iterator[Any]:
    """2.x, with its usual patience."""
    with official.beta(TOKEN, emulator.url) as made:
        yield made


def train(client: Any, version: str, url: str) -> Any:
    """A training, asked for in the words of the installed line."""
    input = {"input_images": url, "steps": 60, "lora_rank": 4, "trigger_word": TRIGGER}
    if official.STABLE:
        return client.trainings.create(
            version=f"{TRAINER}:{version}", input=input, destination=MODEL
        )
    owner, name = TRAINER.split("/")
    return client.trainings.create(
        model_owner=owner, model_name=name, version_id=version, destination=MODEL, input=input
    )


def ended(get: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while (run := get()).status not in ("succeeded", "failed", "canceled"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


def arrived(emulator: Emulator, place: str) -> int:
    """How many requests of a kind have come to the emulator so far."""
    count: int = emulator.own("GET", "faults").json()["requests"].get(place, 0)
    return count


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: "-".join(map(str, a.values())))
@pytest.mark.parametrize("place", ["create_training", "create_prediction"])
def test_a_paid_request_of_the_official_client_leaves_once_whatever_is_answered(
    provider: ReplicateProvider,
    emulator: Emulator,
    client: Any,
    zip_url: Callable[..., str],
    place: str,
    answer: dict[str, Any],
) -> None:
    provider.ensure_model(MODEL)
    version, url = provider.latest_version(TRAINER), zip_url(b"no zip")
    emulator.settings(faults=[{"on": place, "times": 9, **answer}])
    before = arrived(emulator, place)
    with pytest.raises(Exception, match=r".") as caught:
        if place == "create_training":
            train(client, version, url)
        else:
            client.predictions.create(version="a" * 64, input={"prompt": "x"})
    assert type(caught.value).__module__.partition(".")[0] in ("replicate", "httpx", "pydantic")
    assert arrived(emulator, place) - before == 1


@needs_beta
def test_left_to_its_default_the_beta_sends_a_paid_request_three_times(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    """Why `max_retries=0`, and that the count above would show it."""
    provider.ensure_model(MODEL)
    version, url = provider.latest_version(TRAINER), zip_url(b"no zip")
    emulator.settings(faults=[{"on": "create_training", "times": 9, "do": "error"}])
    before = arrived(emulator, "create_training")
    with (
        official.beta(TOKEN, emulator.url, max_retries=2) as made,
        pytest.raises(Exception, match="5"),
    ):
        train(made, version, url)
    assert arrived(emulator, "create_training") - before == 3


@needs_beta
def test_the_beta_drives_a_training_and_draws_with_it(
    provider: ReplicateProvider, beta: Any, zip_url: Callable[..., str]
) -> None:
    provider.ensure_model(MODEL)
    made = train(beta, provider.latest_version(TRAINER), zip_url(trigger=TRIGGER))
    run = ended(lambda: beta.trainings.get(training_id=made.id))
    assert (run.status, run.error) == ("succeeded", None)
    assert run.metrics.predict_time > 0
    assert run.id in {training.id for training in beta.trainings.list()}
    version = run.output.version.partition(":")[2]
    asked = {"version": version, "input": {"prompt": f"{TRIGGER} smiling", "seed": 1}}
    drawn = beta.predictions.create(prefer="wait", **asked)
    assert (drawn.status, len(drawn.output)) == ("succeeded", 1)
    assert beta.predictions.get(prediction_id=drawn.id).urls.web.endswith(f"/p/{drawn.id}")
    assert drawn.id in {prediction.id for prediction in beta.predictions.list()}
    assert beta.models.get(model_owner="emulated", model_name="official").latest_version is not None


@needs_beta
def test_the_beta_reads_what_else_there_is(beta: Any, tmp_path: Path) -> None:
    assert beta.account.get().username == "emulated"
    assert {hardware.sku for hardware in beta.hardware.list()} >= {"cpu", "gpu-h100"}
    path = tmp_path / "photo.bin"
    path.write_bytes(b"x" * 1000)
    made = beta.files.create(content=path, filename="photo.bin")
    assert made.checksums.sha256 == hashlib.sha256(b"x" * 1000).hexdigest()
    assert beta.files.get(file_id=made.id).size == 1000
    beta.files.delete(file_id=made.id)
