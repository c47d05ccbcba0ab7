"""The emulator's faults, as our client meets them over HTTP: each has an ending that can be told apart."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.domain.errors import NotFound, Retryable
from safelight.domain.provider import Accepted, Refused, RemoteStatus, Submission, Unknown
from tests.support.emulator import Emulator, running

TRAINER = "ostris/flux-dev-lora-trainer"
MODEL = "emulated/faults"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Its own: what is aborted here is a status that the official client cannot read."""
    with running(tmp_path_factory.mktemp("faulty")) as found:
        yield found


def ask(provider: ReplicateProvider, url: str, webhook: str | None = None) -> Submission:
    provider.ensure_model(MODEL)
    return provider.create_training(
        trainer=TRAINER,
        version=provider.latest_version(TRAINER),
        destination=MODEL,
        input={"input_images": url, "trigger_word": "sltest42", "steps": 20},
        webhook=webhook,
    )


def accepted(reply: Submission) -> str:
    assert isinstance(reply, Accepted)
    return reply.run.id


def faults(emulator: Emulator, *some: dict[str, Any], **more: Any) -> None:
    emulator.settings(faults=list(some), **more)


def entries(emulator: Emulator, url: str) -> int:
    return [e["input"].get("input_images") for e in emulator.ledger()].count(url)


@pytest.mark.parametrize(
    ("fault", "paid", "ending"),
    [
        ({"do": "throttle", "bare": True}, 0, Refused),
        ({"do": "credit"}, 0, Refused),
        ({"do": "html"}, 0, Unknown),
        ({"do": "error"}, 1, Unknown),
        ({"do": "drop"}, 1, Unknown),
        ({"do": "hang", "seconds": 3}, 0, Unknown),
        ({"do": "slow", "seconds": 3}, 1, Unknown),
    ],
)
def test_each_fault_of_a_paid_request_has_its_ending_and_one_entry_at_most(
    emulator: Emulator,
    zip_url: Callable[..., str],
    fault: dict[str, Any],
    paid: int,
    ending: type,
) -> None:
    """I2: no retry at any layer, whatever the answer."""
    emulator.settings(faults=[], credit=True)
    provider = ReplicateProvider("r8_" + "e" * 37, emulator.url, timeout=1.0)
    url = zip_url(b"x")
    ask(provider, zip_url(b"x"))  # the model is there, and the version known
    faults(emulator, {"on": "create_training", **fault})
    try:
        assert isinstance(ask(provider, url), ending)
        deadline = time.monotonic() + 5
        while entries(emulator, url) < paid and time.monotonic() < deadline:
            time.sleep(0.1)
        assert entries(emulator, url) == paid
    finally:
        faults(emulator)
        provider.close()


def test_a_throttled_request_without_a_header_says_no_wait(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    url = zip_url(b"x")
    ask(provider, url)
    faults(emulator, {"on": "create_training", "do": "throttle", "bare": True})
    reply = ask(provider, url)
    assert isinstance(reply, Refused)
    assert reply.retry_after is None


@pytest.mark.parametrize("do", ["html", "null", "drop"])
def test_a_read_that_cannot_be_understood_is_a_passing_fault(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str], do: str
) -> None:
    id = accepted(ask(provider, zip_url(b"x")))
    for on, call in (
        ("get", lambda: provider.get_training(id)),
        ("list", provider.list_trainings),
    ):
        faults(emulator, {"on": on, "do": do})
        with pytest.raises(Retryable):
            call()
        call()


def test_a_status_may_go_backwards_and_a_run_may_be_missing_for_a_moment(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    id = accepted(ask(provider, zip_url()))
    faults(emulator, {"on": "get", "do": "missing"}, {"on": "get", "do": "backwards"})
    with pytest.raises(NotFound):
        provider.get_training(id)
    assert provider.get_training(id).status in (RemoteStatus.STARTING, RemoteStatus.FAILED)


def test_the_list_may_be_late(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    emulator.settings(list_delay_seconds=60)
    try:
        id = accepted(ask(provider, zip_url(b"x")))
        assert id not in [run.id for run in provider.list_trainings().runs]
    finally:
        emulator.settings(list_delay_seconds=0)
    assert id in [run.id for run in provider.list_trainings().runs]


@pytest.mark.parametrize(("fate", "status"), [("fail", "failed"), ("abort", "aborted")])
def test_a_run_may_fail_or_be_aborted(
    provider: ReplicateProvider,
    emulator: Emulator,
    zip_url: Callable[..., str],
    fate: str,
    status: str,
) -> None:
    faults(emulator, {"on": "run", "do": fate})
    id = accepted(ask(provider, zip_url()))
    deadline = time.monotonic() + 15
    while not provider.get_training(id).status.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    assert provider.get_training(id).status == status


def test_a_run_may_vanish_though_it_was_accepted(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str]
) -> None:
    faults(emulator, {"on": "run", "do": "vanish"})
    url = zip_url(b"x")
    id = accepted(ask(provider, url))
    with pytest.raises(NotFound):
        provider.get_training(id)
    assert entries(emulator, url) == 1


def test_a_fault_by_chance_is_drawn_from_its_seed_and_counted(
    provider: ReplicateProvider, emulator: Emulator
) -> None:
    def struck() -> list[bool]:
        faults(emulator, {"on": "list", "do": "refuse", "chance": 0.3}, seed=7)
        found = []
        for _ in range(40):
            try:
                provider.list_trainings()
                found.append(False)
            except Retryable:
                found.append(True)
        return found

    first = struck()
    assert first == struck()
    assert 3 < sum(first) < 25
    assert emulator.own("GET", "faults").json()["struck"]["list refuse"] >= sum(first)


def test_a_fault_nobody_knows_is_refused(emulator: Emulator) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        faults(emulator, {"on": "list", "do": "sing"})


class _Heard(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((dict(self.headers.items()), body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Heard)
    server.heard = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("do", "least", "good"),
    [
        ("lose", 0, None),
        ("double", 3, True),
        ("early", 1, True),
        ("forge", 1, False),
        ("stale", 1, True),
        ("late", 1, True),
    ],
)
def test_webhooks_are_lost_doubled_early_late_forged_and_stale(
    provider: ReplicateProvider,
    emulator: Emulator,
    zip_url: Callable[..., str],
    listener: Any,
    do: str,
    least: int,
    good: bool | None,
) -> None:
    on_end = {"on": "webhook", "do": do, "seconds": 1 if do == "late" else 3600, "times": 9}
    faults(emulator, on_end)
    url = f"http://127.0.0.1:{listener.server_address[1]}/hook"
    reply = ask(provider, zip_url(), url)
    if do == "early":
        assert listener.heard, "before the create was answered"
    id = accepted(reply)
    deadline = time.monotonic() + 15
    while not provider.get_training(id).status.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5 if do == "late" else 0.5)
    assert len(listener.heard) >= least
    if good is None:
        assert listener.heard == []
        return
    if do == "double":
        ids = Counter(
            value
            for headers, _ in listener.heard
            for key, value in headers.items()
            if key.lower() == "webhook-id"
        )
        assert set(ids.values()) == {3}, "a message's id is the same however often it comes"
    headers, body = listener.heard[-1]
    assert json.loads(body)["id"] == id
    lowered = {key.lower(): value for key, value in headers.items()}
    age = time.time() - int(lowered["webhook-timestamp"])
    assert (age > 1000) == (do == "stale")
    assert _signed(emulator, lowered, body) is good


def _signed(emulator: Emulator, headers: dict[str, str], body: bytes) -> bool:
    from safelight.local.emulator.webhooks import sign

    secret = httpx.get(
        f"{emulator.url}/v1/webhooks/default/secret",
        headers={"authorization": "Bearer r8_" + "e" * 37},
    ).json()["key"]
    expected = sign(secret, headers["webhook-id"], headers["webhook-timestamp"], body)
    return expected == headers["webhook-signature"]


def test_an_output_link_may_expire_and_a_download_may_be_cut_short(
    provider: ReplicateProvider, emulator: Emulator, zip_url: Callable[..., str], tmp_path: Path
) -> None:
    id = accepted(ask(provider, zip_url()))
    deadline = time.monotonic() + 20
    while not provider.get_training(id).status.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    output = provider.get_training(id).output
    assert isinstance(output, dict)
    url = output["weights"]
    faults(emulator, {"on": "delivery", "do": "partial"}, {"on": "delivery", "do": "missing"})
    with pytest.raises(Retryable):
        provider.download(url, tmp_path / "a", limit=10**9)
    with pytest.raises(NotFound):
        provider.download(url, tmp_path / "a", limit=10**9)
    assert provider.download(url, tmp_path / "a", limit=10**9).bytes > 100_000
