"""What an erasure looks at once everything is deleted: the store, the provider, every table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from safelight.db import erasures
from safelight.domain.erasure import Checks, Plan
from safelight.domain.errors import Unfinished
from safelight.domain.naming import Naming, is_id
from safelight.domain.operations import Erasure
from safelight.domain.triggers import made_here
from safelight.flow.context import Context
from safelight.stages import erasure as stage
from safelight.stages.tools import Pulse

BLOCKS = 512
"""A table is searched 4 MB at a time, so that no statement runs for long."""
REMOVED_IN_PASSING = ("events", "idempotency_keys", "strays")
"""Tables whose rows only tell of other rows: one of the erased's own that names what is gone goes too."""


@dataclass(slots=True)
class _Search:
    """Rows that name what is gone, by table: left, deleted in passing, or another's."""

    found: dict[str, int] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    resembling: Counter[str] = field(default_factory=Counter)


def check(erasure: Erasure, plan: Plan, cx: Context, pulse: Pulse) -> Checks:
    """Look at the store, the provider and every table once more.

    Raises:
        Unfinished: something is there that should be gone. What is in the store was deleted again.
    """
    search = _search_tables(erasure, plan, cx, pulse)
    checks = Checks(
        store=stage.check_store(plan, cx.tools.store, pulse),
        provider=stage.check_provider(plan, cx.tools.provider, pulse),
        tables=search.found,
        removed=dict(search.removed),
        resembling=dict(search.resembling),
    )
    if checks.found:
        stage.delete_objects(plan, cx.tools.store, pulse)
        raise Unfinished(f"The check after the erasure found what should be gone: {checks.found}.")
    return checks


def _search_tables(erasure: Erasure, plan: Plan, cx: Context, pulse: Pulse) -> _Search:
    search = _Search()
    # Of a plan that an older worker made too: an imported trigger may be any word there is.
    texts = [text for text in plan.texts if is_id(text) or made_here(text)]
    naming = Naming(texts, plan.words)
    with cx.db.transaction() as tx:
        erasures.forget_cursors(tx)
        tables = erasures.tables(tx)
    for table, blocks in tables:
        passing = table in REMOVED_IN_PASSING
        search.found[table] = 0
        for first in range(0, blocks, BLOCKS):
            pulse.check()
            with cx.db.transaction() as tx:
                said = erasures.text_of_blocks(tx, table, first, first + BLOCKS)
                for block in (block for block, text in said if naming.found_in(text)):
                    ours, theirs = erasures.rows_naming(
                        tx,
                        table,
                        block,
                        texts=texts,
                        words=plan.words,
                        owner_id=erasure.owner_id,
                        subject_id=erasure.subject_id,
                        remove=passing,
                    )
                    if not ours + theirs:
                        # Seen, and gone at the closer look: somebody writes there, so look anew.
                        search.found[table] += 1
                    elif passing:
                        search.removed[table] += ours
                    else:
                        search.found[table] += ours
                    search.resembling[table] += theirs
    return search
