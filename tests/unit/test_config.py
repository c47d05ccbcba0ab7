"""Settings: read in one place, named when they are missing, never printed when they are secret."""

from __future__ import annotations

import pytest

from safelight import config

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
    shown = repr(config.load({**GOOD, "AWS_SECRET_ACCESS_KEY": "awssecret"}))
    for secret in ("hunter2", "brokerpass", "r8_secretsecret", "awssecret"):
        assert secret not in shown


def test_only_what_is_passed_in_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "from-the-environment")
    assert config.load(GOOD).s3_bucket == "safelight"


def test_awss_own_name_for_the_region_is_understood() -> None:
    assert config.load({**GOOD, "AWS_DEFAULT_REGION": "eu-west-1"}).aws_region == "eu-west-1"
