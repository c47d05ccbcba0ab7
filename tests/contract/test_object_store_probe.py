"""What the doctor says of a store: it asks what the product needs, the way the product asks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.clients.s3 import S3Store
from safelight.clients.s3_probe import Seen, is_public, probe
from tests.support.strict_s3 import (
    ACCESS,
    AWS,
    CEPH,
    DIALECTS,
    GCS,
    SECRET,
    Dialect,
    StrictS3,
    strict_s3,
    temporary_keys,
)

DAY = 24 * 3600


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, StrictS3]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield {
            one.name: stack.enter_context(strict_s3(one, tmp_path_factory.mktemp("tls")))
            for one in DIALECTS
        }


@pytest.fixture
def aws(servers: dict[str, StrictS3]) -> Iterator[StrictS3]:
    yield servers["aws"]
    servers["aws"].reset(AWS)


def tried(server: StrictS3, *, hosted: bool = False, **more: Any) -> list[Seen]:
    store = S3Store(
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
    try:
        return list(probe(store, link_seconds=DAY, hosted=hosted))
    finally:
        store.close()


def named(found: list[Seen], name: str) -> Seen:
    (seen,) = [one for one in found if one.name == name]
    return seen


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_a_store_that_has_what_is_needed_is_well_and_nothing_is_left_in_it(
    servers: dict[str, StrictS3], dialect: Dialect
) -> None:
    server = servers[dialect.name]
    found = tried(server)
    assert [one.verdict for one in found] == ["ok"] * len(found), found
    names = ["bucket", "clock", "keys", "objects", "deletes", "links", "uploads"]
    assert [one.name for one in found] == names
    assert server.objects == {}
    one_by_one = dialect.deletes_many in ("501", "405")
    assert ("one a request" in named(found, "deletes").seen) == one_by_one
    once = dialect.once == "honoured"
    assert ("not put over another" in named(found, "uploads").seen) == once
    server.reset(dialect)


@pytest.mark.parametrize(("ahead", "verdict"), [(300, "warn"), (-300, "warn"), (20, "ok")])
def test_a_clock_that_is_off_is_said_before_it_stops_anything(
    aws: StrictS3, ahead: float, verdict: str
) -> None:
    aws.clock_ahead = ahead
    seen = named(tried(aws), "clock")
    assert seen.verdict == verdict
    if verdict == "warn":
        assert ("5 min behind" if ahead > 0 else "5 min ahead of") in seen.seen


@pytest.mark.parametrize(
    ("more", "says", "way_out"),
    [
        ({"region": "us-east-1"}, "lies in the region eu-central-1", "AWS_REGION=eu-central-1"),
        ({"secret_key": "wrong"}, "does not take our signature", "AWS_SECRET_ACCESS_KEY"),
        ({"access_key": "nobody"}, "does not know our access key", "AWS_ACCESS_KEY_ID"),
        ({"ca_bundle": None}, "certificate is not accepted", "AWS_CA_BUNDLE"),
        ({"endpoint_url": "https://127.0.0.1:9"}, "cannot be reached", "S3_ENDPOINT_URL"),
    ],
)
def test_the_first_thing_that_is_wrong_is_said_with_its_reason(
    aws: StrictS3, more: dict[str, Any], says: str, way_out: str
) -> None:
    (seen,) = tried(aws, **more)
    assert (seen.name, seen.verdict) == ("bucket", "fail")
    assert says in seen.seen
    assert way_out in seen.way_out


def test_a_clock_that_is_too_far_off_and_a_bucket_that_is_not_there_are_named(
    aws: StrictS3,
) -> None:
    aws.clock_ahead = 3600
    (seen,) = tried(aws)
    assert "60 min behind" in seen.seen
    aws.clock_ahead, aws.exists = 0, False
    (seen,) = tried(aws)
    assert "no bucket 'acme'" in seen.seen


def test_keys_that_may_not_head_the_bucket_may_be_enough(aws: StrictS3) -> None:
    aws.fail(403, "AccessDenied", when=lambda asked: asked.method == "HEAD")
    assert {one.verdict for one in tried(aws)} == {"ok"}


@pytest.mark.parametrize(
    ("method", "code"),
    [("PUT", "AccessDenied"), ("DELETE", "AccessDenied"), ("PUT", "QuotaExceeded")],
)
def test_a_request_that_is_needed_and_refused_is_named(
    servers: dict[str, StrictS3], method: str, code: str
) -> None:
    server = servers["ceph"]
    server.fail(403, code, times=20, when=lambda asked: asked.method == method)
    seen = tried(server)[-1]
    assert (seen.name, seen.verdict) == ("objects", "fail")
    assert code in seen.seen
    server.reset(CEPH)


@pytest.mark.parametrize(
    ("seconds", "told", "verdict", "says"),
    [
        (7200, True, "fail", "has to work for 24 h"),
        (30 * 3600, True, "ok", "end in 30.0 h"),
        (7200, False, "warn", "when they end is not known"),
    ],
)
def test_keys_that_end_before_a_trainings_link_may_are_said(
    aws: StrictS3, seconds: float, told: bool, verdict: str, says: str
) -> None:
    keys = temporary_keys(seconds)
    aws.keys = keys["server"]
    seen = named(tried(aws, **{**keys["client"], **({} if told else {"keys_end": None})}), "keys")
    assert (seen.verdict, says in seen.seen) == (verdict, True), seen


def test_links_are_tried_by_the_public_address(aws: StrictS3, tmp_path: Path) -> None:
    """Whatever leads there: here the same server, by another name of it."""
    away = named(tried(aws, public_endpoint_url="https://127.0.0.1:9"), "links")
    assert away.verdict == "warn"
    assert "127.0.0.1:9 cannot be reached from here" in away.seen
    assert "S3_PUBLIC_ENDPOINT_URL" in away.way_out
    with strict_s3(GCS, tmp_path / "tls") as other:
        other.keys = {}
        # Another store than ours: what was signed for ours is not taken.
        wrong = named(
            tried(aws, public_endpoint_url=other.url, ca_bundle=_both(aws, other)), "links"
        )
        assert wrong.verdict == "fail"
        assert "answered 403" in wrong.seen


def _both(one: StrictS3, two: StrictS3) -> Path:
    path = two.ca.parent / "both.pem"
    path.write_bytes(one.ca.read_bytes() + two.ca.read_bytes())
    return path


def test_a_store_that_takes_more_than_a_link_says_is_told(
    aws: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight.clients import s3_links

    put = s3_links.Links.put

    def without_length(self: Any, key: str, seconds: int, headers: dict[str, str]) -> str:
        kept = {name: value for name, value in headers.items() if name != "Content-Length"}
        return put(self, key, seconds, kept)

    monkeypatch.setattr(s3_links.Links, "put", without_length)
    first, _ = [one for one in tried(aws) if one.name == "uploads"]
    assert first.verdict == "warn"
    assert "more bytes than it was signed for" in first.seen


def test_that_the_provider_cannot_reach_the_store_is_a_hint(aws: StrictS3) -> None:
    assert named(tried(aws, hosted=True), "reach").verdict == "fail"
    assert not [one for one in tried(aws, hosted=False) if one.name == "reach"]
    private = tried(aws, hosted=True, public_endpoint_url="https://10.0.0.9:9")
    assert named(private, "reach").verdict == "warn"
    assert [one.name for one in private if one.name == "reach"]


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("localhost", None),
        ("s3.localhost", None),
        ("10.1.2.3", False),
        ("192.168.0.7", False),
        ("169.254.1.1", False),
        ("fd00::1", False),
        ("seaweed", False),
        ("minio.local", False),
        ("store.svc.internal", False),
        ("s3.eu-central-1.amazonaws.com", True),
        ("photos.example.com.", True),
        ("8.8.8.8", True),
    ],
)
def test_an_address_is_public_private_or_this_machine(host: str, public: bool | None) -> None:
    assert is_public(host) is public


def test_what_is_known_of_the_end_of_keys_is_read_from_aws_words() -> None:
    from safelight import config

    settings = config.load(
        {
            "DATABASE_URL": "postgresql://x",
            "BROKER_URL": "redis://x",
            "REPLICATE_API_TOKEN": "r8_x",
            "AWS_CREDENTIAL_EXPIRATION": "2026-11-28T12:00:00Z",
        }
    )
    ends = settings.aws_credential_expiration
    assert ends == datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert ends - timedelta(hours=1) < ends


def test_the_doctor_says_all_of_it(aws: StrictS3) -> None:
    from safelight import config
    from safelight.cli import checks

    settings = config.load(
        {
            "DATABASE_URL": "postgresql://x",
            "BROKER_URL": "redis://x",
            "REPLICATE_API_TOKEN": "r8_x",
            "S3_BUCKET": aws.bucket,
            "S3_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-central-1",
            "AWS_CA_BUNDLE": str(aws.ca),
        }
    )
    found = list(checks._store(settings))
    assert {one.what for one in found} == {"object store"}
    said = [(one.verdict, one.seen.partition(":")[0]) for one in found]
    assert ("ok", "objects") in said
    assert said[-1] == ("fail", "reach")  # Replicate itself cannot reach this machine
