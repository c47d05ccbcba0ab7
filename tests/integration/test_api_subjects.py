"""Subjects and photos through the API: making them, pages, uploads, and whose they are."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from safelight.domain.formats import PhotoType
from safelight.flow.commands.photos import MAX_PHOTO_BYTES
from safelight.flow.context import Context
from tests.support.api import Door, assert_problem
from tests.support.photos import odd_name, photo

JPEG = "image/jpeg"


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    return photo(tmp_path, "one.jpg", 1, (320, 400))


def sent(door: Door, subject_id: str, *files: Path, **more: Any) -> httpx.Response:
    parts = [("file", (path.name, path.read_bytes(), JPEG)) for path in files]
    return door.request("POST", f"/v1/subjects/{subject_id}/photos", files=parts, **more)


def test_a_subject_is_made_with_its_trigger_word_and_can_be_looked_at(acme: Door) -> None:
    """R-4, R-5, K23: the trigger word is made once, by us."""
    answer = acme.post("/v1/subjects", {"name": " Luca ", "kind": "person", "consent": "form 7"})
    assert answer.status_code == 201
    made = answer.json()
    assert made["name"] == "Luca"
    assert made["trigger_word"]
    assert made["consented_at"]
    assert answer.headers["location"] == f"/v1/subjects/{made['id']}"
    found = acme.get(answer.headers["location"]).json()
    assert found == {**made, "active_version": None}


def test_two_subjects_of_one_owner_do_not_share_a_name_and_those_of_two_may(
    acme: Door, other: Door
) -> None:
    acme.subject("luca")
    answer = acme.post("/v1/subjects", {"name": "luca", "kind": "character"})
    body = assert_problem(answer, 409, "conflict")
    assert "'luca'" in body["detail"]
    other.subject("luca")


def test_consent_is_put_on_record_once_and_stays_as_it_was_given(acme: Door) -> None:
    subject = acme.subject(kind="person")
    path = f"/v1/subjects/{subject['id']}/consent"
    first = acme.request("PUT", path, json={"note": "by mail, 3 May"})
    assert first.status_code == 200
    assert first.json()["consent_note"] == "by mail, 3 May"
    assert acme.request("PUT", path, json={"note": "changed"}).json() == first.json()
    assert_problem(acme.request("PUT", path, json={"note": ""}), 422, "invalid")


def test_pages_run_through_all_subjects_newest_first_and_then_end(acme: Door, other: Door) -> None:
    names = [f"subject {n}" for n in range(7)]
    for name in names:
        acme.subject(name)
    other.subject("not mine")
    seen, after = [], None
    for _ in range(10):
        path = "/v1/subjects?limit=3" + (f"&after={after}" if after else "")
        page = acme.get(path).json()
        seen.append([item["name"] for item in page["items"]])
        after = page["next"]
        if after is None:
            break
    assert [len(names) for names in seen] == [3, 3, 1]
    assert list(itertools.chain(*seen)) == names[::-1]


def test_a_last_page_that_is_full_says_so(acme: Door) -> None:
    for n in range(3):
        acme.subject(f"s{n}")
    assert acme.get("/v1/subjects?limit=3").json()["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=17"])
def test_a_page_that_cannot_be_is_refused(acme: Door, query: str) -> None:
    assert_problem(acme.get(f"/v1/subjects?{query}"), 422, "invalid")


def test_photos_are_sent_as_files_many_at_once_and_the_same_file_is_kept_once(
    cx: Context, acme: Door, tmp_path: Path, jpeg: Path
) -> None:
    subject = acme.subject()
    two = photo(tmp_path, "two.jpg", 2, (320, 400))
    answer = sent(acme, subject["id"], jpeg, two)
    assert answer.status_code == 201, answer.text
    first, second = answer.json()["items"]
    assert (first["name"], second["name"]) == ("one.jpg", "two.jpg")
    assert first["sha256"] == hashlib.sha256(jpeg.read_bytes()).hexdigest()
    assert (first["state"], first["new"]) == ("stored", True)
    again = sent(acme, subject["id"], jpeg).json()["items"][0]
    assert (again["id"], again["new"]) == (first["id"], False)
    stored = cx.tools.store.get_bytes(f"photos/{subject['id']}/{first['id']}")
    assert stored == jpeg.read_bytes()
    listed = acme.get(f"/v1/subjects/{subject['id']}/photos?limit=1").json()
    assert [p["id"] for p in listed["items"]] == [first["id"]]
    rest = acme.get(f"/v1/subjects/{subject['id']}/photos?after={listed['next']}").json()
    assert [p["id"] for p in rest["items"]] == [second["id"]]


def test_a_name_with_spaces_and_emoji_is_kept_and_a_path_in_it_is_not(
    acme: Door, tmp_path: Path
) -> None:
    subject = acme.subject()
    odd = odd_name(tmp_path)
    parts = [("file", (f"../../etc/{odd.name}", odd.read_bytes(), JPEG))]
    answer = acme.request("POST", f"/v1/subjects/{subject['id']}/photos", files=parts)
    assert answer.status_code == 201, answer.text
    assert answer.json()["items"][0]["name"] == odd.name


def test_a_caption_goes_with_a_single_photo(acme: Door, tmp_path: Path, jpeg: Path) -> None:
    subject = acme.subject()
    answer = sent(acme, subject["id"], jpeg, data={"caption": "in profile, outdoors"})
    assert answer.json()["items"][0]["caption"] == "in profile, outdoors"
    two = photo(tmp_path, "two.jpg", 2, (320, 400))
    three = photo(tmp_path, "three.jpg", 3, (320, 400))
    answer = sent(acme, subject["id"], two, three, data={"caption": "x"})
    assert_problem(answer, 422, "invalid")


def test_a_file_over_the_limit_is_refused_while_it_comes_and_nothing_is_kept(
    acme: Door, jpeg: Path
) -> None:
    """The sender is stopped soon after the limit: the rest is never taken."""
    subject = acme.subject()
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        yield (b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.jpg"\r\n\r\n')
        for _ in range(200):
            taken += 1
            yield b"\0" * 1024 * 1024
        yield b"\r\n--x--\r\n"

    async def stream() -> Any:
        for part in body():
            yield part

    answer = acme.request(
        "POST",
        f"/v1/subjects/{subject['id']}/photos",
        content=stream(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    problem = assert_problem(answer, 413, "too-large")
    assert "big.jpg" in problem["detail"]
    assert f"{MAX_PHOTO_BYTES:,}" in problem["detail"]
    assert taken <= 52
    assert acme.get(f"/v1/subjects/{subject['id']}/photos").json()["items"] == []


FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\nabc'


@pytest.mark.parametrize(
    ("kind", "content", "status", "code"),
    [
        ("application/json", b"{}", 422, "invalid"),
        ("multipart/form-data", b"x", 422, "invalid"),
        ("multipart/form-data; boundary=x", b"", 422, "invalid"),
        ("multipart/form-data; boundary=x", b"rubbish", 422, "invalid"),
        ("multipart/form-data; boundary=x", FILE, 422, "invalid"),  # ends in the middle
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422, "invalid"),
        ("multipart/form-data; boundary=x", FILE[:-3] + b"\r\n--x--\r\n", 422, "invalid"),  # empty
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="caption"\r\n\r\nno file\r\n--x--\r\n',
            422,
            "invalid",
        ),
        (
            "multipart/form-data; boundary=x",
            FILE.replace(b"a.jpg", b"a\x00.jpg") + b"\r\n--x--\r\n",
            422,
            "invalid",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n'
            + b"y" * 9000
            + b"\r\n--x--\r\n",
            413,
            "too-large",
        ),
        (f"multipart/form-data; boundary={'b' * 400}", FILE, 422, "invalid"),
    ],
)
def test_a_form_that_is_not_one_is_a_problem_and_nothing_is_stored(
    acme: Door, kind: str, content: bytes, status: int, code: str
) -> None:
    subject = acme.subject()
    path = f"/v1/subjects/{subject['id']}/photos"
    answer = acme.request("POST", path, content=content, headers={"Content-Type": kind})
    assert_problem(answer, status, code)
    assert acme.get(path).json()["items"] == []


@pytest.mark.parametrize("key", [True, False])
def test_bytes_are_taken_only_for_a_subject_of_ones_own(acme: Door, other: Door, key: bool) -> None:
    subject = acme.subject()
    taken = 0

    async def stream() -> Any:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield b"\0" * 100_000

    way_in = other if key else acme.client
    answer = way_in.request(
        "POST",
        f"/v1/subjects/{subject['id']}/photos",
        content=stream(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert_problem(answer, *((404, "not-found") if key else (401, "unauthorized")))
    assert taken == 0


def test_a_photo_is_put_straight_into_the_store_and_confirmed(acme: Door, jpeg: Path) -> None:
    subject = acme.subject()
    size = jpeg.stat().st_size
    asked = {
        "name": "IMG 0114.jpg",
        "content_type": JPEG,
        "bytes": size,
        "sha256": hashlib.sha256(jpeg.read_bytes()).hexdigest(),
        "caption": "by the sea",
    }
    upload = acme.made(f"/v1/subjects/{subject['id']}/uploads", asked)
    assert upload["photo"]["state"] == "awaited"
    early = acme.post(upload["confirm"])
    assert_problem(early, 404, "object-missing")
    with httpx.Client() as outside:
        wrong = outside.put(upload["url"], content=b"x", headers={"Content-Type": "text/html"})
        assert wrong.status_code == 403
        put = outside.request(
            upload["method"], upload["url"], content=jpeg.read_bytes(), headers=upload["headers"]
        )
    assert put.status_code == 200, put.text
    confirmed = acme.post(upload["confirm"]).json()
    assert (confirmed["state"], confirmed["bytes"]) == ("stored", jpeg.stat().st_size)
    assert confirmed["caption"] == "by the sea"
    assert acme.post(upload["confirm"]).json() == confirmed
    assert acme.get(f"/v1/photos/{confirmed['id']}").json() == confirmed


def test_an_upload_may_be_of_every_format_that_is_read_and_of_no_other(acme: Door) -> None:
    path = f"/v1/subjects/{acme.subject()['id']}/uploads"
    for kind in PhotoType:
        made = acme.made(path, {"name": "a", "bytes": 5, "content_type": kind.value})
        assert made["headers"]["Content-Type"] == kind.value
    for other in ("image/svg+xml", "video/mp4", "text/html", "image/jpeg; x=1"):
        answer = acme.post(path, {"name": "a", "bytes": 5, "content_type": other})
        assert_problem(answer, 422, "invalid")


@pytest.mark.parametrize("size", [0, -1, 50 * 1024 * 1024 + 1, 2**70, None, "many"])
def test_an_upload_of_a_size_that_no_photo_has_is_refused_when_it_is_asked_for(
    acme: Door, size: Any
) -> None:
    subject = acme.subject()
    asked = {"name": "a.jpg", **({} if size is None else {"bytes": size})}
    answer = acme.post(f"/v1/subjects/{subject['id']}/uploads", asked)
    assert_problem(answer, 422, "invalid")
    assert "body.bytes" in answer.text


def test_an_upload_takes_what_was_announced_once_and_nothing_else(acme: Door, jpeg: Path) -> None:
    data = jpeg.read_bytes()
    path = f"/v1/subjects/{acme.subject()['id']}/uploads"
    upload = acme.made(path, {"name": "a.jpg", "bytes": len(data)})
    url, headers = upload["url"], upload["headers"]
    for body in (b"", data + b"\0", bytes(3_000_000)):
        assert httpx.put(url, content=body, headers=headers).status_code == 403
    assert_problem(acme.post(upload["confirm"]), 404, "object-missing")
    assert httpx.put(url, content=data, headers=headers).status_code == 200
    for _ in range(2):  # before it is confirmed, and after
        again = httpx.put(url, content=data[::-1], headers=headers)
        assert again.status_code == 412
        assert acme.post(upload["confirm"]).status_code == 200
    assert acme.request("DELETE", f"/v1/photos/{upload['photo']['id']}").status_code == 204
    assert httpx.put(url, content=data[::-1], headers=headers).status_code == 412


def test_an_upload_of_other_content_than_was_announced_is_not_taken(acme: Door, jpeg: Path) -> None:
    data = jpeg.read_bytes()
    said = hashlib.sha256(data).hexdigest()
    path = f"/v1/subjects/{acme.subject()['id']}/uploads"
    upload = acme.made(path, {"name": "a.jpg", "bytes": len(data), "sha256": said})
    put = httpx.put(upload["url"], content=data[::-1], headers=upload["headers"])
    assert put.status_code == 400
    assert_problem(acme.post(upload["confirm"]), 404, "object-missing")


def test_an_object_of_another_size_is_not_confirmed(cx: Context, acme: Door) -> None:
    """On a store that does not hold a link to its length."""
    path = f"/v1/subjects/{acme.subject()['id']}/uploads"
    upload = acme.made(path, {"name": "a.jpg", "bytes": 5})
    photo = upload["photo"]
    cx.tools.store.put_bytes(f"photos/{photo['subject_id']}/{photo['id']}", b"123456", JPEG)
    answer = acme.post(upload["confirm"])
    assert_problem(answer, 422, "invalid")
    assert "5 bytes were announced, and 6 came" in answer.text


def test_answers_are_kept_by_no_cache_in_between(acme: Door, jpeg: Path) -> None:
    subject = acme.subject()
    path = f"/v1/subjects/{subject['id']}"
    for answer in (
        acme.post(f"{path}/uploads", {"name": "a.jpg", "bytes": 5}),
        acme.get(path),
        acme.get("/v1/generations"),
        acme.get(f"/v1/photos/{subject['id']}"),
    ):
        assert answer.headers["cache-control"] == "no-store"


def test_a_photo_is_taken_out_once(acme: Door, jpeg: Path) -> None:
    subject = acme.subject()
    id = sent(acme, subject["id"], jpeg).json()["items"][0]["id"]
    assert acme.request("DELETE", f"/v1/photos/{id}").status_code == 204
    assert_problem(acme.request("DELETE", f"/v1/photos/{id}"), 409, "conflict")
    assert acme.get(f"/v1/subjects/{subject['id']}/photos").json()["items"] == []


def test_another_owners_subject_and_photos_are_not_there(
    acme: Door, other: Door, jpeg: Path
) -> None:
    subject = acme.subject()
    id = subject["id"]
    photo_id = sent(acme, id, jpeg).json()["items"][0]["id"]
    upload = acme.made(f"/v1/subjects/{id}/uploads", {"name": "b.jpg", "bytes": 5})
    for answer in (
        other.get(f"/v1/subjects/{id}"),
        other.request("PUT", f"/v1/subjects/{id}/consent", json={"note": "not mine"}),
        other.get(f"/v1/subjects/{id}/photos"),
        sent(other, id, jpeg),
        other.post(f"/v1/subjects/{id}/uploads", {"name": "c.jpg", "bytes": 5}),
        other.get(f"/v1/photos/{photo_id}"),
        other.request("DELETE", f"/v1/photos/{photo_id}"),
        other.post(upload["confirm"]),
        other.post("/v1/trainings", {"subject_id": id}),
        acme.get(f"/v1/subjects/{uuid4()}"),
    ):
        assert_problem(answer, 404, "not-found")
    assert other.get("/v1/subjects").json()["items"] == []
    assert acme.get(f"/v1/subjects/{id}").json()["consented_at"] is None


def test_a_broken_store_is_503_and_nothing_is_half_there(
    acme: Door, cx: Context, jpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight.domain.errors import Retryable

    subject = acme.subject()

    def away(*_: Any) -> None:
        raise Retryable("The object store cannot be reached: s3.inner.example.", after=7)

    monkeypatch.setattr(cx.tools.store, "put_file", away)
    answer = sent(acme, subject["id"], jpeg)
    assert_problem(answer, 503, "retryable")
    assert answer.headers["retry-after"] == "7"
    assert "inner.example" not in answer.text
    monkeypatch.undo()
    assert acme.get(f"/v1/subjects/{subject['id']}/photos").json()["items"] == []
    assert sent(acme, subject["id"], jpeg).status_code == 201


def test_a_page_deep_in_a_long_list_costs_no_more_than_the_first(cx: Context, acme: Door) -> None:
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO subjects (id, owner_id, name, kind, trigger_word) "
            "SELECT gen_random_uuid(), %(owner)s, 'n' || i, 'character', 't' || i "
            "FROM generate_series(1, 2000) i",
            {"owner": acme.owner_id},
        )
    seen: set[str] = set()
    after, slowest = "", 0.0
    while True:
        started = time.monotonic()
        page = acme.get(f"/v1/subjects?limit=200{after}").json()
        slowest = max(slowest, time.monotonic() - started)
        seen |= {item["id"] for item in page["items"]}
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(seen) == 2000
    assert slowest < 1


def test_the_report_on_a_subjects_set_is_had_before_anything_is_trained(
    acme: Door, other: Door
) -> None:
    path = f"/v1/subjects/{acme.subject('Rae')['id']}/report"
    found = acme.get(path, params={"profile": "character@v1"})
    assert found.status_code == 200
    report = found.json()
    assert (report["verdict"], report["photos"], report["retrain"]) == ("block", [], None)
    assert report["findings"][-1]["kind"] == "too-few-photos"
    assert_problem(acme.get(path, params={"profile": "nobody@v1"}), 404, "not-found")
    assert_problem(other.get(path), 404, "not-found")
