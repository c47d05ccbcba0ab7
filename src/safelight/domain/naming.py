"""Names looked for in text: how an erasure knows that nothing speaks of who is gone."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9_-]{8,}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Whether *text* is one of our ids, in lower case."""
    return _UUID.fullmatch(text) is not None


class Naming:
    """Finds names in text: some anywhere, some as whole words, ids also within a longer word."""

    def __init__(self, texts: Sequence[str], words: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._words = frozenset(words)

    def found_in(self, text: str) -> bool:
        """Whether *text*, in lower case, names one of them."""
        if any(one in text for one in self._texts):
            return True
        if not self._words.isdisjoint(_WORD.findall(text)):
            return True
        return not self._words.isdisjoint(_UUID.findall(text))
