"""What can be set from outside, and what each setting takes. `config` reads it."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from safelight.domain import broker_address, database_address, given
from safelight.domain.errors import Invalid
from safelight.domain.webhooks import signing_key

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
"""A day at most: what waits longer is not set right."""


class Settings(BaseSettings):
    """Everything that can be set from outside. Secrets never print."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    database_url: SecretStr = Field(alias="DATABASE_URL")
    """As libpq takes it, whatever driver it was written for."""
    database_pooler: Literal["auto", "none", "transaction"] = Field(
        "auto", alias="SAFELIGHT_DATABASE_POOLER"
    )
    """Whether `DATABASE_URL` leads to a pooler that gives each transaction another session (PgBouncer in
    transaction mode). auto: it is found out."""
    broker_url: SecretStr = Field(alias="BROKER_URL")

    s3_endpoint_url: str | None = Field(None, alias="S3_ENDPOINT_URL")
    """None: AWS's own, or what AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names."""
    s3_public_endpoint_url: str | None = Field(None, alias="S3_PUBLIC_ENDPOINT_URL")
    """Where browsers and the provider reach the same store: links name it. None: as we do."""
    s3_bucket: str = Field("safelight", alias="S3_BUCKET")
    s3_addressing_style: Literal["auto", "path", "virtual"] = Field(
        "auto", alias="S3_ADDRESSING_STYLE"
    )
    """`virtual`: the bucket is in the host's name, as at AWS; `path`: in the path, as elsewhere."""
    aws_access_key_id: str | None = Field(None, alias="AWS_ACCESS_KEY_ID", repr=False)
    """None: boto3's own chain is asked (a profile, a role, a web identity, the machine's)."""
    aws_secret_access_key: SecretStr | None = Field(None, alias="AWS_SECRET_ACCESS_KEY")
    aws_session_token: SecretStr | None = Field(None, alias="AWS_SESSION_TOKEN")
    aws_credential_expiration: datetime | None = Field(None, alias="AWS_CREDENTIAL_EXPIRATION")
    """When these keys end, as `aws configure export-credentials --format env` says it."""
    aws_profile: str | None = Field(None, alias="AWS_PROFILE")
    aws_region: str | None = Field(None, alias="AWS_REGION")
    """None: what AWS_DEFAULT_REGION, the endpoint or the profile says; else us-east-1."""
    aws_ca_bundle: Path | None = Field(None, alias="AWS_CA_BUNDLE")
    """The authorities that the store's certificate is signed by (PEM), where the system has them not."""
    input_link_seconds: int = Field(
        24 * 3600, ge=900, le=7 * 24 * 3600, alias="SAFELIGHT_INPUT_LINK_SECONDS"
    )
    """How long the link to a training's photos works: it has to outlive the provider's queue, in which
    trainings have been seen to wait for hours. A training whose link cannot live so long is not sent."""

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

    watch_seconds: Seconds = Field(5.0, alias="SAFELIGHT_WATCH_SECONDS")
    sweep_seconds: Seconds = Field(1.0, alias="SAFELIGHT_SWEEP_SECONDS")
    lease_seconds: Seconds | None = Field(None, alias="SAFELIGHT_LEASE_SECONDS")
    """Overrides the lease of every kind of work; for tests of dead workers."""
    limits_url: SecretStr | None = Field(None, alias="SAFELIGHT_LIMITS_URL")
    """A Redis or Valkey for the provider's rate limits, where the broker is none."""
    vanished_seconds: Seconds = Field(1800.0, alias="SAFELIGHT_VANISHED_SECONDS")
    """A run the provider has answered 404 for, so long after it accepted it, is gone
    (replicate-python #352 saw it after half an hour in the queue)."""
    provider_timeout_seconds: Seconds = Field(30.0, alias="SAFELIGHT_PROVIDER_TIMEOUT_SECONDS")
    """How long the provider may be silent before an answer is given up."""
    unknown_wait_seconds: Seconds = Field(600.0, alias="SAFELIGHT_UNKNOWN_WAIT_SECONDS")
    """How long the provider's list is searched for a request whose reply was lost before the
    training is parked for a person."""
    retention_file: Path | None = Field(None, alias="SAFELIGHT_RETENTION_FILE")
    """Retention rules of one's own (TOML); what it leaves out is as in `retention.toml`."""
    cleanup_seconds: Seconds = Field(60.0, alias="SAFELIGHT_CLEANUP_SECONDS")

    statement_key: SecretStr | None = Field(None, alias="SAFELIGHT_STATEMENT_KEY")
    """32 bytes, base64: signs statements of erasure. None: a key made once and kept in the database."""

    log_format: Literal["auto", "json", "console"] = Field("auto", alias="SAFELIGHT_LOG_FORMAT")
    log_level: str = Field("INFO", alias="SAFELIGHT_LOG_LEVEL")
    ready_file: Path | None = Field(None, alias="SAFELIGHT_READY_FILE")
    """A worker touches this file once it consumes; for supervisors and probes."""

    @field_validator("aws_credential_expiration")
    @classmethod
    def _with_a_zone(cls, given: datetime | None) -> datetime | None:
        return given.replace(tzinfo=UTC) if given and given.tzinfo is None else given

    @property
    def statement_seed(self) -> bytes | None:
        """The 32 bytes of `statement_key`."""
        if self.statement_key is None:
            return None
        return base64.b64decode(self.statement_key.get_secret_value())

    @field_validator("database_url")
    @classmethod
    def _for_libpq(cls, text: SecretStr) -> SecretStr:
        return SecretStr(database_address.read(text.get_secret_value()).url)

    @field_validator("broker_url")
    @classmethod
    def _takes_hints(cls, text: SecretStr) -> SecretStr:
        broker_address.read(text.get_secret_value())
        return text

    @field_validator("limits_url")
    @classmethod
    def _is_a_redis(cls, text: SecretStr | None) -> SecretStr | None:
        if text is not None and broker_address.read(text.get_secret_value()).kind == "amqp":
            raise ValueError("limits are shared in a Redis or Valkey (redis://)")
        return text

    @field_validator(
        "replicate_api_token", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
    )
    @classmethod
    def _fits_a_header(cls, secret: SecretStr | str | None) -> SecretStr | str | None:
        if secret is not None:
            given.header_safe(secret if isinstance(secret, str) else secret.get_secret_value())
        return secret

    @field_validator(
        "s3_endpoint_url", "s3_public_endpoint_url", "replicate_base_url", "webhook_base_url"
    )
    @classmethod
    def _is_a_web_address(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^/?#\s@]+(?:[/?#]|$)", given.unspaced(url)):
            raise ValueError(
                "it is no web address: http:// or https:// and a host, as in https://s3.example.com, "
                "without a key in it"
            )
        return url

    @field_validator("log_level")
    @classmethod
    def _is_a_level(cls, name: str) -> str:
        if name.upper() not in LEVELS:
            raise ValueError(f"it is one of {', '.join(LEVELS)}")
        return name.upper()

    @field_validator("statement_key")
    @classmethod
    def _of_32_bytes(cls, text: SecretStr | None) -> SecretStr | None:
        if text is None:
            return None
        try:
            right = len(base64.b64decode(text.get_secret_value(), validate=True)) == 32
        except ValueError:
            right = False
        if not right:
            raise ValueError("it is 32 bytes in base64, as `openssl rand -base64 32` prints them")
        return text

    @field_validator("replicate_webhook_secret")
    @classmethod
    def _of_the_providers_form(cls, secret: SecretStr | None) -> SecretStr | None:
        try:
            if secret is not None:
                signing_key(secret.get_secret_value())
        except Invalid as error:
            raise ValueError(error.message) from None
        return secret

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the hook's signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` passes in counts: the environment is read in one place, in `config`."""
        return (init_settings,)
