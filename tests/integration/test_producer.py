"""The Python door: what is asked for lives and dies with the caller's own transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import tuple_row

from safelight.domain.errors import Conflict, ConsentMissing, Invalid, NotFound
from safelight.domain.queues import Queue
from safelight.flow.commands.photos import add_photo
from safelight.flow.context import Context
from safelight.flow.sweep import sweep
from safelight.producer import Producer, ensure_owner
from tests.support.past import add_version
from tests.support.photos import photo
from tests.support.pipeline import actor, history, row


@pytest.fixture
def orders(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The caller's connection: its own table is in the same database."""
    with psycopg.connect(database_url, row_factory=tuple_row) as connection:
        connection.execute("CREATE TABLE orders (id int, training_id uuid)")
        connection.commit()
        yield connection


@pytest.fixture
def subject_id(cx: Context, orders: psycopg.Connection[Any], tmp_path: Path) -> UUID:
    made = Producer(orders, owner="acme").ensure_subject(name="luca", kind="character")
    orders.commit()
    path = photo(tmp_path, "a.jpg", 1, (64, 80))
    add_photo(cx.db, cx.tools.store, actor(cx), made.id, path)
    return made.id


def count(cx: Context, table: str) -> int:
    return int(row(cx, f"SELECT count(*) AS n FROM {table}")["n"])


def depths(cx: Context) -> int:
    return cx.broker.depths()[Queue.PREPROCESS]


def test_a_transaction_that_is_rolled_back_leaves_no_training_and_no_job(
    cx: Context, orders: psycopg.Connection[Any], subject_id: UUID
) -> None:
    training = Producer(orders, owner="acme").start_training(subject_id)
    orders.execute("INSERT INTO orders VALUES (1, %s)", [training.id])
    orders.rollback()
    assert (count(cx, "trainings"), count(cx, "jobs"), count(cx, "orders")) == (0, 0, 0)


def test_a_transaction_that_is_committed_leaves_a_job_that_the_next_sweep_hints_at(
    cx: Context, orders: psycopg.Connection[Any], subject_id: UUID
) -> None:
    """I6: without a grace, since nobody has hinted yet."""
    training = Producer(orders, owner="acme", actor="checkout").start_training(subject_id)
    orders.execute("INSERT INTO orders VALUES (1, %s)", [training.id])
    assert count(cx, "jobs") == 0, "not before the caller commits"
    assert sweep(cx.db, dict) == 0
    orders.commit()
    assert (count(cx, "trainings"), count(cx, "jobs"), count(cx, "orders")) == (1, 1, 1)
    assert sweep(cx.db, dict) == 1
    assert depths(cx) == 1
    assert history(cx, training.id) == ["queued"]
    found = row(cx, "SELECT DISTINCT actor FROM events WHERE noun IN ('training', 'job')")
    assert found["actor"] == "checkout"


def test_hints_are_sent_when_the_caller_says_that_it_has_committed(
    cx: Context, orders: psycopg.Connection[Any], subject_id: UUID
) -> None:
    door = Producer(orders, owner="acme")
    door.start_training(subject_id)
    orders.commit()
    url = cx.settings.broker_url.get_secret_value()
    assert door.send_hints(url) == 1
    assert depths(cx) == 1
    assert door.send_hints(url) == 0


def test_what_is_refused_leaves_the_callers_transaction_open_and_good(
    cx: Context, orders: psycopg.Connection[Any]
) -> None:
    door = Producer(orders, owner="acme")
    orders.execute("INSERT INTO orders VALUES (7, NULL)")
    person = door.ensure_subject(name="mara", kind="person")
    with pytest.raises(Invalid, match="no photos"):
        door.start_training(person.id)
    with pytest.raises(NotFound):
        door.start_training(UUID(int=1))
    with pytest.raises(Conflict, match="no active version"):
        door.request_generation("by the sea", subject_id=person.id)
    orders.commit()
    assert row(cx, "SELECT id FROM orders")["id"] == 7
    assert row(cx, "SELECT name FROM subjects")["name"] == "mara"


def test_a_refusal_by_the_database_itself_leaves_the_callers_transaction_good_too(
    cx: Context, orders: psycopg.Connection[Any]
) -> None:
    from safelight.db.joined import joined
    from safelight.flow.commands.subjects import create_subject

    who = actor(cx)
    door = Producer(orders, owner="acme")
    door.ensure_subject(name="luca", kind="character")
    with pytest.raises(Conflict, match="'luca'"), joined(orders) as tx:
        create_subject(tx, who, name="luca", kind="character")
    orders.execute("INSERT INTO orders VALUES (1, NULL)")
    orders.commit()
    assert (count(cx, "subjects"), count(cx, "orders")) == (1, 1)


def test_consent_is_needed_through_this_door_too(
    cx: Context, orders: psycopg.Connection[Any], tmp_path: Path
) -> None:
    door = Producer(orders, owner="acme")
    person = door.ensure_subject(name="mara", kind="person")
    orders.commit()
    path = photo(tmp_path, "a.jpg", 1, (64, 80))
    with pytest.raises(ConsentMissing):
        add_photo(cx.db, cx.tools.store, actor(cx), person.id, path)
    assert door.ensure_subject(name="mara", kind="person", consent="form 7").consented_at
    orders.commit()
    add_photo(cx.db, cx.tools.store, actor(cx), person.id, path)
    training = door.start_training(person.id)
    assert door.cancel_training(training.id).state == "canceled"
    assert [t.id for t in door.trainings()] == [training.id]
    orders.rollback()
    assert count(cx, "trainings") == 0


def test_the_version_of_a_training_is_there_once_it_was_made_and_for_its_owner_alone(
    cx: Context, orders: psycopg.Connection[Any], subject_id: UUID
) -> None:
    door = Producer(orders, owner="acme")
    assert door.version_of(door.start_training(subject_id).id) is None
    orders.rollback()
    made = add_version(cx, subject_id, 2)
    training_id = row(cx, "SELECT training_id FROM versions")["training_id"]
    found = door.version_of(training_id)
    assert found is not None
    assert (found.id, found.number) == (made, 2)
    with pytest.raises(NotFound):
        Producer(orders, owner="other").version_of(training_id)


def test_a_connection_that_commits_by_itself_needs_an_open_transaction(
    cx: Context, database_url: str, subject_id: UUID
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        door = Producer(connection, owner="acme")
        with pytest.raises(Invalid, match="commits every statement by itself"):
            door.start_training(subject_id)
        with connection.transaction(force_rollback=True):
            door.start_training(subject_id)
        assert count(cx, "trainings") == 0
        with connection.transaction():
            door.start_training(subject_id)
    assert count(cx, "trainings") == 1


def test_another_owners_subject_is_not_there(
    orders: psycopg.Connection[Any], subject_id: UUID
) -> None:
    with pytest.raises(NotFound):
        Producer(orders, owner="other").start_training(subject_id)


def test_an_owner_made_in_a_transaction_that_was_rolled_back_is_made_anew(
    cx: Context, orders: psycopg.Connection[Any]
) -> None:
    door = Producer(orders, owner="fresh")
    door.ensure_subject(name="luca", kind="character")
    orders.rollback()
    assert door.ensure_subject(name="luca", kind="character").name == "luca"
    assert ensure_owner(orders, "fresh").name == "fresh"
    orders.commit()
    assert row(cx, "SELECT count(*) AS n FROM owners WHERE name = 'fresh'")["n"] == 1
    with pytest.raises(Invalid):
        ensure_owner(orders, " ")
