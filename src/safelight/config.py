"""Settings: the one reader of the environment.

Names are those that the services themselves use (`DATABASE_URL`, `REPLICATE_API_TOKEN`, AWS's own);
what is Safelight's alone starts with `SAFELIGHT_`.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from safelight.domain.errors import Invalid, SafelightError
from safelight.domain.webhooks import signing_key


class NotConfigured(SafelightError):
    """A setting that this command needs is missing or not valid."""

    code = "not-configured"


class Settings(BaseSettings):
    """Everything that can be set from outside. Secrets never print."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    database_url: SecretStr = Field(alias="DATABASE_URL")
    broker_url: SecretStr = Field(alias="BROKER_URL")

    s3_endpoint_url: str | None = Field(None, alias="S3_ENDPOINT_URL")
    """None: AWS's own."""
    s3_bucket: str = Field("safelight", alias="S3_BUCKET")
    aws_access_key_id: str | None = Field(None, alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(None, alias="AWS_SECRET_ACCESS_KEY")
    aws_region: str = Field("us-east-1", alias="AWS_REGION")

    replicate_api_token: SecretStr = Field(alias="REPLICATE_API_TOKEN")
    replicate_base_url: str = Field("https://api.replicate.com", alias="REPLICATE_BASE_URL")
    replicate_webhook_secret: SecretStr | None = Field(None, alias="REPLICATE_WEBHOOK_SECRET")
    """What the provider signs its webhooks with. None: it is asked."""
    trainer: str = Field("ostris/flux-dev-lora-trainer", alias="SAFELIGHT_TRAINER")
    destination: str = Field("safelight-{owner}", alias="SAFELIGHT_DESTINATION")
    """Name of the provider's model that takes the versions; `{owner}` and `{subject}` are the last
    12 hex digits of their ids. An account may have 1,000 models, so the default is one an owner."""
    profiles: Path | None = Field(None, alias="SAFELIGHT_PROFILES")
    """Folder of the project's own profiles, read beside those that are shipped."""
    webhook_base_url: str | None = Field(None, alias="SAFELIGHT_WEBHOOK_BASE_URL")
    """Where the provider reaches our API (https). None: no webhooks, everything still ends."""

    watch_seconds: float = Field(5.0, gt=0, alias="SAFELIGHT_WATCH_SECONDS")
    sweep_seconds: float = Field(1.0, gt=0, alias="SAFELIGHT_SWEEP_SECONDS")
    lease_seconds: float | None = Field(None, gt=0, alias="SAFELIGHT_LEASE_SECONDS")
    """Overrides the lease of every kind of work; for tests of dead workers."""
    limits_url: str | None = Field(None, alias="SAFELIGHT_LIMITS_URL")
    """A Redis or Valkey for the provider's rate limits, where the broker is none."""
    vanished_seconds: float = Field(1800.0, gt=0, alias="SAFELIGHT_VANISHED_SECONDS")
    """A run the provider has answered 404 for, so long after it accepted it, is gone
    (replicate-python #352 saw it after half an hour in the queue)."""
    provider_timeout_seconds: float = Field(30.0, gt=0, alias="SAFELIGHT_PROVIDER_TIMEOUT_SECONDS")
    """How long the provider may be silent before an answer is given up."""
    unknown_wait_seconds: float = Field(600.0, gt=0, alias="SAFELIGHT_UNKNOWN_WAIT_SECONDS")
    """How long the provider's list is searched for a request whose reply was lost before the
    training is parked for a person."""
    retention_file: Path | None = Field(None, alias="SAFELIGHT_RETENTION_FILE")
    """Retention rules of one's own (TOML); what it leaves out is as in `retention.toml`."""
    cleanup_seconds: float = Field(60.0, gt=0, alias="SAFELIGHT_CLEANUP_SECONDS")

    statement_key: SecretStr | None = Field(None, alias="SAFELIGHT_STATEMENT_KEY")
    """32 bytes, base64: signs statements of erasure. None: a key made once and kept in the database."""

    log_format: Literal["auto", "json", "console"] = Field("auto", alias="SAFELIGHT_LOG_FORMAT")
    log_level: str = Field("INFO", alias="SAFELIGHT_LOG_LEVEL")
    ready_file: Path | None = Field(None, alias="SAFELIGHT_READY_FILE")
    """A worker touches this file once it consumes; for supervisors and probes."""

    @property
    def statement_seed(self) -> bytes | None:
        """The 32 bytes of `statement_key`."""
        if self.statement_key is None:
            return None
        return base64.b64decode(self.statement_key.get_secret_value())

    @field_validator("statement_key")
    @classmethod
    def _of_32_bytes(cls, given: SecretStr | None) -> SecretStr | None:
        if (
            given is not None
            and len(base64.b64decode(given.get_secret_value(), validate=True)) != 32
        ):
            raise ValueError("it is 32 bytes in base64, as `openssl rand -base64 32` prints them")
        return given

    @field_validator("replicate_webhook_secret")
    @classmethod
    def _of_the_providers_form(cls, given: SecretStr | None) -> SecretStr | None:
        if given is None:
            return None
        secret = given.get_secret_value().strip()
        try:
            signing_key(secret)
        except Invalid as error:
            raise ValueError(error.message) from None
        return SecretStr(secret)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the hook's signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` passes in counts: the environment is read in one place, below."""
        return (init_settings,)


def environment() -> dict[str, str]:
    """The process's environment, as a copy."""
    return dict(os.environ)


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def home(env: Mapping[str, str] | None = None) -> Path:
    """The folder in which the embedded default keeps its data (`SAFELIGHT_HOME`, else `.safelight`)."""
    given = (environment() if env is None else env).get("SAFELIGHT_HOME")
    return Path(given).expanduser() if given else Path.cwd() / ".safelight"


def models_folder(env: Mapping[str, str] | None = None) -> Path:
    """Where the eye's models lie (`SAFELIGHT_MODELS`, else within the environment Python runs in)."""
    given = (environment() if env is None else env).get("SAFELIGHT_MODELS")
    return Path(given).expanduser() if given else Path(sys.prefix) / "share" / "safelight-models"


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from *env* (default: the process's environment).

    Raises:
        NotConfigured: naming each variable that is missing or not valid.
    """
    given: dict[str, Any] = {
        k: v for k, v in (environment() if env is None else env).items() if v != ""
    }
    given.setdefault("AWS_REGION", given.get("AWS_DEFAULT_REGION", "us-east-1"))
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise NotConfigured(
            f"Settings are missing or not valid: {wrong}.",
            hint="Start `safelight up` for everything on this machine, or set these variables "
            "(README, 'Real services').",
        ) from None
