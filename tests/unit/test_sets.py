import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.domain.choosing import choose
from safelight.domain.duplicates import distance
from safelight.domain.findings import Level, Trust
from safelight.domain.gates import Gates
from safelight.domain.members import SetPhoto
from safelight.domain.photos import PhotoFacts, missing
from safelight.domain.profiles import get_profile
from safelight.domain.sets import SetReport, Verdict, judge_set

GATES = get_profile("likeness@v1").gates


def hash_of(number: int) -> int:
    """64 bits as those of a distinct photo: about 32 of them differ from any other's."""
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8])


def member(number: int, **facts: object) -> SetPhoto:
    known = PhotoFacts(
        bytes=500_000,
        sha256=f"{number:064x}",
        format="jpeg",
        width=1200,
        height=1600,
        phash=hash_of(number),
        mirror_phash=hash_of(-1 - number),
    )
    return SetPhoto(f"id-{number:03d}", f"{number}.jpg", replace(known, **facts))  # type: ignore[arg-type]


def members(count: int) -> list[SetPhoto]:
    return [member(number) for number in range(count)]


def flipped(value: int, bits: int) -> int:
    return value ^ ((1 << bits) - 1)


def set_findings(report: SetReport) -> list[tuple[str, Level]]:
    found = [item for item in report.findings if item.trust is not Trust.NOT_MEASURED]
    return [(item.kind, item.level) for item in found if item.photo is None]


@pytest.mark.parametrize(
    ("count", "verdict", "expected"),
    [
        (0, Verdict.BLOCK, [("too-few-photos", Level.BLOCK)]),
        (4, Verdict.BLOCK, [("too-few-photos", Level.BLOCK)]),
        (7, Verdict.BLOCK, [("too-few-photos", Level.BLOCK)]),
        (8, Verdict.WARN, [("few-photos", Level.WARN)]),
        (11, Verdict.WARN, [("few-photos", Level.WARN)]),
        (12, Verdict.OK, [("few-photos", Level.NOTE)]),
        (15, Verdict.OK, []),
        (25, Verdict.OK, []),
        (26, Verdict.OK, [("many-photos", Level.NOTE)]),
        (30, Verdict.OK, [("many-photos", Level.NOTE)]),
        (31, Verdict.WARN, [("many-photos", Level.WARN)]),
    ],
)
def test_the_count_is_held_against_the_profiles_gates(
    count: int, verdict: Verdict, expected: list[tuple[str, Level]]
) -> None:
    """R-19, R-24 to R-26, K6, A-X: block 8, warn 12, ideal 15 to 25, soft maximum 30."""
    report = judge_set(members(count), GATES)
    assert report.verdict is verdict
    assert set_findings(report) == expected
    assert report.counts["kept"] == min(count, 30)


@pytest.mark.parametrize(
    ("profile", "count", "verdict"),
    [
        ("selfie-reset@2025-07-22", 14, Verdict.BLOCK),
        ("selfie-reset@2025-07-22", 27, Verdict.OK),
        ("selfie-conservative@2025-12-rca", 14, Verdict.WARN),
        ("selfie-detail@2025-12-14", 9, Verdict.BLOCK),
        ("fashion-fullbody@2026-01-19", 10, Verdict.OK),
    ],
)
def test_each_profile_holds_its_own_counts(profile: str, count: int, verdict: Verdict) -> None:
    """K6."""
    assert judge_set(members(count), get_profile(profile).gates).verdict is verdict


def test_four_photos_are_told_what_is_needed() -> None:
    finding = judge_set(members(4), GATES).findings[-1]
    assert finding.message == (
        "4 of 4 photos can be used; at least 8 are needed. "
        "Add at least 4 more different photos; 15 to 25 are best."
    )
    assert (finding.measured, finding.limit) == (4, 8)


def test_an_empty_folder_is_told_that_there_is_nothing() -> None:
    report = judge_set([], GATES)
    assert report.findings[0].message.startswith("No photos were given; at least 8 are needed.")
    assert report.kept == ()


def test_the_same_file_twice_is_used_once_and_the_first_stays() -> None:
    """R-38."""
    twin = replace(member(3), id="id-900", name="copy of 3.jpg")
    report = judge_set([*members(15), twin], GATES)
    assert report.dropped == {"id-900": "exact-duplicate"}
    (finding,) = [item for item in report.findings if item.photo_id == "id-900"]
    assert '"3.jpg"' in finding.message
    assert report.counts == {
        "given": 16, "rejected": 0, "duplicates": 1, "not_chosen": 0, "kept": 15,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "kind"), [(0, "near-duplicate"), (10, "near-duplicate"), (11, "similar"), (14, "similar"),
                       (15, None)]
)  # fmt: skip
@pytest.mark.parametrize("mirrored", [False, True])
def test_up_to_ten_bits_apart_is_the_same_picture_and_up_to_fourteen_worth_a_look(
    bits: int, kind: str | None, mirrored: bool
) -> None:
    """R-38; vision.md: near-duplicates, the mirror image too."""
    side = hash_of(-1) if mirrored else hash_of(0)
    other = member(50, phash=flipped(side, bits), width=1100)
    report = judge_set([*members(15), other], GATES)
    found = [item for item in report.findings if item.photo_id == other.id]
    assert [item.kind for item in found] == ([kind] if kind else [])
    assert (other.id in report.dropped) is (kind == "near-duplicate")
    if kind:
        assert found[0].measured == bits
        assert ("mirror image" in found[0].message) is mirrored


def test_of_two_of_the_same_picture_the_larger_stays_and_the_finding_says_why() -> None:
    small = member(0, width=1100, height=1467)
    large = member(60, phash=flipped(hash_of(0), 3), width=2000, height=2666)
    report = judge_set([small, *members(15)[1:], large], GATES)
    assert report.dropped == {small.id: "near-duplicate"}
    (finding,) = [item for item in report.findings if item.photo_id == small.id]
    assert "has more pixels (2000 × 2666 against 1100 × 1467) and is kept" in finding.message
    heavier = member(61, phash=flipped(hash_of(1), 3), bytes=600_000)
    report = judge_set([*members(15), heavier], GATES)
    assert report.dropped == {"id-001": "near-duplicate"}
    assert any(
        "has more bytes (600,000 against 500,000)" in item.message for item in report.findings
    )


def test_a_photo_that_cannot_be_used_leaves_the_set_and_is_counted_out() -> None:
    broken = member(70, decodable=False, fault="truncated", fault_detail="cut")
    small = member(71, width=300)
    never = SetPhoto("id-072", "72.jpg", None)
    lost = SetPhoto("id-073", "73.jpg", None, (missing("73.jpg", "id-073"),))
    report = judge_set([broken, small, *members(7), never, lost], GATES)
    assert report.verdict is Verdict.BLOCK
    assert report.dropped == {
        "id-070": "truncated",
        "id-071": "too-small",
        "id-072": "not-inspected",
        "id-073": "missing",
    }
    assert report.counts["rejected"] == 4
    assert "7 of 11 photos can be used" in report.findings[-1].message


def test_one_photo_out_of_many_is_a_warning_and_not_a_block() -> None:
    report = judge_set([*members(15), member(71, width=300)], GATES)
    assert report.verdict is Verdict.WARN


def test_more_than_the_soft_maximum_is_thinned_to_those_that_differ_most() -> None:
    """R-26, K7: a warning, and similar pictures go first."""
    pairs = [member(100 + n, phash=flipped(hash_of(n), 11), width=1000) for n in range(10)]
    report = judge_set([*members(30), *pairs], GATES)
    assert report.verdict is Verdict.WARN
    assert report.counts["not_chosen"] == 10
    lost = {id for id, why in report.dropped.items() if why == "not-chosen"}
    for number in range(10):
        assert len({f"id-{number:03d}", f"id-{100 + number}"} & lost) == 1


def test_a_report_survives_json() -> None:
    report = judge_set([*members(9), member(71, width=300)], GATES)
    assert SetReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


photo_sets = st.lists(
    st.tuples(st.integers(0, 25), st.integers(0, 15), st.integers(600, 3000)), max_size=45
).map(
    lambda rows: [
        replace(
            member(
                seed,
                phash=flipped(hash_of(seed), bits),
                mirror_phash=flipped(hash_of(-1 - seed), bits),
                width=width,
                sha256=hashlib.sha256(f"{seed}/{bits}/{width}".encode()).hexdigest(),
            ),
            id=f"id-{position:03d}",
        )
        for position, (seed, bits, width) in enumerate(rows)
    ]
)


@given(photo_sets, st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_whatever_is_given_no_more_than_the_soft_maximum_and_no_duplicates_are_kept(
    photos: list[SetPhoto], most: int
) -> None:
    gates = Gates(block=1, warn=1, ideal_min=1, ideal_max=most, soft_max=most)
    report = judge_set(photos, gates)
    by_id = {photo.id: photo.facts for photo in photos}
    kept = [by_id[id] for id in report.kept]
    assert len(kept) <= most
    assert all(a and b and distance(a, b)[0] > 10 for i, a in enumerate(kept) for b in kept[:i])
    assert set(report.kept) | set(report.dropped) == set(by_id)
    assert not set(report.kept) & set(report.dropped)
    assert list(report.kept) == sorted(report.kept)
    assert judge_set(photos, gates) == report
    assert report.counts["kept"] + sum(
        report.counts[part] for part in ("rejected", "duplicates", "not_chosen")
    ) == len(photos)


@given(photo_sets, st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_choosing_takes_as_many_as_it_may_in_the_order_given(
    photos: list[SetPhoto], most: int
) -> None:
    chosen = choose(photos, most)
    assert len(chosen) == min(most, len(photos))
    places = [photos.index(photo) for photo in chosen]
    assert places == sorted(set(places))
