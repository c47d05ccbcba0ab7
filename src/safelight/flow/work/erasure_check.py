"""What an erasure looks at once everything is deleted: the store, the provider, every table."""

from __future__ import annotations

from safelight.db import erasures
from safelight.domain.erasure import Checks, Plan
from safelight.domain.errors import Unfinished
from safelight.domain.naming import Naming
from safelight.flow.context import Context
from safelight.stages import erasure as stage
from safelight.stages.tools import Pulse

BLOCKS = 512
"""A table is searched 4 MB at a time, so that no statement runs for long."""
REMOVED_IN_PASSING = ("events", "idempotency_keys", "strays")
"""Tables whose rows only tell of other rows: one that names what is gone goes too."""


def check(plan: Plan, cx: Context, pulse: Pulse) -> Checks:
    """Look at the store, the provider and every table once more.

    Raises:
        Unfinished: something is there that should be gone. What is in the store was deleted again.
    """
    found, removed = _search_tables(plan, cx, pulse)
    checks = Checks(
        store=stage.check_store(plan, cx.tools.store, pulse),
        provider=stage.check_provider(plan, cx.tools.provider, pulse),
        tables=found,
        removed=removed,
    )
    if checks.found:
        stage.delete_objects(plan, cx.tools.store, pulse)
        raise Unfinished(f"The check after the erasure found what should be gone: {checks.found}.")
    return checks


def _search_tables(plan: Plan, cx: Context, pulse: Pulse) -> tuple[dict[str, int], dict[str, int]]:
    """Rows that still name what is gone, by table, and those that were deleted for it in passing."""
    found: dict[str, int] = {}
    removed: dict[str, int] = {}
    naming = Naming(plan.texts, plan.words)
    with cx.db.transaction() as tx:
        erasures.forget_cursors(tx)
        tables = erasures.tables(tx)
    for table, blocks in tables:
        passing = table.startswith(REMOVED_IN_PASSING)
        found[table] = 0
        for first in range(0, blocks, BLOCKS):
            pulse.check()
            with cx.db.transaction() as tx:
                said = erasures.text_of_blocks(tx, table, first, first + BLOCKS)
                for block in (block for block, text in said if naming.found_in(text)):
                    n = erasures.rows_that_name(
                        tx, table, block, texts=plan.texts, words=plan.words, remove=passing
                    )
                    into = removed if passing and n else found
                    into[table] = into.get(table, 0) + max(n, 1)
    return found, removed
