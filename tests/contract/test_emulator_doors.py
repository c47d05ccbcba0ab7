"""Who may call the emulator, and what it shows to whom: it has presigned links of whole training sets."""

from __future__ import annotations

import contextlib
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.domain.provider import Accepted
from safelight.local.emulator import CONTROL_FILE
from tests.support.emulator import TOKEN, Emulator, running

OTHER = "r8_" + "o" * 37
TRAINER = "ostris/flux-dev-lora-trainer"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of these tests' own: the first token it sees is TOKEN."""
    with running(tmp_path_factory.mktemp("doors") / "data") as found:
        asked(found, TOKEN, "/v1/account")
        yield found


def asked(emulator: Emulator, token: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    method = more.pop("method", "GET")
    return httpx.request(method, f"{emulator.url}{path}", headers=headers, timeout=10, **more)


def trained(emulator: Emulator, token: str, url: str) -> str:
    """The id of a training that this token's account has asked for."""
    provider = ReplicateProvider(token, emulator.url)
    destination = f"{provider.account()}/doors"
    provider.ensure_model(destination)
    ending = provider.create_training(
        trainer=TRAINER,
        version=provider.latest_version(TRAINER),
        destination=destination,
        input={"input_images": url},
        webhook=None,
    )
    provider.close()
    assert isinstance(ending, Accepted), ending
    return ending.run.id


# Its own routes.


@pytest.mark.parametrize("path", ["ledger", "faults"])
@pytest.mark.parametrize("token", [None, TOKEN, "", "emulator_guess", "\u00e4"])
def test_ledger_and_faults_are_shown_to_those_who_may_read_its_folder(
    own: Emulator, path: str, token: str | None
) -> None:
    headers = {} if token is None else {b"Authorization": f"Bearer {token}".strip().encode()}
    answer = httpx.get(f"{own.url}/_emulator/{path}", headers=headers)
    assert answer.status_code == 401
    assert CONTROL_FILE in answer.json()["detail"]
    assert own.own("GET", path).status_code == 200


def test_nothing_is_set_without_the_token_nor_by_what_a_page_may_send(own: Emulator) -> None:
    url, change = f"{own.url}/_emulator/settings", '{"credit": false}'
    token = (own.data / CONTROL_FILE).read_text()
    json = {"Content-Type": "application/json"}
    assert httpx.post(url, content=change, headers=json).status_code == 401
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        assert httpx.post(url, content=change, headers=headers).status_code == 415
    assert own.own("GET", "faults").json()["struck"] == {}
    trained(own, TOKEN, "http://127.0.0.1:9/x.zip")  # there is credit still


@pytest.mark.parametrize("body", ["[]", "x", '{"time_scale": "fast"}', '{"limits": 7}', "[" * 9999])
def test_a_setting_of_another_form_is_a_refusal_and_no_fault(own: Emulator, body: str) -> None:
    token = (own.data / CONTROL_FILE).read_text()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = httpx.post(f"{own.url}/_emulator/settings", content=body, headers=headers)
    assert answer.status_code in (400, 422)


def test_what_it_keeps_is_its_users_alone(own: Emulator) -> None:
    asked(own, TOKEN, "/v1/webhooks/default/secret")
    assert stat.S_IMODE(own.data.stat().st_mode) == 0o700
    for file in own.data.iterdir():
        if file.is_file():
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


def test_links_in_the_ledger_are_without_what_signs_them_unless_they_are_asked_for_whole(
    own: Emulator,
) -> None:
    signed = "http://127.0.0.1:9/bucket/intent-7.zip?X-Amz-Signature=abc&X-Amz-Date=x"
    id = trained(own, TOKEN, signed)
    entry = {e["id"]: e for e in own.ledger()}[id]
    assert entry["input"]["input_images"] == "http://127.0.0.1:9/bucket/intent-7.zip"
    whole = {e["id"]: e for e in own.ledger(links="whole")}[id]
    assert whole["input"]["input_images"] == signed


# Names that a page of any site may have lead to this machine.


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8710", "127.0.0.1.evil.example", "localhost.evil.example",
     "10.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "", "127.0.0.1@evil.example", "x:y:z"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/_emulator/health", "/_emulator/ledger", "/v1/account"])
def test_a_request_by_another_name_than_this_machines_is_refused(
    own: Emulator, host: str, path: str
) -> None:
    answer = asked(own, TOKEN, path, headers={"Host": host})
    assert answer.status_code in (400, 403)
    if answer.status_code == 403:
        assert "--public-url" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8710"])
def test_this_machines_own_names_are_known(own: Emulator, host: str) -> None:
    assert asked(own, TOKEN, "/v1/account", headers={"Host": host}).status_code == 200


def test_two_names_are_none(own: Emulator) -> None:
    with contextlib.closing(socket.create_connection(("127.0.0.1", own.port))) as plain:
        plain.sendall(
            b"GET /_emulator/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
        )
        assert plain.recv(100).split()[1] in (b"400", b"403")


def test_the_name_it_is_given_out_by_is_known_too(tmp_path: Path) -> None:
    with running(tmp_path / "public", "--public-url", "http://emulator.test:8710") as found:
        named = {"Host": "emulator.test:8710"}
        assert asked(found, TOKEN, "/v1/account", headers=named).status_code == 200
        other = {"Host": "other.test"}
        assert asked(found, TOKEN, "/v1/account", headers=other).status_code == 403


def test_on_an_address_that_others_reach_it_answers_to_addresses_and_to_no_foreign_name(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "open", "--host", "0.0.0.0") as found:
        for host, status in (("192.0.2.7:8710", 200), ("localhost", 200), ("evil.example", 403)):
            answer = asked(found, TOKEN, "/v1/account", headers={"Host": host})
            assert answer.status_code == status, host


# Accounts.


def test_each_token_has_an_account_of_its_own(own: Emulator) -> None:
    """The first keeps the plain name, so that what it made before is its still."""
    assert asked(own, TOKEN, "/v1/account").json()["username"] == "emulated"
    other = asked(own, OTHER, "/v1/account").json()["username"]
    assert other.startswith("emulated-")
    assert asked(own, OTHER, "/v1/account").json()["username"] == other


def test_no_token_gets_the_secret_of_another_account(own: Emulator) -> None:
    ours = asked(own, TOKEN, "/v1/webhooks/default/secret").json()["key"]
    theirs = asked(own, OTHER, "/v1/webhooks/default/secret").json()["key"]
    assert ours.startswith("whsec_")
    assert ours != theirs


def test_no_token_reaches_what_another_account_has(own: Emulator) -> None:
    id = trained(own, TOKEN, "http://127.0.0.1:9/x.zip")
    file = {"content": ("x.txt", b"x", "text/plain")}
    kept = asked(own, TOKEN, "/v1/files", method="POST", files=file).json()["id"]
    for path, method in (
        (f"/v1/trainings/{id}", "GET"),
        (f"/v1/predictions/{id}", "GET"),
        (f"/v1/trainings/{id}/cancel", "POST"),
        (f"/v1/files/{kept}", "GET"),
        (f"/v1/files/{kept}", "DELETE"),
        ("/v1/models/emulated/doors", "GET"),
        ("/v1/models/emulated/doors/versions", "GET"),
        ("/v1/models/emulated/doors", "DELETE"),
    ):
        assert asked(own, OTHER, path, method=method).status_code == 404, path
        if method == "GET":
            assert asked(own, TOKEN, path).status_code == 200, path
    assert asked(own, OTHER, "/v1/trainings").json()["results"] == []
    assert asked(own, OTHER, "/v1/files").json()["results"] == []


@pytest.mark.parametrize(
    "token", ["", "r8_", "nonsense", "r8_a b", "r8_\u00e4", "r8_" + "x" * 200, "r8_;DROP TABLE"]
)
def test_a_token_of_another_form_has_none(own: Emulator, token: str) -> None:
    headers = {b"Authorization": f"Bearer {token}".strip().encode()}
    assert httpx.get(f"{own.url}/v1/account", headers=headers).status_code == 401


def test_started_with_tokens_it_takes_those_and_no_others(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}\n{OTHER}\n")
    with running(tmp_path / "given", "--tokens", str(tokens)) as found:
        assert asked(found, TOKEN, "/v1/account").json()["username"] == "emulated"
        assert asked(found, OTHER, "/v1/account").json()["username"].startswith("emulated-")
        for guess in ("r8_anything", "r8_" + "x" * 37):
            answer = asked(found, guess, "/v1/webhooks/default/secret")
            assert answer.status_code == 401


# Bodies that are none.


@pytest.mark.parametrize(
    "path",
    [f"/v1/models/{TRAINER}/versions/{'a' * 64}/trainings", "/v1/predictions", "/v1/models"],
)
@pytest.mark.parametrize("body", ["", "x", "[]", "7", "null", '"x"', "[" * 9999])
def test_a_body_that_is_no_object_is_refused_as_one(own: Emulator, path: str, body: str) -> None:
    assert asked(own, TOKEN, path, method="POST", content=body).status_code == 400


SIGNED: dict[str, Callable[[str], str]] = {
    "another owner": lambda url: url.replace("owner=emulated", "owner=emulated-x"),
    "another time": lambda url: url.replace("expiry=1", "expiry=2"),
    "no signature": lambda url: url.partition("&signature=")[0] + "&signature=",
}


def test_a_file_is_downloaded_by_its_signed_link_and_by_no_other(own: Emulator) -> None:
    """replicate.md 2.5: the link is made of owner, id and time with the files' own secret."""
    file = {"content": ("x.txt", b"kept", "text/plain")}
    made = asked(own, TOKEN, "/v1/files", method="POST", files=file).json()
    id = trained(own, TOKEN, made["urls"]["get"])
    link = asked(own, TOKEN, f"/v1/trainings/{id}").json()["input"]["input_images"]
    assert httpx.get(link).content == b"kept"
    for change in SIGNED.values():
        assert httpx.get(change(link)).status_code == 404
