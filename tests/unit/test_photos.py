import json
from dataclasses import replace

import pytest

from safelight.domain.faults import FAULTS
from safelight.domain.findings import Level
from safelight.domain.gates import Gates
from safelight.domain.photos import (
    MAX_BYTES,
    PhotoFacts,
    changed,
    judge_photo,
    missing,
    too_many_bytes,
)

GATES = Gates(block=8, warn=12, ideal_min=15, ideal_max=25, soft_max=30)
GOOD = PhotoFacts(
    bytes=500_000,
    sha256="ab" * 32,
    format="jpeg",
    width=1536,
    height=2048,
    mode="RGB",
    phash=0xFEDC_BA98_7654_3210,
    mirror_phash=1,
)


def kinds(facts: PhotoFacts, gates: Gates = GATES) -> dict[str, Level]:
    return {item.kind: item.level for item in judge_photo(facts, gates, name="a.jpg")}


def test_facts_survive_json_with_hashes_as_sixteen_hex_digits() -> None:
    data = GOOD.to_dict()
    assert data["phash"] == "fedcba9876543210"
    assert data["mirror_phash"] == "0000000000000001"
    assert PhotoFacts.from_dict(json.loads(json.dumps(data))) == GOOD


def test_facts_written_by_a_newer_version_can_still_be_read() -> None:
    assert PhotoFacts.from_dict({**GOOD.to_dict(), "faces": 1}) == GOOD


def test_a_good_photo_has_no_findings() -> None:
    assert judge_photo(GOOD, GATES, name="a.jpg") == ()


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (511, 900, {"too-small": Level.BLOCK}),
        (512, 900, {"smaller-than-good": Level.NOTE}),
        (900, 1023, {"smaller-than-good": Level.NOTE}),
        (1024, 1024, {}),
    ],
)
def test_the_shorter_side_is_at_least_512_and_better_1024(
    width: int, height: int, expected: dict[str, Level]
) -> None:
    """R-28."""
    assert kinds(replace(GOOD, width=width, height=height)) == expected


@pytest.mark.parametrize(("size", "blocks"), [(10 * 1024 - 1, True), (10 * 1024, False)])
def test_a_file_under_ten_kibibytes_is_blocked(size: int, blocks: bool) -> None:
    """R-29."""
    assert ("too-few-bytes" in kinds(replace(GOOD, bytes=size))) is blocks


def test_the_same_facts_are_judged_anew_when_a_gate_changes() -> None:
    facts = replace(GOOD, width=600, height=800)
    assert "too-small" not in kinds(facts)
    assert "too-small" in kinds(facts, replace(GATES, min_side=768))


def test_what_is_put_right_on_the_way_is_a_note_and_an_animation_a_warning() -> None:
    facts = replace(GOOD, mode="CMYK", bits=16, alpha=True, orientation=6, frames=3)
    assert kinds(facts) == {
        "animated": Level.WARN,
        "cmyk": Level.NOTE,
        "sixteen-bit": Level.NOTE,
        "alpha": Level.NOTE,
        "turned": Level.NOTE,
    }


@pytest.mark.parametrize("kind", FAULTS)
def test_a_photo_that_is_not_decodable_has_one_finding_and_it_blocks(kind: str) -> None:
    facts = PhotoFacts(bytes=3, decodable=False, fault=kind, fault_detail="seen thus")
    (finding,) = judge_photo(facts, GATES, name="b.jpg", photo_id="7")
    assert (finding.kind, finding.level, finding.photo_id) == (kind, Level.BLOCK, "7")
    assert finding.message.startswith('"b.jpg" ')
    assert "seen thus" in finding.message
    assert finding.remedy is not None
    assert finding.message.endswith(finding.remedy)


def test_a_message_names_the_photo_the_limit_the_value_and_the_way_out() -> None:
    (finding,) = judge_photo(replace(GOOD, width=400, height=300), GATES, name="b.jpg")
    assert finding.message == (
        '"b.jpg" is 400 × 300 pixels; its shorter side must be at least 512. '
        "Send the original, or a larger copy; enlarging a small one does not help."
    )
    assert (finding.measured, finding.limit) == (300, 512)


def test_what_goes_wrong_before_decoding_blocks_the_photo_and_says_why() -> None:
    findings = [
        missing("a.jpg", "1"),
        too_many_bytes("a.jpg", "1", MAX_BYTES + 1),
        changed("a.jpg", "1", "aa", "bb"),
    ]
    assert [item.kind for item in findings] == ["missing", "too-many-bytes", "changed"]
    assert all(item.blocks and item.remedy and item.photo_id == "1" for item in findings)
