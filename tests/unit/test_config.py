"""Settings: read in one place, named when they are missing, never printed when they are secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safelight import config, deps, sources

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


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\ufeff{}", "\t{}\u00a0\n\n"])
def test_what_surrounds_a_value_by_accident_is_taken_off(around: str) -> None:
    given = {**GOOD, "AWS_SECRET_ACCESS_KEY": "aws/secret+x", "S3_BUCKET": "photos"}
    found = config.load({name: around.format(value) for name, value in given.items()})
    assert found == config.load(given)
    assert found.replicate_api_token.get_secret_value() == "r8_secretsecret"


@pytest.mark.parametrize("name", [*GOOD, "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "S3_BUCKET"])
def test_a_value_in_quotes_is_named_and_not_guessed(name: str) -> None:
    with pytest.raises(config.NotConfigured, match=f"{name}: it stands in quotes"):
        config.load({**GOOD, name: f'"{GOOD.get(name, "some-value")}"'})


@pytest.mark.parametrize(
    ("token", "named"),
    [
        ("r8_secret\nsecret", "line break"),
        ("r8_secret secret", "a space"),
        ("r8_secret\u2026secret", "U\\+2026"),
        ("r8_secr\u00e9t", "U\\+00E9"),
        ("r8_secret\x00", "U\\+0000"),
        ("r8_sec\u200bret", "U\\+200B"),
    ],
)
def test_a_token_that_no_header_can_carry_is_named_with_the_character(
    token: str, named: str
) -> None:
    with pytest.raises(config.NotConfigured, match=f"REPLICATE_API_TOKEN: .*{named}") as refused:
        config.load({**GOOD, "REPLICATE_API_TOKEN": token})
    assert "r8_" not in str(refused.value)


NUMBERS = (
    *("SAFELIGHT_WATCH_SECONDS", "SAFELIGHT_SWEEP_SECONDS", "SAFELIGHT_LEASE_SECONDS"),
    *("SAFELIGHT_VANISHED_SECONDS", "SAFELIGHT_PROVIDER_TIMEOUT_SECONDS"),
    *("SAFELIGHT_UNKNOWN_WAIT_SECONDS", "SAFELIGHT_CLEANUP_SECONDS"),
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "-1", "0", "1e12", "soon"])
def test_a_number_that_no_clock_can_keep_is_refused(name: str, value: str) -> None:
    with pytest.raises(config.NotConfigured, match=name):
        config.load({**GOOD, name: value})


SECRETS = {
    "DATABASE_URL": "mysql://app:marked-in-url@db/x",
    "BROKER_URL": "sqs://AKIA:marked-in-broker@",
    "REPLICATE_API_TOKEN": "r8_marked token",
    "AWS_SECRET_ACCESS_KEY": "marked\x07key",
    "SAFELIGHT_LIMITS_URL": "amqp://u:marked-in-limits@h",
    "SAFELIGHT_STATEMENT_KEY": "marked-statement-key",
    "SAFELIGHT_LOG_FORMAT": "marked-format",
    "SAFELIGHT_LOG_LEVEL": "marked-level",
    "SAFELIGHT_WATCH_SECONDS": "marked-seconds",
    "S3_ENDPOINT_URL": "marked-endpoint",
}


@pytest.mark.parametrize("name", SECRETS)
def test_no_error_of_the_settings_shows_a_value(name: str) -> None:
    with pytest.raises(config.NotConfigured, match=f"{name}: ") as refused:
        config.load({**GOOD, name: SECRETS[name]})
    seen: BaseException | None = refused.value
    while seen is not None:
        assert "marked" not in f"{seen} {seen!r} {vars(seen)}"
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(config.NotConfigured) as refused:
        config.load({"DATABASE_URL": "mysql://u:p@h/x", "SAFELIGHT_SWEEP_SECONDS": "nan"})
    for name in ("DATABASE_URL", "BROKER_URL", "REPLICATE_API_TOKEN", "SAFELIGHT_SWEEP_SECONDS"):
        assert f"{name}: " in str(refused.value)


def test_a_secret_may_be_a_file_as_orchestrators_mount_them(tmp_path: Path) -> None:
    given = {**GOOD, "AWS_SECRET_ACCESS_KEY": "awssecret"}
    env = {}
    for name, value in given.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + value.encode() + b"\r\n")
        env[f"{name}_FILE"] = str(tmp_path / name)
    assert config.load(env) == config.load(given)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda file: None, "cannot be read"),
        (lambda file: file.mkdir(), "cannot be read"),
        (lambda file: file.write_text("\n"), "empty"),
        (lambda file: file.write_text("x" * 70_000), "64 KiB"),
        (lambda file: file.write_bytes(b"r8_\xff\xfe"), "UTF-8"),
    ],
    ids=["missing", "folder", "empty", "too long", "binary"],
)
def test_a_file_that_holds_no_setting_is_named(tmp_path: Path, make: Any, named: str) -> None:
    file = tmp_path / "token"
    make(file)
    env = {**GOOD, "REPLICATE_API_TOKEN_FILE": str(file)}
    del env["REPLICATE_API_TOKEN"]
    with pytest.raises(config.NotConfigured, match=f"REPLICATE_API_TOKEN: .*{named}"):
        config.load(env)


def test_a_value_and_a_file_for_it_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("r8_other")
    env = {**GOOD, "REPLICATE_API_TOKEN_FILE": str(tmp_path / "token")}
    with pytest.raises(config.NotConfigured, match="REPLICATE_API_TOKEN_FILE is set too"):
        config.load(env)


def test_a_file_counts_as_its_setting_for_whoever_looks_what_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text(GOOD["DATABASE_URL"] + "\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    env = config.given()
    assert env["DATABASE_URL"] == GOOD["DATABASE_URL"]
    assert "DATABASE_URL_FILE" not in env


def test_who_reads_what_strangers_made_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REPLICATE_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, "secret")
        monkeypatch.setenv(f"{name}_FILE", "/run/secrets/one")
    monkeypatch.setenv("LANG", "C.UTF-8")
    env = config.for_strangers()
    assert env["LANG"] == "C.UTF-8"
    assert "secret" not in env.values()
    assert "/run/secrets/one" not in env.values()


def test_an_address_that_says_a_pooler_is_there_sets_it() -> None:
    pooled = {**GOOD, "DATABASE_URL": GOOD["DATABASE_URL"] + "?pgbouncer=true"}
    assert config.load(pooled).database_pooler == "transaction"
    assert config.load({**pooled, "SAFELIGHT_DATABASE_POOLER": "auto"}).database_pooler == "auto"
    assert config.load(GOOD).database_pooler == "auto"


def test_what_was_left_out_of_an_address_can_be_told() -> None:
    env = {**GOOD, "DATABASE_URL": "postgresql+asyncpg://u@db/x?pool_size=5"}
    said = sources.remarks(config.resolved(env))
    assert any("postgresql+asyncpg://" in line for line in said)
    assert any("pool_size" in line for line in said)
