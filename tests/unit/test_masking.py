"""Secrets are put out of text in whatever spelling they come, and nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from safelight.domain import masking
from safelight.domain.errors import SafelightError
from safelight.domain.masking import hide, mask, mask_known

SECRET = "pä'ss \"w@rd/#100%\\z"


@pytest.fixture(autouse=True)
def _only_this_tests_secrets() -> Iterator[None]:
    """What other tests of this process have hidden stays hidden, and apart."""
    kept = masking._hidden, masking._known
    masking._hidden, masking._known = frozenset(), masking._NONE
    yield
    masking._hidden, masking._known = kept


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").replace("%C3", "%c3").replace("%2F", "%2f").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
    ],
)
def test_a_known_secret_is_found_in_each_spelling(spelt: str) -> None:
    hide([SECRET])
    for text in (spelt, f"before {spelt} after", f'{{"error": "{spelt}"}}'):
        assert spelt not in mask(text)
        assert masking.MASKED in mask(text)


def test_a_secret_that_was_given_quoted_is_found_as_it_is_used() -> None:
    hide([quote(SECRET, safe="")])
    assert mask_known(f"password {SECRET} refused") == "password *** refused"


@pytest.mark.parametrize("known", ["whsec_", "whsec_MfKQ9r", "9r8GKYqr", "lVBAKw=="])
def test_a_known_secret_that_is_a_part_of_another_does_not_show_the_rest_of_it(known: str) -> None:
    hide([known])
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLVBAKw=="
    assert mask(f"signed by {secret}, twice {secret}") == "signed by ***, twice ***"
    assert mask(f"postgresql://me:{known}{secret}@h/db") == "postgresql://me:***@h/db"


def test_two_secrets_side_by_side_are_both_hidden() -> None:
    hide(["first-secret", "secret-second"])
    assert mask("a first-secret-second b") == "a *** b"
    assert mask("first-secretsecret-second") == "******"


def test_a_password_that_is_the_users_name_hides_nothing_but_passwords() -> None:
    hide(["safelight", "longpassword"], plain=["safelight"])
    assert mask("run safelight db migrate") == "run safelight db migrate"
    assert mask("postgresql://safelight:safelight@h/safelight") == (
        "postgresql://safelight:***@h/safelight"
    )


def test_a_short_password_does_not_put_its_letters_out_of_every_word() -> None:
    hide(["few", "x", ""])
    assert mask("a few words") == "a few words"
    assert mask("redis://:few@h") == "redis://:***@h"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://u:hunter2@h/db", "hunter2"),
        ("postgresql+asyncpg://u:hunter2@h/db", "hunter2"),
        ("mysql://u:hun/ter@2@h/db", "hun/ter"),
        ("amqp://u:one1@a;amqp://u:two2@b", "one1"),
        ("amqp://u:one1@a;amqp://u:two2@b", "two2"),
        ('missing "=" after "mysql://u:hunter2@h/x" in connection info string', "hunter2"),
        ("host=h password=hunter2 user=u", "hunter2"),
        ("host=h password = 'hun ter\\'2' user=u", "ter"),
        ("postgresql://h/db?user=u&password=hunter2&x=1", "hunter2"),
        ("?sslpassword=hunter2", "hunter2"),
        ("sentinel://a?master_name=m&sentinel_password=hunter2", "hunter2"),
        ("{'host': 'h', 'password': 'hunter2', 'db': 0}", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
    ],
)
def test_what_looks_like_a_secret_goes_whoever_it_belongs_to(text: str, secret: str) -> None:
    assert secret not in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET http://127.0.0.1:8700/v1/subjects 200",
        "password authentication failed for user x",
        "https://replicate.com/account/api-tokens",
        "amqp://host:5672/vhost",
        "a photo of Luca: (sharp), 12:30",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_an_error_carries_no_secret_from_its_birth() -> None:
    hide(["marked-secret"])
    error = SafelightError("no marked-secret here", hint="nor marked-secret there")
    assert "marked" not in f"{error} {error.message} {error.hint} {error!r} {error.args}"


@pytest.mark.parametrize(
    "text",
    ["a://b:" * 8_000, "x" * 50_000, "password='" * 5_000, "bearer " * 7_000, "a.b-" * 12_000],
    ids=["urls", "word", "conninfo", "bearer", "scheme"],
)
def test_a_hostile_text_costs_no_more_than_a_look(text: str) -> None:
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < 1.5
