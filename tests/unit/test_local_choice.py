"""Which servers are embedded, by the variables given."""

from __future__ import annotations

import pytest

from safelight.local.choice import choose, joined
from safelight.local.process import LocalError

ALL = ("postgres", "valkey", "seaweed", "emulator")


@pytest.mark.parametrize(
    ("given", "embedded"),
    [
        ({}, ALL),
        ({"DATABASE_URL": "postgresql://x"}, ("valkey", "seaweed", "emulator")),
        ({"BROKER_URL": "amqp://x"}, ("postgres", "seaweed", "emulator")),
        ({"S3_ENDPOINT_URL": "http://x"}, ("postgres", "valkey", "emulator")),
        ({"S3_BUCKET": "b", "AWS_PROFILE": "p"}, ("postgres", "valkey", "emulator")),
        ({"S3_BUCKET": "b", "AWS_ACCESS_KEY_ID": "k"}, ("postgres", "valkey", "emulator")),
        ({"S3_BUCKET": "b"}, ALL),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, ALL),
        ({"REPLICATE_API_TOKEN": "r8_x"}, ("postgres", "valkey", "seaweed")),
        ({"DATABASE_URL": "", "REPLICATE_BASE_URL": ""}, ALL),
    ],
)
def test_each_server_is_decided_by_its_own_variables(
    given: dict[str, str], embedded: tuple[str, ...]
) -> None:
    assert choose(given).embedded == embedded


def test_with_everything_given_nothing_is_embedded_and_all_is_passed_on() -> None:
    given = {
        "DATABASE_URL": "postgresql://x",
        "BROKER_URL": "amqp://x",
        "S3_ENDPOINT_URL": "http://x",
        "S3_BUCKET": "b",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "REPLICATE_API_TOKEN": "r8_x",
    }
    choice = choose({**given, "EDITOR": "vi"})
    assert choice.embedded == ()
    assert choice.given == given


def test_keys_for_aws_are_not_passed_on_to_the_embedded_store() -> None:
    choice = choose({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
    assert "seaweed" in choice.embedded
    assert choice.given == {}


def test_a_base_url_without_a_token_is_refused() -> None:
    with pytest.raises(LocalError, match="REPLICATE_API_TOKEN is not"):
        choose({"REPLICATE_BASE_URL": "http://x"})


def test_a_program_that_joins_a_stack_gets_its_servers_and_no_keys_for_others() -> None:
    given = {
        "AWS_PROFILE": "p",
        "DATABASE_URL": "postgresql://other",
        "SAFELIGHT_WATCH_SECONDS": "1",
    }
    running = {"DATABASE_URL": "postgresql://x", "AWS_ACCESS_KEY_ID": "SL1"}
    assert joined(given, running) == {**running, "SAFELIGHT_WATCH_SECONDS": "1"}
