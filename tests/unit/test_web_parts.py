"""The parts of the web door that need no store: what text may be, pages, forms in any pieces."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_multipart import MultipartParser
from starlette.requests import Request

from safelight.domain.errors import BadArchive, ProviderRefused, Retryable, SafelightError
from safelight.web.multipart import Form, _Reader
from safelight.web.pages import Cut
from safelight.web.problems import of_a_surprise, of_ours
from safelight.web.text import storable


@pytest.mark.parametrize(
    "value",
    ["", "plain", "Ünïcödé 🦊", {"a": [1, 2.5, None, True, {"b": "c"}]}, 10**30],
)
def test_what_postgres_can_keep_is_taken_as_it_is(value: object) -> None:
    assert storable(value) == value


@pytest.mark.parametrize(
    "value",
    ["\x00", "\ud800", float("nan"), float("inf"), {"a": {"b": ["\x00"]}}, {"\x00": 1}],
)
def test_what_postgres_cannot_keep_is_refused_however_deep(value: object) -> None:
    with pytest.raises(ValueError, match=r"cannot hold|finite"):
        storable(value)


@pytest.mark.parametrize(
    ("rows", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 3, False), (4, 3, True)]
)
def test_a_page_is_cut_and_names_where_the_next_begins(rows: int, shown: int, more: bool) -> None:
    ids = [UUID(int=n + 1) for n in range(rows)]
    cut = Cut(limit=3, after=None)
    assert cut.one_more == 4
    page = cut.of(ids, str, lambda row: row)
    assert page.items == [str(id) for id in ids[:shown]]
    assert page.next == (ids[shown - 1] if more else None)


def form_of(body: bytes, boundary: bytes, pieces: list[int], folder: Path) -> Form:
    form = Form()
    reader = _Reader(folder, form)
    parser = MultipartParser(boundary, reader.callbacks())
    start = 0
    for size in pieces:
        parser.write(body[start : start + size])
        start += size
    parser.write(body[start:])
    reader.close()
    assert reader.ended
    return form


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(st.binary(min_size=0, max_size=300), min_size=1, max_size=3),
    caption=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
    pieces=st.lists(st.integers(1, 120), max_size=20),
)
def test_a_form_comes_out_the_same_in_whatever_pieces_it_arrives(
    files: list[bytes],
    caption: str,
    pieces: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    boundary = b"------------------------0123456789abcdef"
    body = b""
    for number, data in enumerate(files):
        body += b"--" + boundary + b"\r\nContent-Disposition: form-data; "
        body += b'name="file"; filename="%d.jpg"\r\n\r\n' % number + data + b"\r\n"
    body += b"--" + boundary + b'\r\nContent-Disposition: form-data; name="caption"\r\n\r\n'
    body += caption.encode() + b"\r\n--" + boundary + b"--\r\n"
    form = form_of(body, boundary, pieces, tmp_path_factory.mktemp("form"))
    assert [(f.name, f.path.read_bytes(), f.bytes) for f in form.files] == [
        (f"{number}.jpg", data, len(data)) for number, data in enumerate(files)
    ]
    assert form.fields == {"caption": caption}


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (BadArchive("The weights end within x."), 422, "The weights end within x."),
        (
            ProviderRefused("The provider refused acme/x (403): \x1b[31mno\x00."),
            502,
            "The provider refused acme/x (403): \\x1b[31mno\\x00.",
        ),
        (ProviderRefused("a" * 5000), 502, "a" * 499 + "…"),
        (Retryable("postgresql://user@host is away"), 503, "A passing fault; it is tried again"),
    ],
)
def test_a_refusal_is_answered_with_its_reason_and_a_fault_of_ours_without(
    error: SafelightError, status: int, detail: str
) -> None:
    request = Request({"type": "http", "headers": [], "safelight": {"request_id": "r"}})
    reply = of_ours(request, error)
    assert reply.status_code == status
    assert json.loads(bytes(reply.body))["detail"].startswith(detail)


def test_a_full_disk_of_ours_is_answered_as_what_passes() -> None:
    request = Request({"type": "http", "headers": [], "safelight": {"request_id": "r"}})
    reply = of_a_surprise(request, OSError(errno.ENOSPC, "No space left on device"))
    assert (reply.status_code, json.loads(bytes(reply.body))["type"]) == (
        503,
        "urn:safelight:problem:own-disk",
    )
    assert of_a_surprise(request, OSError(errno.EINVAL, "x")).status_code == 500
