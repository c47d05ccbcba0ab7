"""What a store that refuses or is away says: what passes is told from what a person has to mend."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.clients.s3 import S3Store
from safelight.domain.errors import ObjectMissing, Retryable, StoreRefused, Unfinished
from tests.support.certificates import Certificates
from tests.support.strict_s3 import (
    ACCESS,
    AWS,
    R2,
    SECRET,
    StrictS3,
    strict_s3,
    temporary_keys,
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StrictS3, S3Store]]:
    with strict_s3(AWS, tmp_path_factory.mktemp("tls")) as server:
        store = at(server)
        yield server, store
        store.close()


@pytest.fixture
def server(aws: tuple[StrictS3, S3Store]) -> Iterator[StrictS3]:
    yield aws[0]
    aws[0].reset(AWS)


@pytest.fixture
def store(aws: tuple[StrictS3, S3Store], server: StrictS3) -> S3Store:
    return aws[1]


def at(server: StrictS3, **more: Any) -> S3Store:
    return S3Store(
        server.bucket,
        **{
            "endpoint_url": server.url,
            "access_key": ACCESS,
            "secret_key": SECRET,
            "region": server.dialect.region,
            "ca_bundle": server.ca,
            **more,
        },
    )


CALLS: dict[str, Callable[[S3Store], Any]] = {
    "put": lambda s: s.put_bytes("photos/k", b"1", "text/plain"),
    "get": lambda s: s.get_bytes("photos/k"),
    "head": lambda s: s.head("photos/k"),
    "copy": lambda s: s.copy("photos/k", "photos/l"),
    "list": lambda s: list(s.list("photos/")),
    "page": lambda s: s.page("photos/", 10),
    "delete": lambda s: s.delete(["photos/k"]),
}

PASSING = [
    (503, "SlowDown", "busy"),
    (500, "InternalError", "busy"),
    (503, "ServiceUnavailable", "busy"),
    (409, "OperationAborted", "busy"),
    (429, "TooManyRequests", "busy"),
    (502, "BadGateway", "busy"),
    (403, "RequestTimeTooSkewed", "clock of this machine"),
    (400, "ExpiredToken", "session token .* has expired"),
    (400, "TokenRefreshRequired", "session token"),
    (400, "InvalidToken", "session token"),
    (507, "InsufficientStorage", "no room"),
    (403, "QuotaExceeded", "no room"),
    (400, "EntityTooLarge", "no room"),
    (507, "XMinioStorageFull", "no room"),
    (400, "XMinioAdminBucketQuotaExceeded", "no room"),
    (400, "BadDigest", "damaged"),
]
REFUSED = [
    (403, "AccessDenied", "does not allow our keys", "get, put, delete and list"),
    (403, "InvalidAccessKeyId", "does not know our access key", "AWS_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", "does not take our signature", "AWS_SECRET_ACCESS_KEY"),
    (403, "AccountProblem", "account .* has a problem", "bill"),
    (403, "AllAccessDisabled", "account .* closed", "owner"),
    (400, "KMS.DisabledException", "key that .* is encrypted with", "KMS"),
    (403, "InvalidObjectState", "archive class", "Restore"),
    (404, "NoSuchBucket", "no bucket 'acme'", "S3_BUCKET"),
    (501, "NotImplemented", "does not have the request", "doctor"),
    (405, "MethodNotAllowed", "does not have the request", "doctor"),
    (400, "SomethingNew", "SomethingNew: in its own words", "doctor"),
]


@pytest.mark.parametrize(("status", "code", "says"), PASSING, ids=lambda v: str(v)[:30])
def test_what_passes_by_itself_is_tried_again_and_named(
    server: StrictS3, store: S3Store, status: int, code: str, says: str
) -> None:
    for name, call in CALLS.items():
        server.fail(status, code, times=6)
        with pytest.raises(Retryable, match=says) as passing:
            call(store)
        assert not isinstance(passing.value, Unfinished), name
        assert "cannot be reached" not in str(passing.value)
        assert "rights" not in str(passing.value).lower()
        server.reset(AWS)


@pytest.mark.parametrize(("status", "code", "says", "way_out"), REFUSED, ids=lambda v: str(v)[:30])
def test_what_a_person_has_to_mend_is_refused_with_the_way_out(
    server: StrictS3, store: S3Store, status: int, code: str, says: str, way_out: str
) -> None:
    for name, call in CALLS.items():
        if name == "delete" and status in (501, 405):
            continue  # then keys are deleted one by one
        server.fail(status, code, "in its own words", times=6)
        with pytest.raises(StoreRefused, match=says) as refused:
            call(store)
        assert refused.value.hint is not None
        assert way_out in refused.value.hint
        server.reset(AWS)


def test_what_the_store_says_is_shown_clean_and_short(server: StrictS3, store: S3Store) -> None:
    server.fail(400, "Odd\x85Code" + "x" * 500, "first\u202eline" + "y" * 5000)
    with pytest.raises(StoreRefused) as refused:
        store.put_bytes("k", b"1", "text/plain")
    said = str(refused.value)
    assert "\x85" not in said
    assert "\u202e" not in said
    assert len(said) < 600


@pytest.mark.parametrize(
    ("ahead", "says"), [(3600, r"60 min behind"), (-5 * 3600, r"5 h ahead of"), (1200, "20 min")]
)
def test_a_clock_that_is_off_is_named_with_by_how_much(
    server: StrictS3, store: S3Store, ahead: float, says: str
) -> None:
    server.clock_ahead = ahead
    for call in CALLS.values():
        with pytest.raises(Retryable, match=f"clock of this machine is {says}"):
            call(store)
    server.clock_ahead = 0
    CALLS["put"](store)


def test_a_store_that_calls_a_wrong_clock_a_missing_right_is_seen_through(
    server: StrictS3, store: S3Store
) -> None:
    """Its Date says what its words do not."""
    server.clock_ahead = 1800
    server.fail(403, "AccessDenied", times=2)
    with pytest.raises(Retryable, match="30 min behind"):
        store.get_bytes("k")


def test_the_region_that_a_bucket_lies_in_is_named(
    server: StrictS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no request is led there: a link could not follow."""
    wrong = at(server, region="us-east-1")
    for name, call in CALLS.items():
        with pytest.raises(StoreRefused, match=r"lies in the region eu-central-1") as refused:
            call(wrong)
        assert refused.value.hint is not None, name
        assert "AWS_REGION=eu-central-1" in refused.value.hint
    assert not server.objects
    wrong.close()
    with strict_s3(R2, tmp_path) as other:
        wrong = at(other, region="eu-west-9")
        for call in CALLS.values():
            with pytest.raises(StoreRefused, match="lies in the region auto"):
                call(wrong)
        wrong.close()


def test_keys_that_end_are_taken_with_their_token_and_told_once_they_have_ended(
    server: StrictS3,
) -> None:
    keys = temporary_keys(3600)
    server.keys = keys["server"]
    good = at(server, **keys["client"])
    good.put_bytes("photos/k", b"1", "text/plain")
    assert good.head("photos/k") is not None
    good.close()
    for token, kind, says in (
        (None, StoreRefused, "temporary one, and no session token"),
        ("another", Retryable, "session token"),
    ):
        wrong = at(server, **{**keys["client"], "session_token": token})
        for call in CALLS.values():
            with pytest.raises(kind, match=says):
                call(wrong)
        wrong.close()
    ended = temporary_keys(-10)
    server.keys = ended["server"]
    late = at(server, **{**ended["client"], "keys_end": None})
    for call in CALLS.values():
        with pytest.raises(Retryable, match=r"has expired"):
            call(late)
    late.close()


def test_a_copy_that_is_answered_with_200_and_an_error_is_no_copy(
    server: StrictS3, store: S3Store
) -> None:
    store.put_bytes("photos/k", b"1", "text/plain")
    copies = lambda asked: "x-amz-copy-source" in asked.headers  # noqa: E731
    server.fail(200, "SlowDown", times=4, when=copies)
    with pytest.raises(Retryable, match="SlowDown"):
        store.copy("photos/k", "photos/l")
    assert "photos/l" not in server.objects


def test_keys_that_were_not_deleted_are_told_apart(server: StrictS3, store: S3Store) -> None:
    for code, kind in (("AccessDenied", StoreRefused), ("InternalError", Retryable)):
        server.answer_deletes = {"photos/b": code}
        for name in "abc":
            store.put_bytes(f"photos/{name}", b"1", "text/plain")
        with pytest.raises(kind, match=r"1 of 3 objects were not deleted, the first: 'photos/b'"):
            store.delete([f"photos/{name}" for name in "abc"])
        assert list(server.objects) == ["photos/b"]
    server.answer_deletes = {"photos/b": "NoSuchKey", "photos/c": "AccessDenied"}
    with pytest.raises(StoreRefused, match=r"1 of 3"):
        store.delete([f"photos/{name}" for name in "abc"])
    server.answer_deletes = {"photos/b": "NoSuchKey"}
    store.delete(["photos/b"])


def test_single_deletes_that_are_forbidden_end_at_the_first(server: StrictS3) -> None:
    mine = at(server)
    server.fail(501, "NotImplemented")
    server.fail(403, "AccessDenied", times=100, when=lambda asked: asked.method == "DELETE")
    with pytest.raises(StoreRefused, match="does not allow"):
        mine.delete([f"photos/{n}" for n in range(50)])
    assert len(server.asked("DELETE")) == 1
    mine.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (501, "NotImplemented"),
        (405, "MethodNotAllowed"),
        (400, "MissingContentMD5"),
        (400, "InvalidArgument"),
        (400, "BadDigest"),
        (403, "SignatureDoesNotMatch"),
        (403, "AccessDenied"),
        (400, "MissingRequestBodyError"),
        (404, "SomethingOfItsOwn"),
    ],
)
def test_however_a_store_says_that_it_has_no_many_deletes_keys_are_deleted_one_by_one(
    server: StrictS3, status: int, code: str
) -> None:
    mine = at(server)
    for turn in range(2):
        for name in "abc":
            mine.put_bytes(f"photos/{name}", b"1", "text/plain")
        server.fail(status, code, times=4, when=lambda asked: asked.method == "POST")
        mine.delete([f"photos/{name}" for name in "abc"])
        assert server.objects == {}
        assert len(server.asked("POST")) <= 4, turn
    tried = len(server.asked("POST"))
    mine.delete(["photos/a"])
    assert len(server.asked("POST")) == tried  # remembered
    mine.close()


def test_a_wrong_signature_is_not_taken_for_a_store_without_many_deletes(server: StrictS3) -> None:
    mine = at(server, secret_key="wrong")
    with pytest.raises(StoreRefused, match="does not take our signature"):
        mine.delete(["photos/a"])
    mine.close()


def test_a_missing_bucket_is_no_missing_object(server: StrictS3, store: S3Store) -> None:
    """An erasure that looks for objects must not find none because it looks into no bucket."""
    fresh = at(server)
    server.exists = False
    for call in CALLS.values():
        with pytest.raises(StoreRefused, match="There is no bucket 'acme'"):
            call(fresh)
    server.exists = True
    assert fresh.head("photos/k") is None
    fresh.close()


def test_an_answer_that_is_cut_short_is_tried_again(
    server: StrictS3, store: S3Store, tmp_path: Path
) -> None:
    store.put_bytes("photos/k", b"x" * 3_000_000, "text/plain")
    server.cut = 1_000_000
    with pytest.raises(Retryable):
        store.get_file("photos/k", tmp_path / "got")
    server.cut = None
    assert store.get_file("photos/k", tmp_path / "got").bytes == 3_000_000


def test_a_pause_that_the_store_asks_for_is_passed_on(server: StrictS3, store: S3Store) -> None:
    server.fail(503, "SlowDown", times=6, headers={"retry-after": "17"})
    with pytest.raises(Retryable) as passing:
        store.get_bytes("photos/k")
    assert passing.value.after == 17


# No answer at all.


def test_a_certificate_that_is_not_to_be_trusted_is_named_as_such(
    server: StrictS3, tmp_path: Path
) -> None:
    stranger = Certificates(tmp_path / "other").ca
    for ca, says in ((stranger, "certificate is not accepted"), (None, "certificate is not acc")):
        store = at(server, ca_bundle=ca)
        with pytest.raises(Retryable, match=says) as passing:
            store.head("k")
        assert "AWS_CA_BUNDLE" in str(passing.value)
        assert "cannot be reached" not in str(passing.value)
        store.close()
    with strict_s3(AWS, tmp_path / "elsewhere", host="elsewhere.example") as other:
        store = at(other)
        with pytest.raises(
            Retryable, match=r"not accepted \(it is for another host than localhost"
        ):
            store.head("k")
        store.close()


def test_a_certificate_that_has_ended_is_named(tmp_path: Path) -> None:
    with strict_s3(AWS, tmp_path, lasts=timedelta(hours=1)) as server:
        store = at(server)
        with pytest.raises(Retryable, match="certificate has expired"):
            store.head("k")
        store.close()


def test_a_bundle_that_is_not_there_is_named_before_anything_is_asked(server: StrictS3) -> None:
    with pytest.raises(StoreRefused, match=r"AWS_CA_BUNDLE names /nowhere/ca.pem"):
        at(server, ca_bundle=Path("/nowhere/ca.pem"))


def test_plain_http_at_a_port_that_speaks_tls_and_the_other_way_round_are_told(
    server: StrictS3,
) -> None:
    plain = at(server, endpoint_url=server.url.replace("https", "http"))
    with pytest.raises(Retryable):
        plain.head("k")
    plain.close()
    with page(b"<html>Sign in</html>") as url:
        tls = at(server, endpoint_url=url.replace("http", "https"))
        with pytest.raises(Retryable, match="does not speak TLS") as passing:
            tls.head("k")
        assert "http://" in str(passing.value)
        tls.close()


@contextmanager
def page(body: bytes, status: int = 200) -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 (http.server's names)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_is_no_s3_is_not_taken_for_a_store_without_the_object() -> None:
    for body in (b"<html><body>Sign in, please</body></html>", b"<html><br>Sign in</html>", b"{}"):
        with page(body) as url:
            store = S3Store("acme", endpoint_url=url, access_key="a", secret_key="b")
            for call in (CALLS["list"], CALLS["page"]):  # an erasure would find nothing there
                with pytest.raises(Retryable, match=r"is no S3|busy \(500\)"):
                    call(store)
            store.close()
    with page(b"Client sent an HTTP request to an HTTPS server.\n", 400) as url:
        store = S3Store("acme", endpoint_url=url, access_key="a", secret_key="b")
        with pytest.raises(StoreRefused, match=r"answered 400 .* nothing that a store of S3 says"):
            store.put_bytes("k", b"1", "text/plain")
        store.close()
    with page(b"<html>Not Found</html>", 404) as url:
        store = S3Store("acme", endpoint_url=url, access_key="a", secret_key="b")
        for call in (CALLS["put"], CALLS["list"], CALLS["head"]):
            with pytest.raises(StoreRefused, match=r"no bucket 'acme' at 127\.0\.0\.1"):
                call(store)
        store.close()


def test_why_a_store_cannot_be_reached_is_said() -> None:
    for url, says in (
        ("http://127.0.0.1:9", "127.0.0.1:9 cannot be reached: connection refused"),
        ("http://no-such-host.invalid", "its name is not known"),
    ):
        away = S3Store("b", endpoint_url=url, access_key="a", secret_key="b")
        with pytest.raises(Retryable, match=says):
            away.head("x")
        away.close()


def test_a_proxy_that_is_away_is_named_and_its_password_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:9")
    away = S3Store("b", endpoint_url="https://s3.example", access_key="a", secret_key="b")
    with pytest.raises(Retryable, match=r"proxy before the object store at s3\.example") as passing:
        away.head("x")
    assert "hunter2" not in str(passing.value)
    away.close()


# Keys.


def test_half_of_the_keys_and_a_profile_that_is_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreRefused, match="Only one of AWS_ACCESS_KEY_ID"):
        S3Store("b", access_key="a")
    with pytest.raises(StoreRefused, match=r"profile \(nobody\) could not be found"):
        S3Store("b", profile="nobody")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    S3Store("b", access_key="a", secret_key="b").close()  # keys that are given go before it


def test_no_keys_at_all_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store("b", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(Retryable, match="There are no keys for the object store"):
        store.head("x")
    with pytest.raises(Retryable, match="There are no keys for the object store"):
        store.presign_get("x", 60)
    store.close()


def test_a_missing_object_stays_one_of_its_kind(store: S3Store) -> None:
    with pytest.raises(ObjectMissing):
        store.get_bytes("photos/nothing")
