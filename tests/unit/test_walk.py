"""The walk's comparison: whatever the stretches, it finds what a comparison of the whole would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.stored import StoredObject
from safelight.domain.walk import KnownKey, compare

KEYS = st.text(alphabet="ab/-.é😀", min_size=1, max_size=6)


@given(
    st.sets(KEYS, max_size=40),
    st.dictionaries(KEYS, st.booleans(), max_size=40),
    st.integers(1, 9),
)
def test_stretch_by_stretch_is_the_same_as_the_whole(
    store: set[str], rows: dict[str, bool], limit: int
) -> None:
    """Neither list is ever held whole: both are asked for the next few keys only."""
    in_order = sorted(store, key=str.encode)
    named = sorted(rows, key=str.encode)
    after, turns = b"", 0
    unknown, missing, seen = set[str](), set[str](), 0
    while True:
        objects = [StoredObject(k, 1) for k in in_order if k.encode() > after][:limit]
        known = [KnownKey(k, "photo", None, rows[k]) for k in named if k.encode() > after][:limit]
        found = compare(objects, known, limit=limit)
        unknown |= {item.key for item in found.unknown}
        missing |= {item.key for item in found.missing}
        seen += found.seen
        turns += 1
        if found.upto is None:
            break
        assert found.upto.encode() > after, "every turn moves on"
        after = found.upto.encode()
    assert unknown == store - set(rows)
    assert missing == {key for key, expected in rows.items() if expected} - store
    assert seen == len(store)
    assert turns <= (len(store) + len(rows)) // limit + 1
