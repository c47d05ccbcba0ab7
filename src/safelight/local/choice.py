"""Which servers are ours to start, and which ones the variables lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from safelight.local.process import LocalError

STORE_NAMES = (
    *("DATABASE_URL", "BROKER_URL", "REPLICATE_API_TOKEN", "REPLICATE_BASE_URL"),
    "S3_PUBLIC_ENDPOINT_URL",  # a tunnel to the embedded store is one too
)
S3_NAMES = (
    *("S3_ENDPOINT_URL", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("AWS_CA_BUNDLE", "S3_ADDRESSING_STYLE"),
)
AWS_OWN = (
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
"""Any one of these says that credentials for AWS itself are at hand."""

Part = Literal["postgres", "valkey", "seaweed", "emulator"]


@dataclass(frozen=True)
class Choice:
    """Which servers we start ourselves, and the variables that lead to the others."""

    embedded: tuple[Part, ...]
    given: dict[str, str]


def joined(given: Mapping[str, str], running: Mapping[str, str]) -> dict[str, str]:
    """*given* for a program that joins a stack that runs, whose `environment.json` is *running*: what
    leads to servers is the stack's alone, so that keys for one store do not meet another."""
    return {n: v for n, v in given.items() if n not in (*STORE_NAMES, *S3_NAMES)} | dict(running)


def choose(given: Mapping[str, str]) -> Choice:
    """Decide each server by itself: what the variables name is used, the rest is ours.

    An empty variable counts as not set. Raises `LocalError` for REPLICATE_BASE_URL without a token.
    """
    known = {name: value for name, value in given.items() if value}
    embedded: list[Part] = []
    if "DATABASE_URL" not in known:
        embedded.append("postgres")
    if "BROKER_URL" not in known:
        embedded.append("valkey")
    aws = "S3_BUCKET" in known and any(name in known for name in AWS_OWN)
    own_s3 = "S3_ENDPOINT_URL" in known or aws
    if not own_s3:
        embedded.append("seaweed")
    if "REPLICATE_API_TOKEN" not in known:
        if "REPLICATE_BASE_URL" in known:
            raise LocalError(
                "REPLICATE_BASE_URL is set, but REPLICATE_API_TOKEN is not.",
                hint="Set both to use that server, or neither to use the emulator.",
            )
        embedded.append("emulator")
    names = (*STORE_NAMES, *S3_NAMES) if own_s3 else STORE_NAMES
    return Choice(tuple(embedded), {name: known[name] for name in names if name in known})
