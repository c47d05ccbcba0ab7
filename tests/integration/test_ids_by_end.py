"""Ids by their end, as a person copies one out of a table: whatever else the owner has."""

from __future__ import annotations

from uuid import UUID

import pytest

from safelight.cli.naming import id_of
from safelight.cli.training import find_target
from safelight.db import jobs, owners
from safelight.db.statements import statements
from safelight.domain.errors import Invalid, NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import SubjectKind
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor, erasing, recycling
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from tests.support.past import add_drawing, add_version
from tests.support.pipeline import actor, row

TWINS = "0000000abcde"
"""The end of two ids that differ before it."""


def named(cx: Context, who: Actor, text: str, *nouns: str) -> UUID:
    with cx.db.transaction() as tx:
        return id_of(tx, who.owner_id, text, *nouns)


@pytest.fixture
def subject_id(cx: Context, who: Actor) -> UUID:
    with cx.db.transaction() as tx:
        return create_subject(tx, who, name="Luca", kind=SubjectKind.CHARACTER).id


@pytest.fixture
def things(cx: Context, who: Actor, subject_id: UUID) -> dict[str, UUID]:
    """One of each noun, by its name."""
    version_id = add_version(cx, subject_id, 1)
    removed = add_version(cx, subject_id, 2)
    image_id = add_drawing(cx, version_id, purpose="preview", days=0)
    photo = row(
        cx,
        "INSERT INTO photos (id, subject_id, name, key, state, bytes, sha256, removed_at) "
        "VALUES (%(id)s, %(subject)s, 'a', 'a', 'removed', 3, repeat('a', 64), now()) RETURNING id",
        id=new_id(),
        subject=subject_id,
    )
    campaign = row(
        cx,
        "INSERT INTO campaigns (id, owner_id, name, kind, selection, first_batch, at_once, asked_by) "
        "VALUES (%(id)s, %(owner)s, 'c', 'purge', '{}', 5, 5, 't') RETURNING id",
        id=new_id(),
        owner=who.owner_id,
    )
    with cx.db.transaction() as tx:
        job_id = jobs.add(tx, Kind.ERASE, actor="test", owner_id=who.owner_id)
        key, _ = owners.add_key(tx, who.owner_id, "k", actor="test")
        hold = recycling.place_hold(tx, who, version_id, "a claim")
        recycling.remove(tx, who, "version", removed)
        recycling.remove(tx, who, "image", image_id)
        other = create_subject(tx, who, name="gone", kind=SubjectKind.CHARACTER)
        erasure = erasing.erase_subject(tx, who, other.id, reason="asked")
    training = row(cx, "SELECT training_id AS id FROM versions WHERE id = %(id)s", id=version_id)
    drawing = row(cx, "SELECT generation_id AS id FROM images WHERE id = %(id)s", id=image_id)
    return {
        "subject": subject_id,
        "training": training["id"],
        "version": version_id,
        "generation": drawing["id"],
        "job": job_id,
        "campaign": campaign["id"],
        "erasure": erasure.id,
        "key": key["id"],
        "hold": hold.id,
        "removed photo": photo["id"],
        "removed image": image_id,
        "removed version": removed,
    }


def test_each_noun_is_named_by_the_end_of_its_id_and_by_its_owner_alone(
    cx: Context, who: Actor, things: dict[str, UUID]
) -> None:
    stranger = actor(cx, "stranger")
    for noun, id in things.items():
        end = str(id)[-12:]
        assert named(cx, who, end.upper(), noun) == id, noun
        with pytest.raises(NotFound, match=f"There is no {noun} '{end}'"):
            named(cx, stranger, end, noun)
    assert named(cx, who, str(things["version"])[-12:], "hold") == things["version"]


def test_a_removed_version_and_a_subject_that_is_being_erased_are_not_named(
    cx: Context, who: Actor, things: dict[str, UUID]
) -> None:
    gone = row(cx, "SELECT id FROM subjects WHERE name = 'gone'")["id"]
    for id, noun in ((things["removed version"], "version"), (gone, "subject")):
        with pytest.raises(NotFound):
            named(cx, who, str(id)[-12:], noun)


def test_what_retry_and_cancel_name_is_a_training_a_generation_or_a_job(
    cx: Context, who: Actor, things: dict[str, UUID]
) -> None:
    for noun in ("training", "generation", "job"):
        assert find_target(cx, who, str(things[noun])[-12:]) == (noun, things[noun])
        assert find_target(cx, who, str(things[noun])) == (noun, things[noun])


@pytest.mark.parametrize("text", ["zzz", "", "%", "_", "'", "0" * 40, "\0"])
def test_what_is_the_end_of_no_id_is_not_there_and_the_error_says_what_lists_them(
    cx: Context, who: Actor, subject_id: UUID, text: str
) -> None:
    with pytest.raises(NotFound, match="There is no subject") as raised:
        named(cx, who, text, "subject")
    assert raised.value.hint == "`safelight subjects` lists them."


def test_an_end_that_fits_several_is_refused_with_the_candidates(cx: Context, who: Actor) -> None:
    add_subjects(cx, who, 3, end=TWINS)
    twins = [row(cx, f"SELECT id FROM subjects WHERE name = 's{n}'")["id"] for n in (1, 2, 3)]
    with pytest.raises(Invalid, match="fits more than one subject") as raised:
        named(cx, who, TWINS, "subject")
    assert sum(str(id) in raised.value.message for id in twins) == 2
    assert named(cx, who, str(twins[0])[-28:], "subject") == twins[0]


def test_the_oldest_of_thousands_is_still_named_by_its_end(cx: Context, who: Actor) -> None:
    """It could not be, past the thousandth."""
    add_subjects(cx, who, 3000)
    oldest = row(cx, "SELECT id FROM subjects ORDER BY id LIMIT 1")["id"]
    assert named(cx, who, str(oldest)[-12:], "subject") == oldest


def add_subjects(cx: Context, who: Actor, count: int, *, end: str | None = None) -> None:
    """Subjects s1 to s*count*, whose ids end in their number or in *end*."""
    row(
        cx,
        "WITH made AS (INSERT INTO subjects (id, owner_id, name, kind, trigger_word) "
        "SELECT (lpad(n::text, 12, '0') || '70008000' || coalesce(%(end)s, lpad(n::text, 12, 'f')))::uuid, "
        "%(owner)s, 's' || n, 'character', 'tok' || n FROM generate_series(1, %(count)s) n) "
        "SELECT 1 AS x",
        end=end,
        owner=who.owner_id,
        count=count,
    )


INDEXED = (
    *("subject", "training", "version", "generation", "job", "campaign", "erasure"),
    *("removed photo", "removed image", "removed version"),
)
"""The others (keys, holds) are a handful of rows for an owner, and few in all."""


@pytest.mark.parametrize("noun", INDEXED)
def test_an_owners_rows_are_found_by_index_and_no_other_noun_is_read(
    cx: Context, who: Actor, noun: str
) -> None:
    asked = {"nouns": [noun], "end": TWINS, "owner_id": who.owner_id}
    with cx.db.transaction() as tx:
        tx.run(
            "SET LOCAL enable_seqscan = off"
        )  # the tables are empty: what it would do in full ones
        rows = tx.rows("EXPLAIN " + statements("ids").ids_ending, asked)
    plan = "\n".join(found["QUERY PLAN"] for found in rows)
    assert "(owner_id = " in plan, plan
    assert "Seq Scan on" not in plan, plan
    assert "Append" not in plan, f"others are read too: {plan}"
