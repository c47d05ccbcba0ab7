"""Links into the store: the host they name, and how long they really work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from safelight import config, deps
from safelight.clients.s3 import S3Store
from safelight.domain.errors import LinkTooShort, Retryable
from safelight.domain.provider import NotSent
from safelight.stages import submit

HOUR, DAY = 3600, 24 * 3600
ENV = {
    "DATABASE_URL": "postgresql://x",
    "BROKER_URL": "redis://x",
    "REPLICATE_API_TOKEN": "r8_x",
    "S3_BUCKET": "acme-photos",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "s" * 40,
}


def store(**more: str) -> S3Store:
    return deps.open_store(config.load({**ENV, **more}))


def links(found: S3Store) -> list[str]:
    try:
        return [
            found.presign_get("temporary/x.zip", DAY),
            found.presign_put("photos/a/b", HOUR, "image/jpeg"),
        ]
    finally:
        found.close()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "acme-photos.s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "acme-photos.s3.eu-central-1.amazonaws.com"),
        ("af-south-1", "acme-photos.s3.af-south-1.amazonaws.com"),
        ("mx-central-1", "acme-photos.s3.mx-central-1.amazonaws.com"),
        ("us-gov-west-1", "acme-photos.s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "acme-photos.s3.cn-north-1.amazonaws.com.cn"),
        ("eu-isoe-west-1", "acme-photos.s3.eu-isoe-west-1.cloud.adc-e.uk"),
        ("ap-new-7", "acme-photos.s3.ap-new-7.amazonaws.com"),
    ],
)
def test_at_aws_a_link_names_the_regions_own_host(region: str, host: str) -> None:
    for url in links(store(AWS_REGION=region)):
        assert urlsplit(url).hostname == host
        query = parse_qs(urlsplit(url).query)
        assert f"/{region}/s3/" in query["X-Amz-Credential"][0]
        assert not [name for name in query if "checksum" in name.lower() or "sdk" in name.lower()]


def test_a_bucket_with_a_dot_is_in_the_path_of_the_regions_host() -> None:
    """No certificate is for two labels under one star."""
    for url in links(store(AWS_REGION="eu-north-1", S3_BUCKET="photos.acme.com")):
        assert urlsplit(url).hostname == "s3.eu-north-1.amazonaws.com"
        assert urlsplit(url).path.startswith("/photos.acme.com/")


@pytest.mark.parametrize(
    ("endpoint", "region", "host", "signed_for"),
    [
        # AWS's own, written out: the global one would send everybody elsewhere.
        ("https://s3.amazonaws.com", "eu-west-1", "acme-photos.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.eu-west-1.amazonaws.com/", "", "acme-photos.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "", "acme-photos.s3.cn-north-1.amazonaws.com.cn",
         "cn-north-1"),
        ("https://s3.eu-central-003.backblazeb2.com", "", "s3.eu-central-003.backblazeb2.com",
         "eu-central-003"),
        ("https://s3.eu-central-1.wasabisys.com", "", "s3.eu-central-1.wasabisys.com", "eu-central-1"),
        ("https://abc.r2.cloudflarestorage.com", "auto", "abc.r2.cloudflarestorage.com", "auto"),
        ("https://storage.googleapis.com", "", "storage.googleapis.com", "us-east-1"),
        ("http://minio:9000", "", "minio", "us-east-1"),
    ],
)  # fmt: skip
def test_elsewhere_a_link_names_the_endpoint_with_the_bucket_in_the_path(
    endpoint: str, region: str, host: str, signed_for: str
) -> None:
    for url in links(store(S3_ENDPOINT_URL=endpoint, AWS_REGION=region)):
        assert urlsplit(url).hostname == host
        assert ("/acme-photos/" in urlsplit(url).path) == ("amazonaws" not in host)
        assert f"/{signed_for}/s3/" in parse_qs(urlsplit(url).query)["X-Amz-Credential"][0]


def test_how_the_bucket_is_addressed_can_be_set() -> None:
    for url in links(store(S3_ENDPOINT_URL="https://s3.example", S3_ADDRESSING_STYLE="virtual")):
        assert urlsplit(url).hostname == "acme-photos.s3.example"
    for url in links(store(AWS_REGION="eu-west-1", S3_ADDRESSING_STYLE="path")):
        assert urlsplit(url).hostname == "s3.eu-west-1.amazonaws.com"


def test_links_name_the_public_address_and_requests_do_not() -> None:
    found = store(
        S3_ENDPOINT_URL="http://seaweed:8333", S3_PUBLIC_ENDPOINT_URL="https://photos.example.com"
    )
    assert found.host == "seaweed:8333"
    for url in links(found):
        assert urlsplit(url).netloc == "photos.example.com"
        assert urlsplit(url).path.startswith("/acme-photos/")


def test_awss_own_names_for_endpoint_and_region_are_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = store(AWS_ENDPOINT_URL_S3="https://s3.example", AWS_DEFAULT_REGION="eu-west-3")
    assert (found.host, found.region) == ("s3.example", "eu-west-3")
    found.close()
    found = store(AWS_ENDPOINT_URL="https://one", S3_ENDPOINT_URL="https://two")
    assert found.host == "two"
    found.close()


# How long they work.


def ending(seconds: float) -> S3Store:
    ends = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    return store(AWS_SESSION_TOKEN="token", AWS_CREDENTIAL_EXPIRATION=ends)


def expires(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])


def test_a_link_promises_no_longer_than_its_keys_last() -> None:
    found = ending(1800)
    assert 1790 <= found.lifetime(DAY) <= 1800
    assert 1790 <= expires(found.presign_get("x", DAY)) <= 1800
    assert found.lifetime(600) == 600
    link = found.upload_link("photos/a", HOUR, "image/png", bytes=7)
    assert 1790 <= link.seconds <= 1800
    assert expires(link.url) == link.seconds
    assert "X-Amz-Security-Token=token" in link.url
    found.close()


def test_a_link_that_has_to_live_longer_than_its_keys_is_refused_with_the_way_out() -> None:
    found = ending(3 * HOUR)
    with pytest.raises(LinkTooShort, match=r"has to work for 24 h, .* would work for 3 h") as short:
        found.presign_get("x", DAY, least=DAY)
    assert "SAFELIGHT_INPUT_LINK_SECONDS" in str(short.value)
    assert found.presign_get("x", DAY, least=2 * HOUR)
    found.close()


def test_no_link_is_signed_with_keys_that_have_ended() -> None:
    found = ending(-1)
    with pytest.raises(Retryable, match="have ended"):
        found.presign_get("x", 60)
    found.close()


def test_no_link_works_for_longer_than_a_week() -> None:
    found = store()
    assert found.lifetime(30 * DAY) == 7 * DAY
    assert expires(found.presign_get("x", 30 * DAY)) == 7 * DAY
    with pytest.raises(LinkTooShort, match="no link works for longer than 168 h"):
        found.presign_get("x", 30 * DAY, least=8 * DAY)
    found.close()


# The one link that money hangs on.


class Unasked:
    """Stands where a provider would: whatever is asked of it fails the test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the provider was asked for {name}")


class Steady:
    def check(self) -> None:
        pass


def test_a_training_whose_link_cannot_live_is_refused_before_anything_is_paid() -> None:
    from safelight.domain.ids import new_id

    found = ending(5 * HOUR)
    order = submit.PrepareOrder(
        intent_id=new_id(),
        trainer="t/t",
        model_name="m",
        dataset_key="datasets/x",
        profile=None,  # type: ignore[arg-type]
        overrides={},
        sent={},
        known={},
        link_seconds=DAY,
    )
    with pytest.raises(LinkTooShort, match="24 h"):
        submit.prepare(order, found, Unasked(), Steady())
    request = submit.TrainingRequest("t/t", "v", "o/m", {}, "temporary/x.zip", DAY, None)
    reply = submit.submit(request, found, Unasked(), Steady())
    assert isinstance(reply, NotSent)  # and not unknown: nobody has to look for it
    assert "24 h" in reply.detail
    found.close()


def test_keys_that_cannot_be_had_when_it_is_to_be_sent_send_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = S3Store("acme", region="eu-west-1")
    request = submit.TrainingRequest("t/t", "v", "o/m", {}, "temporary/x.zip", DAY, None)
    reply = submit.submit(request, found, Unasked(), Steady())
    assert isinstance(reply, NotSent)
    assert "no keys" in reply.detail
    found.close()
