"""Secrets in text: what must not leave the process is put out of it, whoever wrote it there.

Libraries put addresses with their passwords into messages, tracebacks and warnings. Two nets catch that:
the secrets of this process's settings are known word for word (`hide`), in each spelling in which they
come, and what has the look of a secret is found by its form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

MASKED = "***"

SHORTEST = 6
"""Characters. A shorter word is in too many other words to be put out of every text; where it stands as the
password of an address, its place gives it away."""

# A word that stands in each such text, in small letters (most texts hold none, and are not looked at
# further), and the form. Each repetition has an end: a text may be anybody's, and is not to cost more
# than a look.
_FORMS = (
    # user:password@ in a URL, to the last @: a password may hold one that was not quoted.
    (
        "://",
        r"(?P<keep>(?<![\w+.-])[A-Za-z][\w+.-]{0,30}://[^:/?#\s@\"']{0,128}:)[^\s\"'<>]{1,256}(?=@)",
    ),
    # A conninfo string, a URL's parameter; a dict as Python and JSON print it.
    (
        "passw",
        (
            r"(?P<keep>(?i:\b(?:ssl|sentinel_)?passw(?:or)?d\s{0,3}=\s{0,3}))"
            r"(?:'(?:\\.|[^'\\]){1,256}'|[^\s&'\"<>,;)]{1,256})"
        ),
    ),
    ("passw", r"(?P<keep>(?i:password)[\"']:\s{0,3}[\"'])[^\"']{1,256}"),
    ("r8_", r"(?P<keep>)\br8_[A-Za-z0-9]{6,}"),  # the provider's API tokens
    ("slk_", r"(?P<keep>)\bslk_[A-Za-z0-9_-]{6,}"),  # our own API keys
    ("whsec_", r"(?P<keep>)\bwhsec_[A-Za-z0-9+/=]{6,}"),  # webhook secrets
    ("x-amz-", r"(?P<keep>X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+"),
    ("bearer ", r"(?P<keep>(?i:bearer) )[A-Za-z0-9._~+/-]{16,}=*"),
    ("token ", r"(?P<keep>(?i:token) )[A-Za-z0-9._~+/-]{16,}=*"),
)
_COMPILED = tuple((word, re.compile(form)) for word, form in _FORMS)

_NONE = re.compile(r"(?!())")

_hidden: frozenset[str] = frozenset()
_known = _NONE


def hide(secrets: Iterable[str], plain: Iterable[str] = ()) -> None:
    """From now on none of *secrets* is in a text that went through `mask` or `mask_known`.

    *plain*: what is no secret (user, database, bucket). A password that is part of it is hidden only where
    it stands as a password: put out of every text it would take the user's name along, and hide nothing.
    """
    global _hidden, _known  # noqa: PLW0603 (one set a process, as its environment is)
    shown = "\n".join(plain).lower()
    found = {
        spelling
        for secret in secrets
        if len(secret) >= SHORTEST and secret.lower() not in shown
        for spelling in _spellings(secret)
    }
    if found <= _hidden:
        return
    _hidden |= found
    longest_first = sorted(_hidden, key=lambda word: (-len(word), word))
    # Looked for ahead, so that one which begins inside another is found too.
    _known = re.compile(f"(?=({'|'.join(re.escape(word) for word in longest_first)}))")


def _spellings(secret: str) -> set[str]:
    """As it is, quoted for a URL, and as JSON and Python write it."""
    found = set()
    for word in {secret, unquote(secret)}:
        found |= {word, quote(word, safe=""), quote(word), quote_plus(word)}
        found |= {json.dumps(word, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
        found |= {repr(word)[1:-1], word.replace("'", "\\'")}
    found |= {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), word) for word in found}
    return {word for word in found if len(word) >= SHORTEST}


def mask_known(text: str) -> str:
    """*text* without the secrets of this process's settings."""
    return _without(text, _spans(text))


def mask(text: str) -> str:
    """*text* without those, and without what looks like a secret.

    Both are looked for in the text as it came: a known secret that is a part of another one (the prefix
    `whsec_`, set by mistake) would break the form of the other, and the rest of it would be shown.
    """
    spans = _spans(text)
    small = text.lower()
    for word, form in _COMPILED:
        if word in small:
            spans += [(found.end("keep"), found.end()) for found in form.finditer(text)]
    return _without(text, sorted(spans))


def _spans(text: str) -> list[tuple[int, int]]:
    """Where the known secrets are in *text*."""
    return [found.span(1) for found in _known.finditer(text)]


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """*text* with `MASKED` in place of each of *spans*, which may overlap; they are in order."""
    parts: list[str] = []
    at = 0
    for start, end in spans:
        if start >= at:
            parts += [text[at:start], MASKED]
        at = max(at, end)
    return "".join([*parts, text[at:]])
