"""What an operator gives: names, secrets and addresses, as they come out of files, forms and dashboards.

What can be meant in one way only is mended (white space around it); what cannot be right is named. No
message here holds a value: it may be a secret, whatever its variable is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# White space of all scripts, and what editors and clipboards leave: a BOM, zero width characters.
_AROUND = "\ufeff\u200b\u200c\u200d\u2060"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}

RESERVED = "@ is %40, / is %2F, ? is %3F, # is %23, : is %3A, % is %25"


class Malformed(ValueError):
    """A value that cannot be right. The message says why, and never what it is."""


def trimmed(value: str) -> str:
    """*value* without what surrounds it by accident."""
    before = None
    while before != value:
        before, value = value, value.strip().strip(_AROUND)
    return value


def one_line(value: str) -> str:
    """*value*, trimmed, where it is one line of text.

    Raises:
        Malformed: it stands in quotes, or holds a line break or a control character.
    """
    value = trimmed(value)
    if len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
        raise Malformed(
            f"it stands in quotes ({value[0]} at both ends): take them out "
            "(env files, Docker's --env-file for one, pass them on)"
        )
    if value and (value[0] in _QUOTES or value[-1] in _QUOTES.values()) and "://" in value:
        raise Malformed("a quotation mark stands at one of its ends: take it out")
    if found := _CONTROL.search(value):
        what = "a line break" if found[0] in "\r\n\u2028\u2029" else f"U+{ord(found[0]):04X}"
        raise Malformed(f"it holds {what} in the middle, at character {found.start() + 1}")
    return value


def header_safe(value: str) -> str:
    """*value*, one line, where it can stand in an HTTP header as a secret does.

    Raises:
        Malformed: naming the character that cannot, and where it is.
    """
    value = one_line(value)
    for at, char in enumerate(value, 1):
        if not "!" <= char <= "~":
            what = "a space" if char == " " else f"U+{ord(char):04X}"
            raise Malformed(
                f"character {at} of {len(value)} is {what}, which cannot stand in an HTTP header: "
                "copy it again, without what is around it"
            )
    return value


def unspaced(value: str) -> str:
    """*value*, one line, where no white space is in it. Raises Malformed."""
    value = one_line(value)
    if found := re.search(r"\s", value):
        raise Malformed(f"it holds white space, at character {found.start() + 1}")
    return value


def authority(rest: str, ends: str) -> tuple[str, str]:
    """The part of an address behind `//` that names user, password and host, and what follows it.

    *ends*: the characters at which it ends. Raises Malformed where an @ stands behind that end: then
    a reserved character of the password was read as the end.
    """
    end = next((at for at, char in enumerate(rest) if char in ends), len(rest))
    names, after = rest[:end], rest[end:]
    if "@" in after.partition("?")[0]:
        raise Malformed(f"a reserved character in its password is not quoted ({RESERVED})")
    return names, after


def quoted(text: str) -> None:
    """Raise Malformed for a % in *text* that does not begin a quoted character."""
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        raise Malformed(f"it holds a % that quotes no character ({RESERVED})")


def port_of(text: str) -> None:
    """Raise Malformed unless *text* is a port, or nothing."""
    if text and not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise Malformed(
            "what stands where the port does is no number from 1 to 65535; if it belongs to the "
            f"password, a reserved character of that is not quoted ({RESERVED})"
        )


def parameters(query: str) -> list[tuple[str, str]]:
    """The parameters of an address, as they are quoted. Raises Malformed for one without a value."""
    found = []
    for part in query.split("&"):
        name, is_set, value = part.partition("=")
        if not part:
            continue
        if not is_set or not re.fullmatch(r"[A-Za-z][\w.-]{0,40}", name):
            raise Malformed(
                "what follows its ? is no list of name=value; if it belongs to the password, write "
                "? as %3F"
            )
        quoted(value)
        found.append((name, value))
    return found


def with_parameters(address: str, found: list[tuple[str, str]]) -> str:
    """*address* with these parameters behind it."""
    query = "&".join(f"{name}={value}" for name, value in found)
    return f"{address}?{query}" if query else address


def scheme_of(text: str, example: str) -> tuple[str, str]:
    """The scheme of an address, in small letters, and what follows `://`. Raises Malformed."""
    scheme, there, rest = text.partition("://")
    if not there or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+._:-]{0,30}", scheme):
        raise Malformed(f"it is no address: one looks like {example}")
    return scheme.lower(), rest


def foreign(scheme: str, reasons: Mapping[str, str], example: str) -> Malformed:
    """That *scheme* is not one of ours: with the reason, where it is known."""
    reason = reasons.get(scheme.partition("+")[0]) or reasons.get(scheme)
    if reason:
        return Malformed(f"{scheme}:// {reason}")
    return Malformed(f"its scheme is not one that is known here: one looks like {example}")
