"""Our own calls to the provider, over a transport that plays it: every ending is told apart, each
request leaves once, and the token goes to one place only."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.clients.limits import LocalLimits
from safelight.clients.replicate_answers import page_of, run_of
from safelight.clients.replicate_faults import told_apart
from safelight.clients.replicate_http import Http
from safelight.domain.errors import NotFound, ProviderRefused, Retryable
from safelight.domain.provider import Accepted, NotSent, Refused, RemoteStatus, Unknown
from safelight.scratch import OwnDisk

API = "https://api.replicate.com"
RUN = {"id": "8n13jh44v5rm60cjpm9b06dhym", "status": "starting"}
Answer = Callable[[httpx.Request], httpx.Response]


class Network:
    """What left the process, and what comes back."""

    def __init__(self, answer: Answer | httpx.Response | Exception) -> None:
        self.sent: list[httpx.Request] = []
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer if isinstance(self._answer, httpx.Response) else self._answer(request)


def client(network: Network) -> Http:
    transport = httpx.MockTransport(network)
    return Http(
        "r8_secret", API, ("replicate.delivery",), limits=LocalLimits(), transport=transport
    )


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


# A paid request.


@pytest.mark.parametrize(
    ("came", "ending"),
    [
        (answer(201, RUN), Accepted),
        (answer(202, RUN), Accepted),
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("no route"), NotSent),
        (httpx.PoolTimeout("busy"), NotSent),
        (answer(400, {"detail": "bad"}), Refused),
        (answer(401, {"detail": "token"}), Refused),
        (answer(402, {"detail": "credit"}), Refused),
        (answer(404, {"detail": "destination"}), Refused),
        (answer(409, {"detail": "conflict"}), Refused),
        (answer(422, {"detail": "input"}), Refused),
        (answer(429, {"detail": "slow down"}), Refused),
        (httpx.ReadTimeout("silent"), Unknown),
        (httpx.WriteTimeout("stuck"), Unknown),
        (httpx.ReadError("reset"), Unknown),
        (httpx.WriteError("reset"), Unknown),
        (httpx.RemoteProtocolError("cut"), Unknown),
        (answer(500, {"detail": "oops"}), Unknown),
        (httpx.Response(502, text="<html>Bad Gateway</html>"), Unknown),
        (answer(503), Unknown),
        (answer(302, None, location="https://elsewhere.example/"), Unknown),
        (httpx.Response(201, text="<html>hello</html>"), Unknown),
        (httpx.Response(201, content=b""), Unknown),
        (answer(201, []), Unknown),
        (answer(201, None), Unknown),
        (answer(201, {"status": "starting"}), Unknown),
        (answer(201, {"id": None, "status": "starting"}), Unknown),
        (answer(201, {"id": "x", "status": "dreaming"}), Unknown),
    ],
)
def test_each_ending_of_a_paid_request_is_told_apart_and_one_request_leaves(
    came: httpx.Response | Exception, ending: type
) -> None:
    """I2: no retry at any layer, and what may be running is never called refused or not sent."""
    network = Network(came)
    assert isinstance(client(network).create("/v1/predictions", {"input": {}}), ending)
    assert len(network.sent) == 1
    assert network.sent[0].method == "POST"


@pytest.mark.parametrize(
    ("came", "wait"),
    [
        (answer(429, {"detail": "x"}, retry_after="3600"), 3600.0),
        (answer(429, {"detail": "x", "retry_after": 30}), 30.0),
        (answer(429, {"detail": "x", "retry_after": 30}, retry_after="7"), 7.0),
        (answer(429, {"detail": "x"}, retry_after="-5"), 0.0),
        (answer(429, {"detail": "x"}, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), None),
        (answer(429, ["x"]), None),
        (httpx.Response(429, text="slow down"), None),
    ],
)
def test_a_refusal_says_how_long_to_wait_where_the_provider_did(
    came: httpx.Response, wait: float | None
) -> None:
    refused = client(Network(came)).create("/v1/predictions", {})
    assert isinstance(refused, Refused)
    assert refused.retry_after == wait


def test_a_refusal_carries_the_providers_reason() -> None:
    body = {"title": "Input validation failed", "detail": "- webhook: Not a valid HTTPS URL\n"}
    refused = client(Network(answer(422, body))).create("/v1/predictions", {})
    assert refused == Refused(422, "- webhook: Not a valid HTTPS URL", None)


# Reads.


@pytest.mark.parametrize(
    ("came", "error"),
    [
        (answer(404, {"detail": "x"}), NotFound),
        (answer(401, {"detail": "x"}), ProviderRefused),
        (answer(403, {"detail": "x"}), ProviderRefused),
        (answer(302, None, location="https://elsewhere.example/"), ProviderRefused),
        (answer(408, {"detail": "x"}), Retryable),
        (answer(429, {"detail": "x"}), Retryable),
        (answer(500), Retryable),
        (httpx.Response(502, text="<html>"), Retryable),
        (httpx.Response(200, text="<html>maintenance</html>"), Retryable),
        (httpx.ReadTimeout("silent"), Retryable),
        (httpx.ConnectError("refused"), Retryable),
    ],
)
def test_a_read_tells_a_missing_run_from_a_passing_fault(
    came: httpx.Response | Exception, error: type[Exception]
) -> None:
    network = Network(came)
    with pytest.raises(error):
        client(network).read("/v1/trainings/x")
    assert len(network.sent) == 1, "the caller retries, not we"


def test_a_throttled_read_hands_the_wait_on() -> None:
    with pytest.raises(Retryable) as caught:
        client(Network(answer(429, {"detail": "x"}, retry_after="3600"))).read("/v1/trainings")
    assert caught.value.after == 3600


def test_a_token_that_is_not_accepted_is_said_with_the_way_out() -> None:
    assert "Check REPLICATE_API_TOKEN" in str(told_apart(401, "the account", "no"))


# What a run looks like.


def test_a_run_of_the_wire_is_read_with_its_times_to_the_microsecond() -> None:
    """replicate.md 2.2: fractions of 3 to 9 digits."""
    run = run_of(
        {
            "id": "e8060w1za1rm00chtfdvbz25m4",
            "status": "succeeded",
            "created_at": "2024-09-08T22:57:26.864Z",
            "started_at": "2024-09-08T22:57:26.893227142Z",
            "metrics": {"predict_time": 1674.940257378, "total_time": 1674.948584},
            "output": {"version": "a/b:c", "weights": "https://replicate.delivery/x.tar"},
        }
    )
    assert run.created_at == datetime(2024, 9, 8, 22, 57, 26, 864000, tzinfo=UTC)
    assert run.started_at == datetime(2024, 9, 8, 22, 57, 26, 893227, tzinfo=UTC)
    assert (run.predict_seconds, run.completed_at, run.logs) == (1674.940257378, None, None)


def test_aborted_is_an_ending_that_the_official_client_would_choke_on() -> None:
    """replicate.md 0.3."""
    assert run_of({"id": "x", "status": "aborted"}).status is RemoteStatus.ABORTED
    assert RemoteStatus.ABORTED.ended


@given(
    st.fixed_dictionaries(
        {"id": st.just("x"), "status": st.sampled_from([str(s) for s in RemoteStatus])},
        optional={
            name: st.none() | st.integers() | st.text() | st.lists(st.none()) | st.just({"a": None})
            for name in (
                *("model", "version", "input", "output", "logs", "error", "metrics"),
                *("created_at", "started_at", "completed_at"),
            )
        },
    )
)
def test_a_null_where_an_object_was_expected_loses_no_run(body: dict[str, Any]) -> None:
    run = run_of(body)
    assert run.status == body["status"]
    assert isinstance(run.input, dict)
    assert run.predict_seconds is None


def test_one_run_of_a_status_nobody_knows_hides_no_other_run_of_its_page() -> None:
    """replicate.md 0.3: the official client loses the whole page."""
    page = page_of({"next": None, "results": [RUN, {"id": "y", "status": "dreaming"}, None, RUN]})
    assert [run.id for run in page.runs] == [RUN["id"]] * 2
    assert page.unread == 2


@pytest.mark.parametrize("body", [None, [], "x", {}, {"results": None}])
def test_a_page_that_is_none_is_asked_for_again(body: Any) -> None:
    with pytest.raises(Retryable):
        page_of(body)


# Where the token goes.


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v1/trainings?cursor=x",
        "http://api.replicate.com/v1/trainings?cursor=x",
        "https://api.replicate.com@elsewhere.example/v1/trainings",
        "https://api.replicate.com:8443/v1/trainings",
        "//elsewhere.example/v1/trainings",
    ],
)
def test_a_cursor_that_leads_away_from_the_api_is_not_followed(url: str) -> None:
    """replicate.md 0.11: an absolute cursor would take the token to whatever host it names."""
    network = Network(answer(200, {}))
    with pytest.raises(ProviderRefused, match="another host"):
        client(network).read(url)
    assert network.sent == []


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://api.replicate.com/v1/files/x/download", True),
        ("https://replicate.delivery/xezq/abc/out-0.webp", False),
        ("https://pbxt.replicate.delivery/abc/trained_model.tar", False),
    ],
)
def test_an_output_is_fetched_without_our_token_unless_it_lies_at_the_api(
    tmp_path: Path, url: str, token: bool
) -> None:
    network = Network(httpx.Response(200, content=b"image"))
    got = client(network).download(url, tmp_path / "x", limit=100)
    assert ("authorization" in network.sent[0].headers) is token
    assert (got.bytes, got.sha256) == (5, hashlib.sha256(b"image").hexdigest())
    assert (tmp_path / "x").read_bytes() == b"image"


@pytest.mark.parametrize(
    "url",
    [
        "http://replicate.delivery/x",
        "http://api.replicate.com/x",
        "https://evilreplicate.delivery/x",
        "https://replicate.delivery.example/x",
        "https://replicate.delivery@elsewhere.example/x",
        "file:///etc/passwd",
        "data:text/plain,x",
    ],
)
def test_an_output_that_lies_elsewhere_is_not_fetched(tmp_path: Path, url: str) -> None:
    network = Network(httpx.Response(200, content=b"x"))
    with pytest.raises(ProviderRefused, match="not the provider's"):
        client(network).download(url, tmp_path / "x", limit=100)
    assert network.sent == []


def test_a_redirect_of_an_output_is_not_followed(tmp_path: Path) -> None:
    moved = answer(302, None, location="https://elsewhere.example/x")
    network = Network(moved)
    with pytest.raises(ProviderRefused):
        client(network).download("https://replicate.delivery/x", tmp_path / "x", limit=100)
    assert len(network.sent) == 1


# Downloads.


def stream(*pieces: bytes, fault: Exception | None = None) -> Any:
    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield from pieces
            if fault is not None:
                raise fault

    return Body()


def fetch(response: httpx.Response, path: Path, limit: int = 100) -> Any:
    return client(Network(response)).download("https://replicate.delivery/x", path, limit=limit)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_output_that_has_expired_is_not_found(tmp_path: Path, status: int) -> None:
    with pytest.raises(NotFound):
        fetch(httpx.Response(status), tmp_path / "x")


def test_a_download_shorter_than_announced_is_tried_again(tmp_path: Path) -> None:
    short = httpx.Response(200, headers={"content-length": "9"}, stream=stream(b"1234"))
    with pytest.raises(Retryable, match="ended at 4 of 9 bytes"):
        fetch(short, tmp_path / "x")


def test_a_download_that_is_reset_is_tried_again(tmp_path: Path) -> None:
    broken = httpx.Response(200, stream=stream(b"1234", fault=httpx.ReadError("reset")))
    with pytest.raises(Retryable, match="broke off"):
        fetch(broken, tmp_path / "x")


def test_more_than_the_limit_is_refused_announced_or_not(tmp_path: Path) -> None:
    announced = httpx.Response(200, headers={"content-length": "101"}, stream=stream(b""))
    with pytest.raises(ProviderRefused, match="over the limit of 100 bytes"):
        fetch(announced, tmp_path / "x")
    with pytest.raises(ProviderRefused, match="over the limit of 100 bytes"):
        fetch(httpx.Response(200, stream=stream(b"x" * 60, b"x" * 60)), tmp_path / "x")


def test_a_small_answer_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(10_000))
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed)
    with pytest.raises(ProviderRefused, match="over the limit"):
        fetch(response, tmp_path / "x")


def test_a_full_disk_of_ours_is_a_passing_fault_and_names_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("/dev/full")
    said = httpx.Response(200, headers={"content-length": "9"}, stream=stream(b"1234", b"56789"))
    with pytest.raises(OwnDisk, match=r"is full: .* 9 more are needed"):
        fetch(said, tmp_path / "x")
    with pytest.raises(OwnDisk, match="is full"):
        fetch(httpx.Response(200, stream=stream(b"1234")), tmp_path / "x")


def test_an_output_for_which_there_is_no_room_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may live on the same disk."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50))
    said = httpx.Response(200, headers={"content-length": "60"}, stream=stream(b"1" * 60))
    with pytest.raises(OwnDisk, match=r"50 bytes are free and 60 more are needed"):
        fetch(said, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "abc"])
def test_a_length_that_is_no_number_is_as_none(tmp_path: Path, length: str) -> None:
    said = httpx.Response(200, headers=[(b"content-length", length.encode())], stream=stream(b"12"))
    assert fetch(said, tmp_path / "x").bytes == 2
