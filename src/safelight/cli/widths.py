"""How wide each column of a table is, so that words stay whole as long as the terminal has room."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len


def fit(columns: Sequence[Sequence[str]], room: int, whole: Collection[int] = ()) -> list[int]:
    """Cells for each of *columns* (their texts, headings too), *room* for all of them together.

    Each gets what it needs if there is room. Else each gets its longest word, and what is left goes to
    those that need more, evenly. Where not even the words have room, the longest are broken; those of
    the columns *whole* never are, and may then stand out of the room.
    """
    need = [max((cell_len(text) for text in column), default=0) for column in columns]
    if sum(need) <= room:
        return need
    words = [_longest_word(column) for column in columns]
    kept = sum(words[number] for number in whole)
    broken = [number for number in range(len(columns)) if number not in whole]
    left = max(len(broken), room - kept)
    least = dict(zip(broken, _level([words[n] for n in broken], left), strict=True))
    widths = [least.get(number, words[number]) for number in range(len(columns))]
    more = [n - width for n, width in zip(need, widths, strict=True)]
    spare = max(0, room - sum(widths))
    return [width + extra for width, extra in zip(widths, _level(more, spare), strict=True)]


def _longest_word(column: Sequence[str]) -> int:
    return max((cell_len(word) for text in column for word in text.split()), default=0)


def _level(wanted: Sequence[int], room: int) -> list[int]:
    """*wanted* of each, cut off at one level for all where they have no *room* together."""
    given = [0] * len(wanted)
    left = room
    for place, number in enumerate(sorted(range(len(wanted)), key=lambda n: wanted[n])):
        share = left // (len(wanted) - place)
        given[number] = min(wanted[number], share)
        left -= given[number]
    return given
