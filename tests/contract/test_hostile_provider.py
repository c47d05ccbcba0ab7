"""Our client against what a faithful provider never does: every answer is bounded in size and time, every
fault is named for what it is, and only a connection that is not there 'cannot be reached'."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from safelight.clients import replicate_http, replicate_outputs
from safelight.clients.replicate import ReplicateProvider
from safelight.domain.errors import (
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
    Unavailable,
    Unreadable,
)
from safelight.domain.provider import Accepted, NotSent, Refused, Submission, Unknown
from safelight.stages.poll import InFlight, Memory, Seen, watch
from tests.support.emulator import TOKEN, free_port
from tests.support.hostile import (
    Answer,
    Hostile,
    bomb,
    hostile,
    pour,
    raw,
    reply,
    silence,
    trickle,
)

ID = "8n13jh44v5rm60cjpm9b06dhym"
RUN = {"id": ID, "status": "starting"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HTML = "<html><body>Please sign in to the guest network</body></html>"


@contextmanager
def client(url: str, token: str = TOKEN, **more: Any) -> Iterator[ReplicateProvider]:
    provider = ReplicateProvider(token, url, timeout=more.pop("timeout", 0.5), **more)
    yield provider
    provider.close()


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile(reply(200, RUN)) as found:
        yield found


@pytest.fixture
def provider(server: Hostile) -> Iterator[ReplicateProvider]:
    with client(server.url) as found:
        yield found


def create(provider: ReplicateProvider) -> Submission:
    return provider.create_prediction(version="a" * 64, input={"prompt": "x"}, webhook=None)


def fault(provider: ReplicateProvider) -> SafelightError:
    with pytest.raises(SafelightError) as caught:
        provider.get_training(ID)
    assert TOKEN not in str(caught.value)
    return caught.value


# Answers of any size, in any time.


UNBOUNDED: dict[str, Answer] = {
    "that is announced as too long": raw(HEAD + b"Content-Length: 99999999999\r\n\r\n{"),
    "that has no end": pour(b"x" * 1_000_000, 200, head=HEAD + b"\r\n"),
    "that unpacks to hundreds of megabytes": reply(200, bomb(), packed="gzip"),
    "that is packed twice": reply(200, gzip.compress(bomb()), packed="gzip, gzip"),
    "that is packed as we did not ask": reply(200, b"x", packed="br"),
    "that is no gzip": reply(200, b"not packed at all", packed="gzip"),
    "that ends early": raw(HEAD + b"Content-Length: 100\r\n\r\n{"),
    "in chunks that are none": raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "that is empty": reply(200, b""),
    "that comes a byte at a time": trickle(b"x" * 1000, first=HEAD + b"\r\n"),
}


@pytest.mark.parametrize("how", UNBOUNDED)
def test_an_answer_without_bounds_is_unreadable_soon_and_in_little_memory(
    server: Hostile, provider: ReplicateProvider, how: str
) -> None:
    server.answer = UNBOUNDED[how]
    started = time.monotonic()
    tracemalloc.start()
    try:
        found = fault(provider)
        assert isinstance(create(provider), Unknown), "it may have been accepted"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, Unreadable), found
    assert "cannot be reached" not in str(found)
    assert peak < 4 * replicate_http.MOST_BYTES
    assert time.monotonic() - started < 30
    assert [head.split(" ")[0] for head in server.heads] == ["GET", "POST"], "each asked once"


def test_an_answer_whose_head_comes_a_byte_at_a_time_is_given_up(
    server: Hostile, provider: ReplicateProvider
) -> None:
    """Each byte comes within the timeout, and the whole of it would take a day."""
    server.answer = trickle(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)
    started = time.monotonic()
    found = fault(provider)
    assert "did not answer in time" in str(found)
    assert isinstance(create(provider), Unknown)
    assert time.monotonic() - started < 10


def test_an_output_that_drips_for_ever_is_given_up(
    server: Hostile, provider: ReplicateProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicate_outputs, "DOWNLOAD_SECONDS", 1.0)
    server.answer = trickle(b"x" * 1000, first=HEAD + b"\r\n")
    started = time.monotonic()
    with pytest.raises(Retryable, match="broke off at"):
        provider.download(f"{server.url}/out", tmp_path / "x", limit=10_000)
    assert time.monotonic() - started < 30


def test_a_refusal_of_any_size_is_read_as_far_as_it_is_needed(
    server: Hostile, provider: ReplicateProvider
) -> None:
    head = b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n"
    server.answer = pour(b"x" * 100_000, 2_000, head=head)
    assert isinstance(fault(provider), Retryable)
    server.answer = reply(422, {"detail": "y" * 1_000_000 + "\x1b]0;owned\x07"})
    refused = create(provider)
    assert isinstance(refused, Refused)
    server.answer = reply(422, {"detail": "\x1b[2J\u202edetail\x00"})
    refused = create(provider)
    assert isinstance(refused, Refused)
    assert refused.detail == "\\x1b[2J\\u202edetail\\x00"


def test_the_detail_of_a_refusal_is_bounded(server: Hostile, provider: ReplicateProvider) -> None:
    server.answer = reply(422, {"detail": "y" * 20_000})
    refused = create(provider)
    assert isinstance(refused, Refused)
    assert len(refused.detail) <= 1_000
    with pytest.raises(ProviderRefused) as caught:
        provider.get_training(ID)
    assert len(str(caught.value)) < 1_300


def test_the_detail_of_a_refusal_may_be_of_any_shape(
    server: Hostile, provider: ReplicateProvider
) -> None:
    server.answer = reply(422, '{"detail": ' + "[" * 800 + "]" * 800 + "}")
    assert isinstance(fault(provider), ProviderRefused)
    assert isinstance(create(provider), Refused)


@pytest.mark.parametrize("wait", ["1e400", "inf", "nan", "1e9", "9" * 5_000])
def test_no_answer_can_hold_us_up_for_longer_than_an_hour(
    server: Hostile, provider: ReplicateProvider, wait: str
) -> None:
    server.answer = reply(503, {"detail": "x"}, retry_after=wait)
    after = fault(provider).after  # type: ignore[attr-defined]
    assert after is None or after <= 3600


# Whose answer it is.


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 407, 410, 422])
@pytest.mark.parametrize("body", [HTML, ""], ids=["a page", "nothing"])
def test_an_answer_that_is_not_the_providers_own_says_nothing_of_the_run(
    server: Hostile, provider: ReplicateProvider, status: int, body: str
) -> None:
    """A sign-in page's 404 must not be 'the run is gone', nor its 401 'the token is not accepted'."""
    server.answer = reply(status, body, type="text/html; charset=utf-8")
    found = fault(provider)
    assert isinstance(found, Unreadable)
    assert f"answered {status} with what is not the provider's JSON (text/html)" in found.message
    assert HTML not in str(found)
    with pytest.raises(Unreadable):
        provider.version_exists("acme/x", "b" * 64)
    with pytest.raises(Unreadable):
        provider.delete_version("acme/x", "b" * 64) if status >= 400 else provider.account()
    ending = create(provider)
    assert isinstance(ending, Unknown if status < 300 else Refused)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://portal.example/login?token=secret", "https://portal.example"),
        ("//elsewhere.example/", "https://elsewhere.example"),
        ("/v1/elsewhere", "another path"),
        ("", "nowhere"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_named_with_where_it_leads_and_not_followed(
    server: Hostile, provider: ReplicateProvider, status: int, location: str, said: str
) -> None:
    server.answer = reply(status, HTML, type="text/html", location=location)
    found = fault(provider)
    assert isinstance(found, ProviderRefused)
    assert f"answered {status}, a redirect to {said}, which" in found.message
    assert "secret" not in str(found)
    assert "REPLICATE_BASE_URL" in (found.hint or "")
    assert isinstance(create(provider), Unknown)
    assert len(server.heads) == 2


# Why there is no answer.


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (raw(b""), "broke off, or does not speak HTTP"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "broke off, or does not speak HTTP"),
        (raw(b"\x16\x03\x01\x02\x00" * 10), "broke off, or does not speak HTTP"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "does not speak HTTP"),
        (reply(302, location="https://[::1"), "Invalid URL in location header"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000), "does not speak HTTP"),
        (silence(3), "took the request and did not answer in time"),
    ],
    ids=[
        "it closes",
        "ssh",
        "tls",
        "an odd length",
        "a redirect to nowhere",
        "endless headers",
        "silence",
    ],
)
def test_what_came_in_place_of_an_answer_is_named(
    server: Hostile, provider: ReplicateProvider, answer: Answer, said: str
) -> None:
    server.answer = answer
    found = fault(provider)
    assert isinstance(found, Retryable)
    assert said in found.message
    assert "cannot be reached" not in str(found)
    assert isinstance(create(provider), Unknown), "it left, and may have been accepted"


def test_a_certificate_that_nobody_signed_is_named(tmp_path: Path) -> None:
    with hostile(reply(200, RUN), tls=tmp_path) as server, client(server.url) as provider:
        found = fault(provider)
        assert isinstance(found, Unavailable)
        assert "TLS certificate of 127.0.0.1" in found.message
        assert "self-signed" in found.message
        assert "cannot be reached" not in str(found)
        ending = create(provider)
        assert isinstance(ending, NotSent)
        assert "certificate" in ending.detail
        assert server.heads == []


def test_a_server_without_tls_is_named(server: Hostile) -> None:
    with client(server.url.replace("http:", "https:")) as provider:
        assert "does not speak TLS as it should" in str(fault(provider))
        assert isinstance(create(provider), NotSent)


def test_a_name_that_dns_does_not_know_and_a_port_where_nobody_listens_are_named() -> None:
    with client("http://no-such-host.invalid") as provider:
        found = fault(provider)
        assert isinstance(found, Unavailable)
        assert "the name no-such-host.invalid is not known to DNS" in found.message
        assert isinstance(create(provider), NotSent)
    with client(f"http://127.0.0.1:{free_port()}") as provider:
        assert "refuses connections" in str(fault(provider))
        assert isinstance(create(provider), NotSent)


# What we ourselves have set.


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (TOKEN + "\n", "character 41 of 41 is a line end (U+000A)"),
        (TOKEN + "\r\n", "character 41 of 42 is a carriage return"),
        (" " + TOKEN, "character 1 of 41 is a blank"),
        (TOKEN[:5] + "\t" + TOKEN[5:], "character 6 of 41 is a tab"),
        (TOKEN + "\x00", "is NUL"),
        ("\ufeff" + TOKEN, "character 1 of 41 is a byte order mark"),
        (TOKEN + "ü", "(U+00FC)"),
        ("\u200b" + TOKEN, "(U+200B)"),
        ("\ud800" + TOKEN, "(U+D800)"),
        (f"Bearer {TOKEN}", "begins with the word that stands before a token"),
        ("", "is empty"),
    ],
)
def test_a_token_that_cannot_be_sent_is_named_and_nothing_leaves(
    server: Hostile, token: str, said: str
) -> None:
    with client(server.url, token) as provider:
        calls: list[Callable[[], Any]] = [
            provider.account,
            lambda: provider.latest_version("acme/x"),
            lambda: provider.ensure_model("acme/x"),
            lambda: provider.get_training(ID),
            lambda: provider.cancel_training(ID),
            provider.list_predictions,
            lambda: provider.delete_model("acme/x"),
        ]
        for call in calls:
            with pytest.raises(TokenRefused) as caught:
                call()
            assert said in caught.value.message
            assert "REPLICATE_API_TOKEN" in caught.value.message
            assert caught.value.hint
            assert TOKEN.strip() not in str(caught.value)
        ending = create(provider)
        assert isinstance(ending, NotSent)
        assert said in ending.detail
        assert TOKEN not in ending.detail
    assert server.heads == []


def test_a_token_that_is_not_accepted_and_looks_odd_is_told_so(server: Hostile) -> None:
    server.answer = reply(401, {"detail": "You did not pass a valid authentication token"})
    with client(server.url, f'"{TOKEN}"') as provider:
        found = fault(provider)
        assert isinstance(found, TokenRefused)
        assert found.hint == "Check REPLICATE_API_TOKEN. It does not begin with r8_."


@pytest.mark.parametrize(
    "url",
    ["api.replicate.com", "ftp://api.replicate.com", "https://", "http://[::1", "http://a:b:c",
     "https://me:hunter2@api.replicate.com", "https://a.example/?key=hunter2", "https://a\nb/", "",
     "https://a.example:99999"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_named_and_not_echoed(url: str) -> None:
    with client(url) as provider:
        found = fault(provider)
        assert isinstance(found, ProviderRefused)
        assert "REPLICATE_BASE_URL" in found.message
        assert "hunter2" not in str(found)
        assert isinstance(create(provider), NotSent)


def test_the_address_may_end_in_v1_as_the_official_clients_next_line_has_it(
    server: Hostile,
) -> None:
    with client(server.url + "/v1/") as provider:
        assert provider.get_training(ID).id == ID
    assert server.paths == [f"/v1/trainings/{ID}"]


def test_an_input_that_no_json_can_hold_is_not_sent(
    server: Hostile, provider: ReplicateProvider
) -> None:
    for odd in (float("nan"), "\ud800", object()):
        ending = provider.create_prediction(version="a", input={"prompt": odd}, webhook=None)
        assert isinstance(ending, NotSent)
        assert "cannot be written out" in ending.detail
    assert server.heads == []


# Names in paths that are asked for with our token.


@pytest.mark.parametrize(
    "id",
    [f"{ID}?a", f"{ID}/", f"../predictions?x=/../account#{ID}", f"{ID}/cancel", f"{ID}#", "..",
     f"{ID}%2f", f" {ID}", f"{ID}\n", "ä", "", "x" * 65, "\ud800"],
)  # fmt: skip
def test_an_id_that_is_none_is_asked_for_nowhere(
    server: Hostile, provider: ReplicateProvider, id: str
) -> None:
    for call in (
        provider.get_training,
        provider.get_prediction,
        provider.cancel_training,
        provider.cancel_prediction,
    ):
        with pytest.raises(NotFound):
            call(id)
    assert server.heads == []


@pytest.mark.parametrize(
    "model",
    ["acme", "acme/", "/x", "acme/x/y", "acme/..", "../x", "acme/x?y", "acme/x#y", "ac me/x",
     "acme/x%2f..", "a" * 101 + "/x", "acme/\ud800", ""],
)  # fmt: skip
def test_a_model_whose_name_is_none_is_asked_for_nowhere(
    server: Hostile, provider: ReplicateProvider, model: str
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: provider.latest_version(model),
        lambda: provider.version_schema(model, "b" * 64),
        lambda: provider.ensure_model(model),
        lambda: provider.list_versions(model),
        lambda: provider.version_exists(model, "b" * 64),
        lambda: provider.delete_version(model, "b" * 64),
        lambda: provider.delete_model(model),
    ]
    for call in calls:
        with pytest.raises(ProviderRefused) as caught:
            call()
        assert (caught.value.code, caught.value.status) == ("invalid", 422)
        str(caught.value).encode()
    sent = provider.create_training(
        trainer=model, version="b" * 64, destination="acme/x", input={}, webhook=None
    )
    assert isinstance(sent, NotSent)
    assert server.heads == []


@pytest.mark.parametrize("version", ["", "..", "a/b", "a?b", "a b", "b" * 101])
def test_a_version_whose_id_is_none_is_not_gone(
    server: Hostile, provider: ReplicateProvider, version: str
) -> None:
    with pytest.raises(ProviderRefused):
        provider.version_exists("acme/x", version)
    with pytest.raises(ProviderRefused):
        provider.delete_version("acme/x", version)
    assert server.heads == []


def test_an_answer_about_another_run_is_not_this_ones(
    server: Hostile, provider: ReplicateProvider
) -> None:
    other = "yhyxz6wh8nrme0cm2cqr2yxkqc"
    for call in (provider.get_training, provider.get_prediction):
        with pytest.raises(Unreadable, match=f"asked for {other} and answered with {ID}"):
            call(other)


def test_a_cookie_is_not_kept(server: Hostile, provider: ReplicateProvider) -> None:
    """Whoever answers must not make our next requests longer, until they are refused."""
    server.answer = reply(200, RUN, set_cookie="a=" + "b" * 3000)
    for _ in range(2):
        provider.get_training(ID)
    assert "cookie" not in server.heads[-1].lower()


# The watch, over a list that one run has poisoned.


def flying(count: int) -> list[InFlight]:
    return [InFlight(uuid4(), f"run{n:023d}", 600.0 + n) for n in range(count)]


class Pulse:
    def check(self) -> None:
        pass


def looked_at(provider: ReplicateProvider, runs: list[InFlight]) -> set[str]:
    seen: list[Seen] = []
    watch(
        runs,
        provider.get_training,
        provider.list_trainings,
        Pulse(),
        seen.extend,
        Memory(),
        vanished_seconds=1800,
    )
    return {one.run.id for one in seen if one.run}


def served(runs: list[InFlight], of_list: Answer) -> Answer:
    """The list as it is given, and each run by itself."""

    def go(connection: Any, head: str) -> None:
        path = head.split(" ")[1]
        if path.startswith("/v1/trainings/"):
            body = {"id": path.rpartition("/")[2], "status": "processing", "logs": "x"}
            reply(200, body)(connection, head)
        else:
            of_list(connection, head)

    return go


POISONED: dict[str, Any] = {
    "a list over the limit": pour(b" " * 1_000_000, 100, head=HEAD + b"\r\n"),
    "a list that is cut": raw(HEAD + b"Content-Length: 100\r\n\r\n["),
    "a list that the provider cannot make": reply(500, {"detail": "x"}),
    "a list that leads elsewhere": reply(
        200, {"next": "https://elsewhere.example/v1/trainings", "results": []}
    ),
    "a list that leads back": reply(200, {"next": "/v1/trainings?cursor=a", "results": []}),
    "a list of nothing": reply(200, {"next": None, "results": [None, {"id": "\x00"}, 7]}),
}


@pytest.mark.parametrize("how", POISONED)
def test_the_watch_sees_runs_behind_a_list_that_is_of_no_use(
    server: Hostile, provider: ReplicateProvider, how: str
) -> None:
    runs = flying(12)
    server.answer = served(runs, POISONED[how])
    assert looked_at(provider, runs) == {run.provider_id for run in runs}
    assert not [path for path in server.paths if "elsewhere" in path]


def test_one_run_of_a_page_that_is_all_poison_hides_none_of_the_others(
    server: Hostile, provider: ReplicateProvider
) -> None:
    runs = flying(12)
    items = [
        f'{{"id":"{run.provider_id}","status":"processing","created_at":"2026-11-28T03:00:00Z"}}'
        for run in runs[1:]
    ]
    poison = (
        f'{{"id":"{runs[0].provider_id}","status":"processing","error":"\\u0000\\ud83d",'
        f'"output":{"[" * 5000}{"]" * 5000},"input":{{"seed":1{"0" * 5000},"a":NaN}},'
        '"metrics":{"predict_time":1e999},"created_at":"0000-00-00","id2":"\xff\x01"}'
    ).encode("latin-1")
    body = b'{"next":null,"results":[' + b",".join([poison, *(i.encode() for i in items)]) + b"]}"
    server.answer = served(runs, reply(200, body))
    assert looked_at(provider, runs) == {run.provider_id for run in runs}
    assert server.paths == ["/v1/trainings"], "the one page told all"


def test_a_paid_request_that_is_answered_with_poison_is_accepted_all_the_same(
    server: Hostile, provider: ReplicateProvider
) -> None:
    server.answer = reply(201, {**RUN, "logs": "\x00\ud800", "error": 7, "output": "\x00"})
    ending = create(provider)
    assert isinstance(ending, Accepted)
    assert ending.run.id == ID
