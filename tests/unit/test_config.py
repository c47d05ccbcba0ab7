"""Settings: read in one place, named when they are missing, never printed when they are secret."""

from __future__ import annotations

import pytest

from safelight import config, deps

GOOD = {
    "DATABASE_URL": "postgresql://app:hunter2@db/x",
    "BROKER_URL": "redis://:brokerpass@valkey/0",
    "REPLICATE_API_TOKEN": "r8_secretsecret",
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_or_empty_is_named(name: str, value: str | None) -> None:
    given = {**GOOD, name: value or ""} if value is not None else dict(GOOD)
    given.pop(name, None) if value is None else None
    with pytest.raises(config.NotConfigured, match=name):
        config.load(given)


def test_a_value_that_is_not_valid_is_named_with_what_is_wrong() -> None:
    with pytest.raises(config.NotConfigured, match=r"SAFELIGHT_WATCH_SECONDS: .*greater than 0"):
        config.load({**GOOD, "SAFELIGHT_WATCH_SECONDS": "0"})


def test_secrets_are_not_in_what_prints() -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": "awskey",
        "AWS_SECRET_ACCESS_KEY": "awssecret",
        "AWS_SESSION_TOKEN": "awstoken",
    }
    settings = config.load({**GOOD, **keys})
    store = deps.open_store(settings)
    shown = repr(settings) + repr(store.access) + repr(store.at.faults)
    store.close()
    for secret in ("hunter2", "brokerpass", "r8_secretsecret", "awskey", "awssecret", "awstoken"):
        assert secret not in shown


def test_a_line_end_behind_a_key_is_none_of_it() -> None:
    settings = config.load(
        {
            **GOOD,
            "AWS_ACCESS_KEY_ID": " key\n",
            "AWS_SECRET_ACCESS_KEY": "secret\r\n",
            "AWS_SESSION_TOKEN": "token\n",
            "AWS_REGION": "eu-west-1\n",
            "S3_BUCKET": "photos ",
            "S3_ENDPOINT_URL": "https://s3.example\n",
        }
    )
    assert (settings.aws_access_key_id, settings.aws_region) == ("key", "eu-west-1")
    assert (settings.s3_bucket, settings.s3_endpoint_url) == ("photos", "https://s3.example")
    for given, is_to_be in (
        (settings.aws_secret_access_key, "secret"),
        (settings.aws_session_token, "token"),
    ):
        assert given is not None
        assert given.get_secret_value() == is_to_be


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"])
@pytest.mark.parametrize(
    "value",
    ["minio:9000", "s3.example.com", "https://", "ftp://x", "https://me:hunter2@s3.example"],
)
def test_an_address_of_the_store_that_is_none_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(config.NotConfigured, match=f"{name}: .*http://") as wrong:
        config.load({**GOOD, name: value})
    assert "hunter2" not in str(wrong.value)


@pytest.mark.parametrize("seconds", ["60", "700000", "soon"])
def test_a_links_time_that_is_too_short_or_too_long_is_named(seconds: str) -> None:
    with pytest.raises(config.NotConfigured, match="SAFELIGHT_INPUT_LINK_SECONDS"):
        config.load({**GOOD, "SAFELIGHT_INPUT_LINK_SECONDS": seconds})


def test_only_what_is_passed_in_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "from-the-environment")
    assert config.load(GOOD).s3_bucket == "safelight"


def test_awss_own_name_for_the_region_is_understood() -> None:
    assert config.load({**GOOD, "AWS_DEFAULT_REGION": "eu-west-1"}).aws_region == "eu-west-1"
