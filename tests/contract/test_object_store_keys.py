"""Keys that boto3's own chain finds: a profile's, a container's, a web identity's; and their links."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from safelight.clients.s3 import S3Store
from safelight.domain.errors import LinkTooShort, Retryable
from tests.support.strict_s3 import AWS, Keys, StrictS3, strict_s3

HOUR = 3600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictS3]:
    with strict_s3(AWS, tmp_path / "tls") as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys of this machine's."""
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Lender:
    """Lends keys as a container's agent and as STS do; each time new ones."""

    def __init__(self, store: StrictS3) -> None:
        self.store = store
        self.lasts: float = HOUR
        self.asked = 0
        self.refuses: str | None = None

    def lend(self) -> tuple[str, str, str, str]:
        self.asked += 1
        ends = datetime.now(UTC) + timedelta(seconds=self.lasts)
        name = f"ASIALENT{self.asked:04d}"
        self.store.keys[name] = Keys(f"secret-{name}", f"token-{name}", ends.timestamp())
        return name, f"secret-{name}", f"token-{name}", ends.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def lending(store: StrictS3) -> Iterator[tuple[Lender, str]]:
    lender = Lender(store)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def say(self, status: int, body: str, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            if lender.refuses:
                return self.say(403, "{}", "application/json")
            key, secret, token, ends = lender.lend()
            said = {
                "AccessKeyId": key,
                "SecretAccessKey": secret,
                "Token": token,
                "Expiration": ends,
            }
            return self.say(200, json.dumps(said), "application/json")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            if lender.refuses:
                said = (
                    f"<ErrorResponse><Error><Code>{lender.refuses}</Code></Error></ErrorResponse>"
                )
                return self.say(403, said, "text/xml")
            key, secret, token, ends = lender.lend()
            return self.say(
                200,
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
                f"<SessionToken>{token}</SessionToken><Expiration>{ends}</Expiration></Credentials>"
                "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
                "text/xml",
            )

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield lender, f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(params=["container", "web identity"])
def lender(
    request: pytest.FixtureRequest,
    server: StrictS3,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Lender]:
    with lending(server) as (found, url):
        if request.param == "container":
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/role")
        else:
            (tmp_path / "identity").write_text("a token of the cluster's")
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "identity"))
            monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/safelight")
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        yield found


def opened(server: StrictS3, **more: Any) -> S3Store:
    return S3Store(
        server.bucket,
        **{
            "endpoint_url": server.url,
            "region": server.dialect.region,
            "ca_bundle": server.ca,
            **more,
        },
    )


def expires(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])


def test_lent_keys_are_used_and_new_ones_are_had_before_they_end(
    server: StrictS3, lender: Lender
) -> None:
    lender.lasts = 5
    store = opened(server)
    for number in range(4):
        store.put_bytes(f"photos/{number}", b"1", "text/plain")
    assert lender.asked >= 2
    assert len({asked.headers["x-amz-security-token"] for asked in server.requests}) >= 2
    store.close()


def test_a_link_with_lent_keys_promises_what_they_hold(server: StrictS3, lender: Lender) -> None:
    lender.lasts = 6 * HOUR
    store = opened(server)
    assert expires(store.presign_get("x", 600)) == 600
    assert 6 * HOUR - 60 < expires(store.presign_get("x", 24 * HOUR)) <= 6 * HOUR
    with pytest.raises(LinkTooShort, match=r"has to work for 24 h, .* would work for 6"):
        store.presign_get("x", 24 * HOUR, least=24 * HOUR)
    # What the longest session of a role could keep is waited for.
    with pytest.raises(Retryable, match="new ones are waited for"):
        store.presign_get("x", 8 * HOUR, least=8 * HOUR)
    assert expires(store.presign_get("x", 4 * HOUR, least=4 * HOUR)) == 4 * HOUR
    store.close()


def test_before_a_link_is_cut_short_new_keys_are_asked_for(
    server: StrictS3, lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight.clients import s3_links

    monkeypatch.setattr(s3_links, "RENEW_SECONDS", 0.0)
    lender.lasts = 1200
    store = opened(server)
    store.put_bytes("photos/a", b"1", "text/plain")
    asked = lender.asked
    lender.lasts = 6 * HOUR
    assert expires(store.presign_get("photos/a", 4 * HOUR, least=4 * HOUR)) == 4 * HOUR
    assert lender.asked == asked + 1
    store.close()


def test_a_lender_that_is_away_is_named_and_passes(server: StrictS3, lender: Lender) -> None:
    lender.refuses = "AccessDenied"
    store = opened(server)
    with pytest.raises(Retryable, match="keys for the object store cannot be had now"):
        store.put_bytes("photos/a", b"1", "text/plain")
    with pytest.raises(Retryable, match="keys for the object store cannot be had now"):
        store.presign_get("photos/a", 60)
    lender.refuses = None
    store.put_bytes("photos/a", b"1", "text/plain")
    store.close()


def test_a_profile_brings_its_keys_its_token_and_its_region(
    server: StrictS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.keys["ASIAPROFILE"] = Keys("profile-secret", "profile-token")
    (tmp_path / "credentials").write_text(
        "[photos]\naws_access_key_id = ASIAPROFILE\naws_secret_access_key = profile-secret\n"
        "aws_session_token = profile-token\n"
    )
    (tmp_path / "config").write_text(f"[profile photos]\nregion = {server.dialect.region}\n")
    store = opened(server, profile="photos", region=None)
    assert store.region == "eu-central-1"
    store.put_bytes("photos/a", b"1", "text/plain")
    store.close()
    monkeypatch.setenv("AWS_PROFILE", "photos")
    named_outside = opened(server, region=None)
    assert named_outside.get_bytes("photos/a") == b"1"
    named_outside.close()
