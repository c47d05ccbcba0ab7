"""The trigger: the made-up word that stands for one subject. Made once, here, and never retyped.

One generator (R-4, R-5, K23): no timestamp, no owner's name, nothing a person would type by hand, and
no two of the same length where one holds another.
"""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

LENGTH = 10
PREFIX = "sl"
ALPHABET = "bcdfghjkmnpqrstvwxz23456789"
"""No vowels, so no words; no l, 0 or 1, so nothing to misread. 27 ** 8 is 2.8e11 triggers."""

FRAGMENTS = (
    "2d", "3d", "4k", "5g", "8k", "bw", "dj", "dvd", "gb", "hd", "hdr", "jpg", "kkk", "nsfw", "pc",
    "png", "ps2", "ps3", "ps4", "ps5", "tv", "vfx", "vhs", "vr", "xxx",
)  # fmt: skip
"""What the drawing model knows a meaning of although it has no vowel."""

WORDS = (
    "body", "boy", "character", "face", "girl", "image", "lora", "man", "model", "person", "photo",
    "selfie", "style", "user", "woman",
)  # fmt: skip
"""Words that stand in prompts and captions: a trigger that holds one would be found in every text."""

_SHAPE = re.compile(r"[a-z][a-z0-9]{7,9}")
_MADE_HERE = re.compile(rf"{PREFIX}[{ALPHABET}]{{{LENGTH - len(PREFIX)}}}")


def new_trigger(subject_id: UUID, attempt: int = 0) -> str:
    """A trigger for the subject: ten characters, the same for the same id and attempt.

    Two of a million subjects may meet (27 ** 8 triggers): the table's UNIQUE refuses the second, and
    the caller asks again with *attempt* one higher.
    """
    for salt in range(1_000):
        digest = hashlib.sha256(f"{subject_id}:{attempt}:{salt}".encode()).digest()
        number = int.from_bytes(digest)
        tail = ""
        for _ in range(LENGTH - len(PREFIX)):
            number, index = divmod(number, len(ALPHABET))
            tail += ALPHABET[index]
        trigger = PREFIX + tail
        if is_valid_trigger(trigger):
            return trigger
    raise AssertionError("a thousand hashes in a row held a fragment")  # pragma: no cover


def is_valid_trigger(text: str) -> bool:
    """True for 8 to 10 lower-case letters and digits, a letter first, with no word or fragment in it."""
    return bool(_SHAPE.fullmatch(text)) and not any(part in text for part in FRAGMENTS + WORDS)


def made_here(text: str) -> bool:
    """Whether `new_trigger` may have made it. A trigger that was imported may be any word there is, so
    where it is found says nothing of whom it is about."""
    return _MADE_HERE.fullmatch(text) is not None and is_valid_trigger(text)
