"""Which of the provider's predictions is the one whose reply was lost."""

from __future__ import annotations

from safelight.domain.provider import RemoteRun, RemoteStatus
from safelight.stages.generate import is_this_request

PREVIEW = {"prompt": "photo of sl123 person", "seed": 7, "lora_scale": 1.0}


def run(id: str = "a", **input: object) -> RemoteRun:
    return RemoteRun(id=id, status=RemoteStatus.STARTING, input={**PREVIEW, **input})


def test_a_control_with_the_same_prompt_and_seed_is_not_the_preview() -> None:
    ours = is_this_request(PREVIEW)
    assert ours(run())
    assert not ours(run(lora_scale=0.0))


def test_another_seed_or_prompt_is_another_request() -> None:
    ours = is_this_request(PREVIEW)
    assert not ours(run(seed=8))
    assert not ours(run(prompt="photo of sl124 person"))


def test_a_run_that_another_request_has_adopted_is_not_ours() -> None:
    """Asked for twice with the same seed: two rows, two runs."""
    ours = is_this_request(PREVIEW, {"a"})
    assert not ours(run("a"))
    assert ours(run("b"))


def test_what_the_provider_adds_to_the_input_changes_nothing() -> None:
    assert is_this_request(PREVIEW)(run(megapixels="1", go_fast=False))
