"""The names of files in forms, as the dialects of upload clients write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any

from safelight.domain.errors import Invalid


def file_name(disposition: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """The name of the file, as the dialects of upload clients say it; None: the part is a plain field.

    `filename*` (RFC 5987, continued ones too) goes before `filename`, which may hold an encoded word
    (RFC 2047; .NET and older Java) or the three characters that browsers escape.
    """
    if re.search(rb"filename\*", disposition, re.IGNORECASE):
        if named := _extended(disposition):
            return named
        if b"filename" not in options:
            raise Invalid(
                "The filename* of a part cannot be read.",
                hint="It is UTF-8''name, with what is not ASCII as %XX; or say filename=\"name\".",
            )
    if b"filename" not in options:
        return None
    name = decoded(options[b"filename"])
    if name.startswith("=?") and name.endswith("?="):
        with suppress(LookupError, ValueError, HeaderParseError):
            return str(make_header(decode_header(name)))
    for escaped, char in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(escaped, char)
    return name


def _extended(disposition: bytes) -> str | None:
    """`filename*`, put together where it comes in pieces; None where it cannot be read."""
    message = Message()
    message["Content-Disposition"] = disposition.decode("latin-1")
    with suppress(LookupError, ValueError):
        # An extended value is a tuple (charset, language, text), whatever its type hint says.
        given: list[Any] = list(message.get_params(header="content-disposition") or ())
        names = [value for key, value in given if key.lower() == "filename"]
        extended = [value for value in names if isinstance(value, tuple)]
        if names:
            return collapse_rfc2231_value((extended or names)[-1])
    return None


def decoded(data: bytes) -> str:
    """Names are UTF-8 today; older clients send Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
