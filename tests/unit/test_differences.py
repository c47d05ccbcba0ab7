"""Asked, sent, effective: what the trainer did otherwise is found, and marked where it matters."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from safelight.domain.differences import Verdict, columns, different, effective_inputs
from safelight.domain.plans import training_input
from safelight.domain.profiles import get_profile
from safelight.local.emulator.archive import _config


def trained(profile: str = "likeness@v2", **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    plan = training_input(get_profile(profile), images=20, trigger="slx", **more)
    return dict(plan.asked), dict(plan.sent)


def used(sent: dict[str, Any]) -> dict[str, Any]:
    """`config.process[0]`, written and read as YAML, as the trainer's archive has it."""
    text = yaml.safe_dump(_config(sent, None))
    process: dict[str, Any] = yaml.safe_load(text)["config"]["process"][0]
    return process


def test_where_the_trainer_did_what_it_was_told_nothing_differs() -> None:
    asked, sent = trained()
    rows = columns(asked, sent, used(sent), images=20, version=("a", "a"))
    assert different(rows) == ()
    by = {row.name: row.verdict for row in rows}
    assert by["lora_rank"] == by["learning_rate"] == by["resolution"] == by["images"] == "same"
    assert by["trigger_word"] == by["trainer_version"] == "same"
    assert by["autocaption"] == "not verified", "no trace of it in the config"
    assert by["gradient_checkpointing"] == by["network_alpha"] == "default"


@pytest.mark.parametrize(
    ("where", "value", "name", "matters"),
    [
        (("network", "linear"), 32, "lora_rank", True),
        (("train", "steps"), 1000, "steps", True),
        (("train", "lr"), 1e-4, "learning_rate", True),
        (("datasets", 0, "resolution"), [512], "resolution", True),
        (("trigger_word",), "TOK", "trigger_word", True),
        (("train", "batch_size"), 4, "batch_size", True),
        (("train", "optimizer"), "adamw", "optimizer", False),
        (("datasets", 0, "cache_latents_to_disk"), True, "cache_latents_to_disk", False),
    ],
)
def test_a_difference_is_found_and_matters_where_it_makes_another_lora(
    where: tuple[Any, ...], value: Any, name: str, matters: bool
) -> None:
    asked, sent = trained()
    process = used(sent)
    at: Any = process
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    (row,) = different(columns(asked, sent, process, images=20))
    assert (row.name, row.verdict, row.matters) == (name, Verdict.CHANGED, matters)
    assert row.sent == sent[name]


def test_photos_that_the_trainer_did_not_find_matter() -> None:
    """Section 0.6: the loader drops what it cannot read without a word."""
    asked, sent = trained()
    (row,) = different(columns(asked, sent, used(sent), images=17))
    assert (row.name, row.asked, row.effective, row.matters) == ("images", 20, 17, True)


def test_another_version_of_the_trainer_is_said() -> None:
    """Section 0.3, replicate-python #419."""
    asked, sent = trained()
    (row,) = different(
        columns(asked, sent, used(sent), images=20, version=("b6af1422", "c6e78d25"))
    )
    assert row.words == "trainer_version: asked b6af1422, sent b6af1422, effective c6e78d25"


def test_what_was_only_recorded_is_told_beside_what_the_trainer_has_in_its_place() -> None:
    """R-77, R-78, R-81, R-82: num_repeats was never taken; alpha is the rank; it trains in bf16."""
    asked, sent = trained("selfie-reset@2025-07-22")
    rows = {row.name: row for row in different(columns(asked, sent, used(sent), images=20))}
    assert {name: row.verdict for name, row in rows.items()} == dict.fromkeys(
        ("network_alpha", "prior_loss_weight", "mixed_precision"), Verdict.NOT_TAKEN
    )
    assert (rows["mixed_precision"].asked, rows["mixed_precision"].effective) == ("fp16", "bf16")
    assert (rows["prior_loss_weight"].sent, rows["prior_loss_weight"].effective) == (None, None)
    assert not any(row.matters for row in rows.values())


def test_a_rate_that_yaml_reads_as_a_text_is_the_number_it_is() -> None:
    asked, sent = trained()
    process = used(sent)
    process["train"]["lr"] = "4e-04"
    assert different(columns(asked, sent, process, images=20)) == ()


@pytest.mark.parametrize("process", [None, {}, {"network": 3, "train": [], "datasets": "x"}])
def test_without_a_config_nothing_is_verified_and_nothing_is_said_to_differ(process: Any) -> None:
    asked, sent = trained()
    assert effective_inputs(process) == {}
    rows = columns(asked, sent, process, images=None)
    assert different(rows) == ()
    assert {row.verdict for row in rows} == {Verdict.NOT_VERIFIED}
