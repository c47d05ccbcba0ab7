"""The provider's webhooks: what their headers must be, whether a signature fits, and whence the secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.clients.webhook_secret import WebhookSecret
from safelight.config import NotConfigured, load
from safelight.domain.errors import Forbidden, Invalid, Retryable, Unavailable
from safelight.domain.webhooks import (
    SIGNATURES,
    TOLERANCE_SECONDS,
    fits,
    read_headers,
    signing_key,
)

NOW = 1_700_000_000.0
KEY = b"k" * 24
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def mac(body: bytes, *, id: str = "msg_1", at: str = "1700000000", key: bytes = KEY) -> str:
    made = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return base64.b64encode(made).decode()


def headers(body: bytes = b"{}", /, **changed: str | None) -> dict[str, str]:
    found: dict[str, str | None] = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{mac(body)}",
        **{f"webhook-{name}": value for name, value in changed.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


def test_the_providers_own_test_vector_fits() -> None:
    """replicate.md 3."""
    signed = read_headers(
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        1614265330.0,
    )
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert fits(signed, b'{"test": 2432232314}', key)
    assert not fits(signed, b'{"test": 2432232315}', key)
    assert not fits(signed, b'{"test": 2432232314}', KEY)


@given(st.binary(max_size=200), st.integers(0, 3), st.integers(0, 3))
def test_one_of_several_signatures_is_enough(body: bytes, before: int, after: int) -> None:
    """While a secret is replaced there are two."""
    others = [f"v1,{mac(body, key=bytes([n]) * 24)}" for n in range(6)]
    parts = [*others[:before], f"v1,{mac(body)}", *others[6 - after :]]
    assert fits(read_headers(headers(signature=" ".join(parts)), NOW), body, KEY)
    without = " ".join(others[: before + after] or others[:1])
    assert not fits(read_headers(headers(signature=without), NOW), body, KEY)


GOOD = f"v1,{mac(b'{}')}"
REFUSED: dict[str, dict[str, str | None]] = {
    "no id": {"id": None},
    "an empty id": {"id": ""},
    "a long id": {"id": "m" * 129},
    "an id with a blank": {"id": "msg 1"},
    "an id that is no ASCII": {"id": "msg_ä"},
    "an id with NUL": {"id": "msg\x00"},
    "no timestamp": {"timestamp": None},
    "a timestamp of words": {"timestamp": "now"},
    "a timestamp that is none": {"timestamp": "nan"},
    "a timestamp without end": {"timestamp": "9" * 5000},
    "a negative timestamp": {"timestamp": "-5"},
    "a timestamp with an underscore": {"timestamp": "17_00000000"},
    "a timestamp with a sign": {"timestamp": "+1700000000"},
    "a timestamp with a blank": {"timestamp": " 1700000000"},
    "a fraction of a second": {"timestamp": "1700000000.5"},
    "digits of another script": {"timestamp": "١٧٠٠٠٠٠٠٠٠"},
    "an old timestamp": {"timestamp": str(1_700_000_000 - TOLERANCE_SECONDS - 1)},
    "one from the future": {"timestamp": str(1_700_000_000 + TOLERANCE_SECONDS + 1)},
    "no signature": {"signature": None},
    "another version": {"signature": GOOD.replace("v1", "v9")},
    "a version in capitals": {"signature": GOOD.replace("v1", "V1")},
    "no version": {"signature": GOOD.removeprefix("v1,")},
    "an empty signature": {"signature": "v1,"},
    "a short signature": {"signature": "v1,AAAA"},
    "a signature that is no base64": {"signature": "v1," + "!" * 44},
    "a signature of another alphabet": {"signature": "v1," + "-_" * 22},
    "too many signatures": {"signature": " ".join([GOOD] * (SIGNATURES + 1))},
    "a signature header without end": {"signature": "v1,AAAA " * 6000},
    "tabs between": {"signature": f"v9,x\t{GOOD}"},
}


@pytest.mark.parametrize("how", REFUSED)
def test_headers_of_another_form_are_refused_before_anything_is_computed(how: str) -> None:
    with pytest.raises(Forbidden) as caught:
        read_headers(headers(**REFUSED[how]), NOW)
    said = str(caught.value)
    assert "\x00" not in said
    assert len(said) < 200


def test_a_time_within_the_tolerance_is_taken() -> None:
    for off in (-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS):
        read_headers(headers(timestamp=str(1_700_000_000 + off)), NOW)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!!!", SECRET[6:], "whsec_AAAA", "wh" * 99]
)
def test_a_secret_of_another_form_is_named_and_not_shown(secret: str) -> None:
    with pytest.raises(Invalid) as caught:
        signing_key(secret)
    assert secret in ("", "whsec_") or secret not in str(caught.value)
    if not secret:  # nothing is set, as in VARIABLE= of a compose file
        return
    env = {
        "DATABASE_URL": "postgresql://there/db",
        "BROKER_URL": "redis://there",
        "REPLICATE_API_TOKEN": "-",
        "REPLICATE_WEBHOOK_SECRET": secret,
    }
    with pytest.raises(NotConfigured) as told:
        load(env)
    assert "REPLICATE_WEBHOOK_SECRET: The signing secret is not" in str(told.value)
    assert secret == "whsec_" or secret not in str(told.value)


def test_a_secret_out_of_a_file_may_end_in_a_line_end() -> None:
    env = {
        "DATABASE_URL": "postgresql://there/db",
        "BROKER_URL": "redis://there",
        "REPLICATE_API_TOKEN": "-",
    }
    found = load({**env, "REPLICATE_WEBHOOK_SECRET": SECRET + "\n"}).replicate_webhook_secret
    assert found is not None
    assert found.get_secret_value() == SECRET
    assert SECRET not in repr(found)


# The secret, where it is asked for.


class Asked:
    """What asks the provider, and counts."""

    def __init__(self, answer: Callable[[], str]) -> None:
        self.times = 0
        self._answer = answer

    def __call__(self) -> str:
        self.times += 1
        return self._answer()


def broken() -> str:
    raise Retryable("The provider answered 503.")


def test_a_secret_that_is_given_is_never_asked_for() -> None:
    ask = Asked(broken)
    secret = WebhookSecret(ask, SECRET)
    secret.learn()
    secret.learn(anew=True)
    assert (secret.key(0), secret.wait(), ask.times) == (KEY, 0.0, 0)


def test_it_is_asked_for_once_however_many_want_it_and_nobody_waits_for_the_provider() -> None:
    release = threading.Event()
    ask = Asked(lambda: SECRET if release.wait(10) else "")
    secret = WebhookSecret(ask, None)
    started = time.monotonic()
    for _ in range(100):
        assert secret.wait() > 0
        with pytest.raises(Unavailable):
            secret.key(0.0)
    assert time.monotonic() - started < 2
    release.set()
    assert secret.key(5.0) == KEY
    assert (secret.wait(), ask.times) == (0.0, 1)


def test_a_failure_is_remembered_for_a_minute() -> None:
    ask = Asked(broken)
    secret = WebhookSecret(ask, None)
    with pytest.raises(Unavailable, match="503") as caught:
        secret.key(5.0)
    assert caught.value.after is not None
    assert 50 < caught.value.after <= 60
    for _ in range(20):
        assert secret.wait() > 50
    assert ask.times == 1


@pytest.mark.parametrize("answer", ["", "whsec_", "nonsense", "\x00"])
def test_an_answer_that_is_no_secret_is_a_failure(answer: str) -> None:
    secret = WebhookSecret(lambda: answer, None)
    with pytest.raises(Unavailable, match="not of the form"):
        secret.key(5.0)


def test_a_secret_that_was_replaced_is_learned_anew_and_not_at_every_forged_one() -> None:
    new = "whsec_" + base64.b64encode(b"n" * 24).decode()
    answers = iter([SECRET, new])
    ask = Asked(lambda: next(answers))
    secret = WebhookSecret(ask, None, every=0.5)
    assert secret.key(5.0) == KEY
    for _ in range(50):
        secret.learn(anew=True)
    assert ask.times == 1, "it was asked for just now"
    time.sleep(0.6)
    for _ in range(50):
        secret.learn(anew=True)
    deadline = time.monotonic() + 5
    while secret.key(0) == KEY and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (secret.key(0), ask.times) == (b"n" * 24, 2)


def test_a_failure_to_learn_it_anew_keeps_the_one_that_is_known() -> None:
    answers = iter([SECRET, "nonsense"])
    ask = Asked(lambda: next(answers))
    secret = WebhookSecret(ask, None, every=0.0)
    assert secret.key(5.0) == KEY
    secret.learn(anew=True)
    for thread in threading.enumerate():
        if thread.name == "webhook-secret":
            thread.join(5)
    assert (secret.key(0), ask.times) == (KEY, 2)
