"""Settings: the one reader of the environment.

Names are those that the services themselves use (`DATABASE_URL`, `REPLICATE_API_TOKEN`, AWS's own);
what is Safelight's alone starts with `SAFELIGHT_`. Any of them may be given as a file: `NAME_FILE` is the
path of one that holds the value, as Docker and Kubernetes mount secrets.

Whoever loads settings hides their secrets: none of them is in a log, an error or an answer afterwards.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from safelight import sources
from safelight.domain import database_address
from safelight.domain.errors import SafelightError
from safelight.domain.given import Malformed
from safelight.settings import Settings


class NotConfigured(SafelightError):
    """A setting that this command needs is missing or not valid."""

    code = "not-configured"


_ALSO_KNOWN_AS = {
    "AWS_REGION": ("AWS_DEFAULT_REGION",),
    "S3_ENDPOINT_URL": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}
"""AWS's own names for the same thing, which boto3 would read by itself."""


def environment() -> dict[str, str]:
    """The process's environment, as a copy."""
    return dict(os.environ)


def given() -> dict[str, str]:
    """The same, with settings out of the files that it names for them: for who looks what is set."""
    return sources.with_files(os.environ, names())


def for_strangers() -> dict[str, str]:
    """The same without a setting or a secret: for a process that reads what strangers made."""
    ours = {*names(), *sources.SECRETS}
    ours |= {f"{name}_FILE" for name in ours}
    return {name: value for name, value in os.environ.items() if name not in ours}


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def home(env: Mapping[str, str] | None = None) -> Path:
    """The folder in which the embedded default keeps its data (`SAFELIGHT_HOME`, else `.safelight`)."""
    said = (environment() if env is None else env).get("SAFELIGHT_HOME")
    return Path(said).expanduser() if said else Path.cwd() / ".safelight"


def models_folder(env: Mapping[str, str] | None = None) -> Path:
    """Where the eye's models lie (`SAFELIGHT_MODELS`, else within the environment Python runs in)."""
    said = (environment() if env is None else env).get("SAFELIGHT_MODELS")
    return Path(said).expanduser() if said else Path(sys.prefix) / "share" / "safelight-models"


def names() -> tuple[str, ...]:
    """The variables that are settings."""
    return tuple(str(field.alias) for field in Settings.model_fields.values())


def resolved(env: Mapping[str, str]) -> dict[str, str]:
    """*env* with the settings as they are meant: trimmed, and read out of the files that `NAME_FILE` names.

    Raises:
        NotConfigured: naming each variable that cannot be right, and never its value.
    """
    found, wrong = sources.resolved(
        env, (*names(), *(other for others in _ALSO_KNOWN_AS.values() for other in others))
    )
    if wrong:
        raise _not_configured(wrong)
    return found


def _not_configured(wrong: list[str]) -> NotConfigured:
    return NotConfigured(
        f"Settings are missing or not valid: {'; '.join(wrong)}.",
        hint="Start `safelight up` for everything on this machine, or set these variables "
        "(README, 'Real services').",
    )


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from *env* (default: the process's environment). Their secrets are hidden from then on.

    Raises:
        NotConfigured: naming each variable that is missing or not valid, and never its value.
    """
    found: dict[str, Any] = dict(resolved(environment() if env is None else env))
    for name, others in _ALSO_KNOWN_AS.items():
        told = next((found[other] for other in (name, *others) if other in found), None)
        if told is not None:
            found[name] = told
    if "SAFELIGHT_DATABASE_POOLER" not in found and _says_pooled(found.get("DATABASE_URL", "")):
        found["SAFELIGHT_DATABASE_POOLER"] = "transaction"
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        raise _not_configured(
            [
                f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ').rstrip('.')}"
                for e in error.errors(include_input=False, include_context=False, include_url=False)
            ]
        ) from None


def _says_pooled(text: str) -> bool:
    try:
        return database_address.read(text).pooled
    except Malformed:
        return False
