"""Where settings come from: variables, and the files that variables name.

Docker and Kubernetes mount secrets as files: `NAME_FILE` is the path of one that holds what `NAME` would.
"""

from __future__ import annotations

import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from safelight.domain import broker_address, database_address, given, masking
from safelight.domain.given import Malformed
from safelight.domain.masking import mask

MOST_OF_A_FILE = 65_536
"""Bytes of a file that holds a setting."""

SECRETS = (
    *(
        "REPLICATE_API_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "SAFELIGHT_STATEMENT_KEY",
        "REPLICATE_WEBHOOK_SECRET",
    ),
    "PGPASSWORD",  # libpq's own
)
PLAIN = ("AWS_ACCESS_KEY_ID", "S3_BUCKET", "S3_ENDPOINT_URL", "REPLICATE_BASE_URL", "AWS_REGION")


class Address(Protocol):
    """What is read out of an address."""

    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def secrets(self) -> tuple[str, ...]: ...
    @property
    def plain(self) -> tuple[str, ...]: ...


ADDRESSES: dict[str, Callable[[str], Address]] = {
    "DATABASE_URL": database_address.read,
    "BROKER_URL": broker_address.read,
    "SAFELIGHT_LIMITS_URL": broker_address.read,
}


def with_files(env: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """*env* with the settings *names* out of their files. One that cannot be read is left for `resolved`."""
    found = dict(env)
    for name in names:
        file = found.get(f"{name}_FILE")
        if file and not found.get(name):
            try:
                found[name] = given.trimmed(_of_file(file))
            except Malformed:
                continue
            del found[f"{name}_FILE"]
    return found


def resolved(env: Mapping[str, str], names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """*env* with the settings *names* as they are meant, and what is wrong with those that cannot be right.

    They are read out of their files and trimmed; an empty one counts as not set. What is wrong names the
    variable and never holds its value. The secrets among them are in no text of this process's afterwards.
    """
    found = {name: value for name, value in env.items() if value != ""}
    wrong = []
    for name in names:
        file = found.pop(f"{name}_FILE", None)
        try:
            if file is not None:
                if name in found:
                    raise Malformed(f"{name}_FILE is set too: set one of the two")
                found[name] = _of_file(file)
            if name in found:
                found[name] = given.one_line(found[name])
        except Malformed as error:
            wrong.append(f"{name}: {error}")
        if not found.get(name, "-"):
            del found[name]
    _hide(found)
    return found, wrong


def remarks(found: Mapping[str, str]) -> list[str]:
    """What is mended in the addresses of *found*, for the doctor to say. Raises Malformed."""
    return [
        f"{name}: {note}"
        for name, read in ADDRESSES.items()
        if name in found
        for note in read(found[name]).notes
    ]


def _of_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_OF_A_FILE + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise Malformed(
            f"the file that its _FILE names cannot be read ({error.strerror})"
        ) from None
    except UnicodeDecodeError:
        raise Malformed("the file that its _FILE names is no UTF-8 text") from None
    if len(data) > MOST_OF_A_FILE or not given.trimmed(text):
        raise Malformed("the file that its _FILE names is empty, or over 64 KiB")
    return text


def _hide(found: Mapping[str, str]) -> None:
    secrets = [found[name] for name in SECRETS if name in found]
    secrets += [word.removeprefix("whsec_") for word in secrets if word.startswith("whsec_")]
    plain = [
        "postgresql redis safelight password secret",
        *(found[name] for name in PLAIN if name in found),
    ]
    for name, read in ADDRESSES.items():
        if name not in found:
            continue
        try:
            address = read(found[name])
        except Malformed:
            # Whatever follows the scheme, and stands before an @, may be a password.
            parts = re.split(r"://[^:/?#@]*:?", found[name].rpartition("@")[0])
            secrets += [found[name].rpartition("://")[2], *parts[1:]]
        else:
            secrets += address.secrets
            plain += address.plain
    masking.hide(secrets, plain)
    sys.excepthook = _say_masked
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _say_masked_of_a_thread


def _say_masked(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """As Python says what nobody caught, without our secrets: libraries quote addresses."""
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))


def _say_masked_of_a_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "unknown"
        sys.stderr.write(f"Exception in thread {name}:\n")
        _say_masked(args.exc_type, args.exc_value, args.exc_traceback)
