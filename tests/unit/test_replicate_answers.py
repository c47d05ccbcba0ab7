"""The provider's JSON as values: whatever stands in one run stays that run's matter."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.clients.replicate_answers import (
    ERROR_CHARS,
    OUTPUT_CHARS,
    PAGE_ITEMS,
    account_of,
    latest_of,
    page_of,
    parse,
    run_of,
    schema_of,
    versions_of,
)
from safelight.db.jsons import dumps
from safelight.domain.errors import Unreadable
from safelight.domain.provider import RemoteRun, RemoteStatus, is_version_name
from safelight.domain.trainlog import MOST_CHARS, parse_log

ID = "8n13jh44v5rm60cjpm9b06dhym"
LINKS = {"version": f"acme/x:{'b' * 64}", "weights": "https://replicate.delivery/x.tar"}


def run(**more: Any) -> RemoteRun:
    return run_of({"id": ID, "status": "processing", **more})


def texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [t for k, v in value.items() for t in (*texts(k), *texts(v))]
        case list() | tuple():
            return [t for v in value for t in texts(v)]
    return []


# Texts.

ODD = st.text(st.characters(), max_size=20) | st.sampled_from(["a\x00b", "\ud83d", "\udc00\x00"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD, inner, max_size=4),
    max_leaves=8,
)


FIELDS = (
    *("model", "version", "input", "output", "logs", "error", "metrics"),
    *("created_at", "started_at", "completed_at"),
)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {"id": st.just(ID), "status": st.sampled_from([str(s) for s in RemoteStatus])},
        optional=dict.fromkeys(FIELDS, JSON),
    )
)
def test_whatever_a_run_holds_what_is_read_of_it_can_be_kept(body: dict[str, Any]) -> None:
    """As Postgres has it: no NUL, no half of a surrogate pair, no number that is none."""
    found = run_of(body)
    kept = [found.model, found.version, found.logs, found.error, dict(found.input), found.output]
    for text in texts(kept):
        assert "\x00" not in text
        text.encode()
    dumps(kept)  # refuses NaN and infinities
    assert found.predict_seconds is None or 0 <= found.predict_seconds <= 10**8
    for at in (found.created_at, found.started_at, found.completed_at):
        assert at is None or 2000 <= at.year < 2200


def test_a_poisoned_log_is_read_but_for_its_poison() -> None:
    found = run(logs="before\x00after\nhalf \ud83d", error="why \x00", input={"a\x00": "b\ud800"})
    assert found.logs == "before\ufffdafter\nhalf \ufffd"
    assert found.error == "why \ufffd"
    assert found.input == {"a\ufffd": "b\ufffd"}


def test_a_log_of_fifty_megabytes_is_read_from_both_its_ends() -> None:
    log = "-  Found 12 images\n" + "x" * 50_000_000 + "\nthe end"
    started = time.process_time()
    found = run(logs=log)
    assert found.logs is not None
    assert len(found.logs) <= MOST_CHARS + 1
    assert found.logs.endswith("the end")
    assert parse_log(found.logs).images == 12
    assert time.process_time() - started < 3


def test_a_long_error_keeps_its_start_and_its_end() -> None:
    found = run(error="Traceback\n" + "x" * 100_000 + "\nRuntimeError: why")
    assert found.error is not None
    assert len(found.error) <= ERROR_CHARS + 1
    assert found.error.startswith("Traceback")
    assert found.error.endswith("RuntimeError: why")


def test_an_error_that_is_no_text_is_told_as_it_is() -> None:
    assert run(error={"detail": ["no", None]}).error == '{"detail": ["no", null]}'


# Outputs.


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ({**LINKS, "more": "x" * 10_000_000}, LINKS),
        ({"version": "x" * 10_000_000, "weights": LINKS["weights"]}, {"weights": LINKS["weights"]}),
        (["https://a/0.webp", "x" * 10_000_000], ["https://a/0.webp"]),
        (["https://a/0.webp"] * 100_000, ["https://a/0.webp"] * 100),
        ("x" * 10_000_000, None),
        (LINKS, LINKS),
    ],
    ids=["more than links", "a link too long", "one of them", "too many", "one text", "links"],
)
def test_of_an_output_of_any_size_the_links_are_kept(output: Any, kept: Any) -> None:
    found = run(output=output).output
    assert found == kept
    assert len(json.dumps(found)) <= OUTPUT_CHARS


@pytest.mark.parametrize("deep", [100, 10_000, 200_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_an_output_that_is_nested_without_end_costs_no_other_run_of_its_page(
    deep: int, pair: str
) -> None:
    opened = "[" if pair == "[]" else '{"a":'
    closed = pair[1]
    nested = opened * deep + "1" + closed * deep
    text = (
        f'{{"next":null,"results":[{{"id":"{ID}","status":"processing","output":{nested},'
        f'"logs":"a [ \\" ] {{"}},{{"id":"y","status":"succeeded"}}]}}'
    )
    page = page_of(parse(text.encode()))
    assert [(r.id, r.status) for r in page.runs] == [(ID, "processing"), ("y", "succeeded")]
    assert page.runs[0].logs == 'a [ " ] {'


@pytest.mark.parametrize("field", ["id", "status", "model", "error", "logs", "input", "metrics"])
@pytest.mark.parametrize("deep", [50, 400, 800])
def test_what_is_nested_where_a_text_should_be_costs_its_own_run_at_most(
    field: str, deep: int
) -> None:
    """Less than the parser refuses, and more than can be printed."""
    nested: Any = []
    for _ in range(deep):
        nested = [nested]
    page = page_of({"results": [{"id": ID, "status": "processing", field: nested}, {"id": "y"}]})
    assert len(page.runs) == (0 if field in ("id", "status") else 1)
    dumps([[dict(r.input), r.output, r.error] for r in page.runs])


# Numbers and times.


@pytest.mark.parametrize(
    "said",
    ["NaN", "Infinity", "-Infinity", "-1", "1e400", "1" + "0" * 400, "1" + "0" * 5000, '"12"',
     "true", "1e12", "[1]"],
)  # fmt: skip
def test_a_time_that_a_run_cannot_have_taken_is_no_time(said: str) -> None:
    text = f'{{"id":"{ID}","status":"succeeded","metrics":{{"predict_time":{said}}}}}'
    assert run_of(parse(text.encode())).predict_seconds is None


def test_a_number_of_thousands_of_digits_costs_no_other_value() -> None:
    found = parse(b'{"a": 1' + b"0" * 10_000 + b', "b": 7}')
    assert found["b"] == 7


@pytest.mark.parametrize(
    "said",
    ["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 1.7e9, -1, "",
     "9999-12-31T23:59:59-14:00", "yesterday", None, [], "2024-13-01T00:00:00Z"],
)  # fmt: skip
def test_a_moment_that_no_run_can_have_is_none(said: Any) -> None:
    assert run(created_at=said).created_at is None


def test_a_moment_without_a_zone_is_utc() -> None:
    assert run(created_at="2026-11-28T03:00:00").created_at == datetime(2026, 11, 28, 3, tzinfo=UTC)


# Ids and names.


@pytest.mark.parametrize(
    "id", ["", " ", "..", "a/b", "a?b", "a#b", "a\x00", "ä", "\ud800", "x" * 65, 7, None, [], {}]
)
def test_a_run_whose_id_could_not_stand_in_a_path_is_none(id: Any) -> None:
    with pytest.raises(Unreadable):
        run_of({"id": id, "status": "processing"})
    assert page_of({"results": [{"id": id, "status": "processing"}]}).unread == 1


@pytest.mark.parametrize("status", ["dreaming", "", None, 7, [], {}, "Succeeded", "\ud800"])
def test_a_status_that_nobody_knows_is_said_and_can_be_shown(status: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        run_of({"id": ID, "status": status})
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["model", "version"])
def test_a_name_longer_than_any_is_none(name: str) -> None:
    assert getattr(run(**{name: "x" * 10_000}), name) is None
    assert getattr(run(**{name: "acme/x"}), name) == "acme/x"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        (f"acme/x:{'b' * 64}", True),
        ("Acme.Inc/x_1-y:abc", True),
        ("acme/x", False),
        ("acme:x", False),
        ("acme/x:", False),
        ("acme/x:a/b", False),
        ("acme/x:a:b", False),
        ("../x:abc", False),
        ("acme/x:" + "b" * 10_000, False),
        (None, False),
    ],
)
def test_a_versions_name_is_told(name: Any, good: bool) -> None:
    assert is_version_name(name) is good


# Pages.


def test_of_a_page_of_a_million_runs_the_first_are_read_and_the_rest_counts_as_unread() -> None:
    item = {"id": ID, "status": "processing"}
    started = time.process_time()
    page = page_of({"next": None, "results": [item] * 1_000_000})
    assert len(page.runs) == PAGE_ITEMS
    assert page.unread == 1_000_000 - PAGE_ITEMS
    assert time.process_time() - started < 2


@pytest.mark.parametrize("next", [7, [], "x" * 10_000, "https://a/\x00", "https://a/\ud800", "\n"])
def test_a_page_whose_link_onwards_is_none_is_not_the_last(next: Any) -> None:
    """What it hides would be taken for gone."""
    with pytest.raises(Unreadable):
        page_of({"next": next, "results": []})
    with pytest.raises(Unreadable):
        versions_of({"next": next, "results": []})


@pytest.mark.parametrize("id", [None, "", "a b", "\x00", "a/../b", 7])
def test_a_page_of_versions_is_read_whole_or_not_at_all(id: Any) -> None:
    with pytest.raises(Unreadable):
        versions_of({"next": None, "results": [{"id": "b" * 64}, {"id": id}]})


# The encodings that JSON may come in.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_is_read_in_whatever_encoding_it_comes(encoding: str) -> None:
    assert parse('{"a": "ä🙂"}'.encode(encoding)) == {"a": "ä🙂"}


def test_bytes_that_are_no_text_and_raw_control_characters_cost_themselves_alone() -> None:
    assert parse(b'{"a": "b\xff\xfe", "c": 1}') == {"a": "b\ufffd\ufffd", "c": 1}
    assert parse(b'{"a": "b\nc\x01", "a": "d"}') == {"a": "d"}


@pytest.mark.parametrize("data", [b"", b"<html>", b"{", b"[" * 100_000, b"\x00", b'{"a": 1}x'])
def test_what_is_no_json_is_said(data: bytes) -> None:
    with pytest.raises(Unreadable, match="no JSON"):
        parse(data)


# Schemas, models, the account.


def test_a_schema_is_read_but_for_what_no_column_can_keep() -> None:
    schema = schema_of({"openapi_schema": {"a\x00": float("nan"), "b": [10**400, "\ud800"]}})
    assert schema == {"a\ufffd": None, "b": [None, "\ufffd"]}
    assert schema_of(None) == schema_of({"openapi_schema": []}) == {}


@pytest.mark.parametrize("name", [None, "", "a b", "a\x00", "\n", "a/b", "..", 7, "x" * 200])
def test_an_account_whose_name_could_not_begin_a_models_is_none(name: Any) -> None:
    with pytest.raises(Unreadable):
        account_of({"username": name})


@pytest.mark.parametrize("version", [{}, {"id": None}, {"id": "a/b"}, "x", 7])
def test_a_newest_version_without_an_id_is_none(version: Any) -> None:
    with pytest.raises(Unreadable):
        latest_of({"latest_version": version})
    assert latest_of({"latest_version": None}) is None
