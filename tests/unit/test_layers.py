"""A caller's regular expression: tried where it can hold up nobody."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from safelight.domain.errors import Invalid, Unavailable
from safelight.stages import layers


@pytest.mark.parametrize(
    "regex",
    [
        "proj_out$",
        r"single_transformer_blocks\.(7|12|16|20)\.proj_out",
        # What the trainer's own `re` takes and linear engines do not.
        r"^(?!.*norm).*attn",
        r"(?P<kind>attn).*(?<=to_)q$",
    ],
)
def test_an_expression_that_is_found_in_some_layer_is_taken(regex: str) -> None:
    layers.check({"layers_to_optimize_regex": regex})


@pytest.mark.parametrize(
    ("regex", "says"),
    [
        ("no_such_layer", "matches none of the 494 layers"),
        ("(", r"does not compile: missing \)"),
        ("(?<=a+)b", "look-behind requires fixed-width"),
        ("a{4294967296}", "too large or too deeply nested"),
        ("(" * 99 + "!" + ")" * 99, "matches none"),
        ("(" * 20_000, "at most 200 characters"),
        ("attn\x00", "none of them invisible"),
    ],
)
def test_one_that_cannot_be_sent_is_refused_with_the_reason(regex: str, says: str) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        layers.check({"layers_to_optimize_regex": regex})
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "regex",
    [
        r"^(([a-z_]+\.?)+)+!$",
        "(a|a|t)*" * 10 + "$^",
        "(.*)*(.*)*(.*)*x!",
        r"(\w+\W?)+\d{9}$",
        "(?:(?:(?:(?:(?:[a-z0-9_.])+)+)+)+)+!",
    ],
)
def test_one_that_would_never_end_costs_a_second_and_is_refused(regex: str) -> None:
    """`re` holds the whole process while it looks: in the API, everybody's requests."""
    ticks = []
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.05):
            ticks.append(time.monotonic())

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        with pytest.raises(Invalid, match=r"takes over a second|matches none|does not compile"):
            layers.check({"layers_to_optimize_regex": regex})
    finally:
        done.set()
        beating.join()
    pauses = [b - a for a, b in pairwise(ticks)]
    assert max(pauses, default=0) < 2, "this process went on meanwhile"


def test_what_was_found_once_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    layers.check({"layers_to_optimize_regex": "to_out"})
    monkeypatch.setattr(layers, "CHILD", layers.CHILD.with_name("not_there.py"))
    layers.check({"layers_to_optimize_regex": "to_out"})


def test_a_crowd_of_them_waits_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_turns", threading.BoundedSemaphore(1))
    monkeypatch.setattr(layers, "WAIT_SECONDS", 0.05)
    layers._turns.acquire()
    with pytest.raises(Unavailable, match="being tried"):
        layers.check({"layers_to_optimize_regex": "to_k$"})


@pytest.mark.parametrize("value", [None, "", 5, ["a"]])
def test_what_is_no_expression_is_somebody_elses_to_refuse(value: object) -> None:
    layers.check({"layers_to_optimize_regex": value})
    layers.check({})
