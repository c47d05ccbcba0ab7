"""Weights are what was asked for, or the training has not succeeded (I5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from safelight.domain.errors import BadArchive
from safelight.stages import weights
from tests.support.weights import FEW, write_archive, write_lora


def test_rank_modules_and_sha256_are_read_from_the_file_itself(tmp_path: Path) -> None:
    facts = weights.inspect(write_lora(tmp_path / "a.safetensors", rank=8))
    assert (facts.rank, facts.tensors, facts.modules) == (8, 4, tuple(sorted(FEW)))
    assert len(facts.sha256) == 64


def test_an_archive_of_the_asked_rank_passes(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tar", write_lora(tmp_path / "a.safetensors"))
    unpacked = weights.unpack(archive, tmp_path)
    facts = weights.inspect(unpacked.weights)
    weights.verify(facts, rank=4, effective=unpacked.effective)
    assert unpacked.effective is not None
    assert unpacked.effective["network"]["linear"] == 4


def test_a_file_of_another_rank_is_refused_with_both_ranks(tmp_path: Path) -> None:
    facts = weights.inspect(write_lora(tmp_path / "a.safetensors", rank=4))
    with pytest.raises(BadArchive, match=r"Rank 16 was asked for and the weights have rank 4\."):
        weights.verify(facts, rank=16, effective=None)


def test_missing_modules_are_refused_where_the_config_does_not_restrict_them(
    tmp_path: Path,
) -> None:
    """R-120, K15: all 494 modules unless the trainer's own config says otherwise."""
    facts = weights.inspect(write_lora(tmp_path / "a.safetensors"))
    with pytest.raises(BadArchive, match=r"494 modules should have been trained .* hold 2"):
        weights.verify(facts, rank=4, effective={"network": {}})


def test_a_size_over_two_percent_off_the_formula_is_refused(tmp_path: Path) -> None:
    """R-120: size by formula, within 2 %."""
    lora = write_lora(tmp_path / "a.safetensors", rank=64)
    facts = weights.inspect(lora)
    effective = {"network": {"network_kwargs": {"only_if_contains": list(FEW)}}}
    weights.verify(facts, rank=64, effective=effective)
    bloated = replace(facts, bytes=int(facts.bytes * 1.1))
    with pytest.raises(BadArchive, match="over 2 % off"):
        weights.verify(bloated, rank=64, effective=effective)


def test_a_file_that_is_no_safetensors_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(BadArchive, match="do not open as safetensors"):
        weights.inspect(path)


def test_an_archive_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"<html>expired</html>" * 100)
    with pytest.raises(BadArchive, match="cannot be read"):
        weights.unpack(path, tmp_path)


@pytest.mark.parametrize("copies", [0, 2])
def test_an_archive_without_exactly_one_weights_file_is_refused(
    tmp_path: Path, copies: int
) -> None:
    lora = write_lora(tmp_path / "a.safetensors")
    archive = write_archive(tmp_path / "a.tar", lora, copies=copies)
    with pytest.raises(BadArchive, match=f"holds {copies} .safetensors files"):
        weights.unpack(archive, tmp_path)


def test_no_member_is_extracted_by_its_name(tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "a.safetensors")
    archive = write_archive(tmp_path / "a.tar", lora, extra=["../escaped", "/tmp/escaped-too"])
    inside = tmp_path / "inside"
    inside.mkdir()
    weights.unpack(archive, inside)
    assert not (tmp_path / "escaped").exists()
    assert [path.name for path in inside.iterdir()] == ["lora.safetensors"]


def test_an_archive_without_a_config_leaves_the_effective_parameters_unknown(
    tmp_path: Path,
) -> None:
    lora = write_lora(tmp_path / "a.safetensors")
    unpacked = weights.unpack(write_archive(tmp_path / "a.tar", lora, config=False), tmp_path)
    assert unpacked.effective is None


def test_the_captions_in_the_archive_count_the_photos_that_were_trained_on(tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "a.safetensors")
    folder = "output/flux_train_replicate/captions"
    extra = [f"{folder}/a.txt", f"{folder}/b.txt", f"{folder}/._c.jpg", "other/d.txt"]
    unpacked = weights.unpack(write_archive(tmp_path / "a.tar", lora, extra=extra), tmp_path)
    assert unpacked.captions == 2


def test_weights_with_a_fault_of_their_own_are_refused_whatever_was_asked_for(
    tmp_path: Path,
) -> None:
    facts = weights.inspect(write_lora(tmp_path / "a.safetensors", rank=4))
    effective = {"network": {"network_kwargs": {"only_if_contains": list(FEW)}}}
    broken = replace(facts, problems=("The weights are dead.",))
    with pytest.raises(BadArchive, match=r"Rank 8 .* The weights are dead\."):
        weights.verify(broken, rank=8, effective=effective)
