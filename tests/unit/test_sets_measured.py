from dataclasses import replace
from typing import Any

import pytest

from safelight.domain.faults import FAULTS
from safelight.domain.findings import Finding, Level, Trust
from safelight.domain.identity import identities
from safelight.domain.measured import Angle, Framing
from safelight.domain.members import SetPhoto
from safelight.domain.profiles import get_profile
from safelight.domain.retrain import LastGood
from safelight.domain.sets import SetReport, Verdict, judge_set
from tests.support.measured import face, good_set, looks, measured, person, photo

GATES = get_profile("likeness@v2").gates
CHARACTER = get_profile("character@v1").gates
FASHION = get_profile("fashion-fullbody@v2").gates


def kinds(report: SetReport, photo_id: str | None = None) -> list[str]:
    return sorted(item.kind for item in report.findings if item.photo_id == photo_id)


def blamed(report: SetReport) -> dict[str, list[str]]:
    ids = {item.photo_id for item in report.findings if item.photo_id}
    return {id: kinds(report, id) for id in sorted(ids)}


def one(report: SetReport, kind: str) -> Finding:
    (found,) = [item for item in report.findings if item.kind == kind]
    return found


def test_a_good_set_has_no_findings() -> None:
    report = judge_set(good_set(), GATES, exposures=lambda n: 40.0)
    assert report.findings == ()
    assert report.verdict is Verdict.OK
    assert SetReport.from_dict(report.to_dict()) == report


def mixed_set() -> tuple[list[SetPhoto], dict[str, list[str]]]:
    """The set of the issue: each fault once or more, and who is to be blamed for what."""
    photos, blame = good_set(16), {}

    def add(
        shot: int, expected: list[str], facts: dict[str, Any] | None = None, **more: Any
    ) -> None:
        photos.append(photo(shot, facts=facts, **more))
        blame[photos[-1].id] = expected

    for shot in (20, 21, 22):  # another person
        add(shot, ["different-person"], who=2)
    for shot, near in ((30, 0), (31, 1), (32, 2), (33, 3), (34, 4)):
        mirrored = shot == 34
        side = looks(-1 - near) if mirrored else looks(near)
        add(shot, ["near-duplicate"], {"phash": side ^ 0b111, "width": 1100})
    for shot in (40, 41, 42):
        blurred = face(1, shot, sharpness=0.08, angle=Angle.FRONT)
        add(shot, ["blurred-face"], faces=(blurred,))
    for shot in (50, 51):
        add(shot, ["smoothed"], smoothing=0.03)
    add(60, ["truncated"], {"decodable": False, "fault": "truncated", "measured": None})
    add(61, ["turned"], {"orientation": 6})
    add(62, ["too-few-bytes"], {"bytes": 9 * 1024})
    return photos, blame


def test_a_mixed_set_gives_exactly_the_right_findings_and_none_is_blamed_for_another() -> None:
    """Two people, five near-duplicates, three blurred, two filtered, one truncated, one turned, one of
    9 KB (R-29, R-30, R-32, R-38, R-39)."""
    photos, blame = mixed_set()
    report = judge_set(photos, GATES)
    assert blamed(report) == blame
    assert report.verdict is Verdict.WARN
    out = {id for id, why in blame.items() if why[0] not in ("blurred-face", "smoothed", "turned")}
    assert set(report.dropped) == out
    levels = {item.kind: (item.level, item.trust) for item in report.findings if item.photo}
    assert levels["different-person"] == (Level.BLOCK, Trust.MEASURED)
    assert levels["blurred-face"] == (Level.WARN, Trust.MEASURED)
    assert levels["smoothed"] == (Level.WARN, Trust.HINT)  # never rejected for it
    assert all(item.remedy for item in report.findings if item.level is not Level.NOTE)


def test_the_order_of_the_photos_changes_no_finding() -> None:
    photos, _ = mixed_set()
    report, turned = judge_set(photos, GATES), judge_set(photos[::-1], GATES)
    assert blamed(turned) == blamed(report)
    assert turned.counts == report.counts


@pytest.mark.parametrize("others", [1, 2, 5])
def test_the_person_most_photos_show_is_meant_whoever_comes_first(others: int) -> None:
    """R-39."""
    photos = [*(photo(100 + shot, who=2) for shot in range(others)), *good_set(12)]
    report = judge_set(photos, GATES)
    found = {item.photo_id for item in report.findings if item.kind == "different-person"}
    assert found == {f"id-{100 + shot}" for shot in range(others)}


def test_half_and_half_is_nobodys_fault_and_blocks_the_set() -> None:
    photos = [*(photo(100 + shot, who=2) for shot in range(8)), *good_set(8)]
    report = judge_set(photos, GATES)
    assert one(report, "several-subjects").level is Level.BLOCK
    assert "different-person" not in {item.kind for item in report.findings}


def test_whoever_stands_beside_the_subject_is_not_held_against_the_photo() -> None:
    """R-39, R-50: the nearest face counts, though the stranger's is larger."""
    stranger = face(7, 1, width=500, height=600)
    beside = photo(70, faces=(stranger, face(1, 70)))
    report = judge_set([*good_set(12), beside], GATES)
    assert kinds(report, beside.id) == ["several-people"]
    assert one(report, "several-people").level is Level.WARN
    found = {item.photo.id: item for item in identities([*good_set(12), beside])}
    assert found[beside.id].face == 1


def test_a_stranger_is_one_by_the_mean_over_pairs_on_which_the_limits_were_measured() -> None:
    """Real faces: 0.34 to each of eleven photos of another, and 0.361 to their middle at length 1."""
    mine = good_set(11)
    faces = [p.known.measured.face for p in mine if p.known.measured is not None]
    vectors = [seen.vector() or () for seen in faces if seen is not None]
    assert len(vectors) == 11
    base = [sum(column) / 11 for column in zip(*vectors, strict=True)]
    length = sum(value * value for value in base) ** 0.5
    odd = face(90).vector() or ()
    mixed = [0.38 * b / length + 0.925 * o for b, o in zip(base, odd, strict=True)]
    stranger = photo(60, faces=(face(embedding=face().packed(mixed)),))
    (found,) = [item for item in identities([*mine, stranger]) if item.photo is stranger]
    assert found.cosine == pytest.approx(0.38 * length, abs=0.08)
    assert found.other


def test_no_photo_vouches_for_itself() -> None:
    """Leave one out: with two photos of each, the middle of all would be near to every one."""
    photos = [photo(0), photo(1), photo(2), photo(103, who=2)]
    (odd,) = [item for item in identities(photos) if item.photo.id == "id-103"]
    assert odd.cosine < 0.36
    assert all(
        item.cosine >= 0.5
        for item in identities(photos)
        if item is not odd and item.photo.id != "id-103"
    )


def between(shot: int, near: float) -> SetPhoto:
    """A face about *near* to the set's person, by mixing in a stranger."""
    mine, other = face(1, shot).vector(), face(50 + shot).vector()
    assert mine
    assert other
    mixed = [near * a + (1 - near**2) ** 0.5 * b for a, b in zip(mine, other, strict=True)]
    return photo(shot, faces=(face(embedding=face().packed(mixed), angle=Angle.FRONT),))


def test_between_same_and_other_a_person_looks_and_the_photo_is_kept() -> None:
    """vision.md: 0.36 to 0.50 is for review."""
    odd = between(90, 0.5)
    report = judge_set([*good_set(15), odd], GATES)
    finding = one(report, "unsure-person")
    assert 0.36 <= float(finding.measured or 0) < 0.5
    assert (finding.photo_id, finding.level) == (odd.id, Level.WARN)
    assert odd.id in report.kept


def test_small_faces_and_faces_without_identity_say_nothing_about_who_it_is() -> None:
    small = photo(80, faces=(face(9, width=20, height=24),))
    blank = photo(81, faces=(face(9, embedding=None),))
    report = judge_set([*good_set(12), small, blank], GATES)
    assert kinds(report, small.id) == ["face-too-small"]
    assert kinds(report, blank.id) == []


def test_with_two_faces_the_set_says_that_it_cannot_tell() -> None:
    photos = [
        replace(p, facts=replace(p.known, measured=measured(n, faces=())))
        for n, p in enumerate(good_set(12))
    ]
    report = judge_set([*photos, photo(50), photo(51, who=2)], GATES)
    finding = one(report, "same-person")
    assert (finding.trust, finding.measured) == (Trust.NOT_MEASURED, 2)


@pytest.mark.parametrize("kind", ["person", "model", "character"])
def test_without_consent_the_set_says_that_this_is_why_nobody_is_compared(kind: str) -> None:
    whole = [*good_set(12), photo(90, who=2)]
    kept = [
        replace(item, facts=replace(item.known, measured=item.known.measured.without_consent()))
        for item in whole
        if item.known.measured
    ]
    report = judge_set(kept, GATES, kind=kind)
    finding = one(report, "same-person")
    assert (finding.trust, finding.level) == (Trust.NOT_MEASURED, Level.NOTE)
    assert "no consent" in finding.message
    assert not [f for f in report.findings if "that says who it is" in f.message]
    assert "not-measured" not in kinds(report)
    assert report.details["kind"] == kind


def test_a_drawn_characters_identity_is_a_hint_and_takes_nothing_out() -> None:
    report = judge_set([*good_set(12), photo(90, who=2)], GATES, kind="character")
    finding = one(report, "unsure-person")
    assert (finding.trust, finding.level) == (Trust.HINT, Level.WARN)
    assert "id-090" in report.kept


def test_of_a_pair_the_sharp_one_stays_though_it_is_smaller_and_the_finding_says_why() -> None:
    sharp = photo(0, facts={"width": 1100})
    blurred = photo(70, facts={"phash": looks(0) ^ 1}, faces=(face(1, 70, sharpness=0.05),))
    report = judge_set([blurred, sharp, *good_set(15)[1:]], GATES)
    assert report.dropped == {blurred.id: "near-duplicate"}
    assert "is sharper and is kept" in one(report, "near-duplicate").message


@pytest.mark.parametrize(
    ("more", "kind", "level", "trust"),
    [
        ({"faces": ()}, "no-face", Level.WARN, Trust.HINT),
        ({"faces": (face(cut=True),)}, "face-cut", Level.WARN, Trust.MEASURED),
        ({"faces": (face(roll=88.0),)}, "face-turned", Level.WARN, Trust.MEASURED),
        ({"jpeg_quality": 30.0}, "compressed", Level.WARN, Trust.MEASURED),
        ({"recompressed": 3.0}, "compressed", Level.WARN, Trust.HINT),
        ({"luma": 0.05}, "dark", Level.NOTE, Trust.HINT),
        ({"clipped_high": 0.6}, "bright", Level.NOTE, Trust.HINT),
    ],
)
def test_each_fault_of_a_photo_has_its_finding_with_limit_source_and_trust(
    more: dict[str, Any], kind: str, level: Level, trust: Trust
) -> None:
    """R-30, R-32, R-35."""
    report = judge_set([*good_set(15), photo(70, **more)], GATES)
    assert kinds(report, "id-070") == [kind]
    finding = one(report, kind)
    assert (finding.level, finding.trust) == (level, trust)
    assert finding.source
    assert finding.remedy
    assert finding.limit is not None
    assert blamed(report).keys() == {"id-070"}


@pytest.mark.parametrize("loss", [{"jpeg_quality": 12.0}, {"recompressed": 3.0}])
def test_what_compression_took_is_not_blamed_on_a_filter(loss: dict[str, Any]) -> None:
    report = judge_set([*good_set(15), photo(70, smoothing=0.02, **loss)], GATES)
    assert kinds(report, "id-070") == ["compressed"]


def test_a_character_whose_face_is_not_found_is_a_note_and_people_may_be_wanted() -> None:
    report = judge_set([*good_set(15), photo(70, faces=())], CHARACTER, kind="character")
    assert one(report, "no-face").level is Level.NOTE
    pair = photo(71, faces=(face(1, 71), face(8)))
    report = judge_set([*good_set(15), pair], CHARACTER, kind="character")
    assert one(report, "several-people").level is Level.NOTE


def framed(count: int, framing: Framing, first: int = 0) -> list[SetPhoto]:
    return [photo(first + n, framing=framing) for n in range(count)]


def test_a_set_of_close_ups_is_told_what_to_add() -> None:
    """R-46 to R-49, R-54."""
    report = judge_set(framed(15, Framing.CLOSE_UP), GATES)
    found = {item.kind: item for item in report.findings}
    assert found.keys() == {"few-medium", "few-full-body", "few-wide"}
    assert found["few-full-body"].level is Level.WARN
    assert found["few-wide"].level is Level.NOTE
    assert found["few-full-body"].remedy == "Add 4 more full-body photos."
    assert "the only mix" in str(found["few-full-body"].source)
    assert report.details["to_add"][1] == "4 more full-body photos"
    shares = report.details["composition"]["after"]["framing"]
    assert shares["close-up"] == {"count": 15, "share": 1.0, "least": 0.3, "most": 0.4, "add": 0}


def test_framing_is_a_partition_and_tags_are_not() -> None:
    """R-55, K20."""
    pair = (face(1, 3), face(8))
    photos = [*good_set(14), photo(14, faces=pair, background=0.3, occlusion=("legs",))]
    after = judge_set(photos, CHARACTER, kind="character").details["composition"]["after"]
    assert sum(part["count"] for part in after["framing"].values()) == 15 == after["measured"]
    assert after["tags"]["several-people"]["count"] == 1
    assert after["tags"]["occluded"]["count"] == 1
    assert sum(tag["count"] for tag in after["tags"].values()) > 2


def test_a_full_body_profile_asks_for_the_whole_body() -> None:
    """R-21, R-40."""
    assert judge_set(framed(10, Framing.FULL_BODY), FASHION).findings == ()
    half = [*framed(5, Framing.FULL_BODY), *framed(5, Framing.MEDIUM, 20)]
    assert one(judge_set(half, FASHION), "few-full-body").measured == 0.5


def test_a_body_cut_off_is_told_where_the_profile_is_about_whole_bodies_and_nowhere_else() -> None:
    """R-40."""
    whole = framed(9, Framing.FULL_BODY)
    cut = photo(50, framing=Framing.FULL_BODY, head_to_toe=False)
    found = one(judge_set([*whole, cut], FASHION), "not-head-to-toe")
    assert (found.photo_id, found.level) == (cut.id, Level.WARN)
    assert "not-head-to-toe" not in kinds(judge_set([*good_set(), cut], GATES))
    unknown = photo(51, framing=Framing.FULL_BODY, head_to_toe=None)
    assert "not-head-to-toe" not in kinds(judge_set([*whole, unknown], FASHION))


def test_nine_frames_of_one_session_do_not_outweigh_twenty_photos_of_the_subject() -> None:
    """R-39: the person is the one most photos show, and not the one whose photos are most alike."""
    loose = [photo(n, faces=(face(1, n, embedding=person(1, 0.95, n)),)) for n in range(20)]
    tight = [photo(30 + n, faces=(face(2, n, embedding=person(2, 0.2, n)),)) for n in range(9)]
    report = judge_set([*loose, *tight], GATES)
    assert "several-subjects" not in kinds(report)
    assert {id for id, why in report.dropped.items() if why == "different-person"} == {
        item.id for item in tight
    }


def test_copies_of_one_photo_do_not_vouch_for_each_other() -> None:
    stranger = photo(40, faces=(face(2, 0),))
    copies = [
        replace(stranger, id=f"copy-{n}", facts=replace(stranger.known, sha256=f"{900 + n:064x}"))
        for n in range(4)
    ]
    report = judge_set([*good_set(8), stranger, *copies], GATES)
    assert "several-subjects" not in kinds(report)
    assert report.dropped == {
        stranger.id: "different-person",
        **dict.fromkeys((copy.id for copy in copies), "near-duplicate"),
    }


def test_of_an_original_and_its_small_copy_the_original_stays_though_it_is_the_one_that_was_judged() -> (
    None
):
    """Whether the copy is blurred could not be measured; it is the same picture."""
    large = face(1, 0, x=1000, y=750, width=750, height=950, sharpness=0.15)
    original = photo(0, facts={"width": 3000, "height": 4000}, faces=(large,))
    small = photo(
        70,
        facts={"width": 600, "height": 800, "phash": looks(0)},
        faces=(face(1, 0, x=200, y=150, width=150, height=190, sharpness=None),),
        smoothing=None,
    )
    report = judge_set([small, original, *good_set(15)[1:]], GATES)
    assert report.dropped == {small.id: "near-duplicate"}
    assert "has more pixels" in one(report, "near-duplicate").message


def test_over_the_soft_maximum_what_is_warned_of_goes_first() -> None:
    poor = [photo(100 + n, jpeg_quality=12.0) for n in range(12)]
    report = judge_set([*good_set(50), *poor], GATES)
    assert len(report.kept) == GATES.soft_max
    assert not {item.id for item in poor} & set(report.kept)


def test_a_set_without_measurements_says_so_once_and_guesses_nothing() -> None:
    photos = [replace(p, facts=replace(p.known, measured=None)) for p in good_set()]
    report = judge_set(photos, GATES)
    assert {(item.kind, item.trust) for item in report.findings} == {
        ("not-measured", Trust.NOT_MEASURED),
        ("composition", Trust.NOT_MEASURED),
    }
    assert report.verdict is Verdict.OK


def test_what_a_missing_model_leaves_open_is_said_with_its_reason() -> None:
    reason = (("framing", "the pose model is missing: `safelight models fetch`"),)
    photos = [photo(n, framing=None, not_measured=reason) for n in range(16)]
    finding = one(judge_set(photos, GATES), "not-measured")
    assert "safelight models fetch" in finding.message
    assert finding.measured == 16


def test_what_one_reason_leaves_open_is_said_once() -> None:
    reason = (("identity", "no face was found"), ("light", "no face was found"))
    finding = one(
        judge_set([photo(n, not_measured=reason) for n in range(16)], GATES), "not-measured"
    )
    assert "identity, light (no face was found)" in finding.message


def test_every_finding_that_has_a_limit_names_its_source() -> None:
    odd = {"frames": 3, "mode": "CMYK", "bits": 16, "alpha": True, "orientation": 6}
    sets = [
        *(good_set(count) for count in (2, 10, 13, 28, 40)),
        [*good_set(14), photo(14, facts=odd), photo(15, not_measured=(("light", "dark"),))],
        [photo(n, facts={"decodable": False, "fault": fault}) for n, fault in enumerate(FAULTS)],
    ]
    for photos in sets:
        found = judge_set(photos, GATES).findings
        assert found
        assert not [item.kind for item in found if item.limit is not None and not item.source]
        assert not [item.kind for item in found if item.kind in FAULTS and not item.source]


def test_photos_that_were_purged_are_compared_with_and_not_offered() -> None:
    before = last_good(good_set(20))
    some = replace(before, gone=frozenset({"id-018", "id-019"}))
    union = judge_set(good_set(10), GATES, before=some).details["retrain"]["union"]
    assert (union["photos"], len(union["add"])) == (18, 8)
    every = replace(before, gone=frozenset(photo.id for photo in good_set(20)))
    report = judge_set(good_set(10), GATES, before=every)
    assert report.details["retrain"]["union"]["add"] == []
    assert "deleted for good" in one(report, "fewer-than-before").message


def test_a_set_from_one_angle_in_one_light_is_told() -> None:
    """R-34, R-36, K8."""
    photos = [photo(n, faces=(face(1, n),), light="left", brightness="normal") for n in range(16)]
    report = judge_set(photos, GATES)
    assert one(report, "one-angle").level is Level.WARN
    assert "in the same light (normal, lit from the left)" in one(report, "one-light").message


def test_plain_backgrounds_throughout_are_a_note_unless_the_profile_wants_a_studio() -> None:
    """R-33, K9."""
    photos = [photo(n, plain_background=True, background=0.01) for n in range(16)]
    assert one(judge_set(photos, GATES), "one-background").level is Level.NOTE
    assert "one-background" not in kinds(judge_set(photos, FASHION))


def test_half_of_the_photos_smoothed_is_mixed_processing() -> None:
    """K8: light may vary, processing may not."""
    photos = [photo(n, smoothing=0.02 if n % 2 else 1.1) for n in range(16)]
    assert one(judge_set(photos, GATES), "mixed-processing").measured == 0.5


@pytest.mark.parametrize(
    ("seen", "kind"), [(20.0, "few-exposures"), (40.0, None), (280.0, "many-exposures")]
)
def test_exposures_an_image_are_held_against_the_profile(seen: float, kind: str | None) -> None:
    """Finding 4, K2: five photos at 1400 steps are seen 280 times each."""
    report = judge_set(good_set(), GATES, exposures=lambda n: seen)
    assert kinds(report) == ([kind] if kind else [])
    assert report.details["exposures"] == seen


def test_above_the_soft_maximum_no_framing_and_no_angle_is_lost() -> None:
    """R-26, R-36, K7: the choice keeps variety, and flawed photos go first."""
    many = [photo(n, framing=Framing.CLOSE_UP, faces=(face(1, n),)) for n in range(40)]
    rare = [
        photo(50, framing=Framing.WIDE),
        photo(51, framing=Framing.CLOSE_UP, faces=(face(1, 51, angle=Angle.SIDE_LEFT),)),
    ]
    blurred = [
        photo(60 + n, framing=Framing.CLOSE_UP, faces=(face(1, 60 + n, sharpness=0.04),))
        for n in range(5)
    ]
    report = judge_set([*blurred, *many, *rare], GATES)
    assert len(report.kept) == 30
    assert {"id-050", "id-051"} <= set(report.kept)
    assert not {p.id for p in blurred} & set(report.kept)


def test_above_the_soft_maximum_photos_with_any_warning_go_first() -> None:
    """R-32, C7, K7: not only blurred and smoothed ones."""
    hard = [photo(100 + n, jpeg_quality=12.0) for n in range(6)]
    cut = [
        photo(110 + n, faces=(face(1, 110 + n, cut=True, angle=Angle.SIDE_LEFT),)) for n in range(6)
    ]
    report = judge_set([*hard, *cut, *good_set(50)], GATES)
    assert len(report.kept) == 30
    assert not {p.id for p in (*hard, *cut)} & set(report.kept)


def last_good(photos: list[SetPhoto], exposures: float = 70.0) -> LastGood:
    return LastGood(3, 2, tuple(photos), exposures)


def test_a_retrain_with_fewer_photos_is_asked_about_and_the_union_is_offered() -> None:
    """R-142, K21."""
    before = last_good(good_set(20))
    report = judge_set(good_set(10), GATES, before=before, exposures=lambda n: 40.0)
    finding = one(report, "fewer-than-before")
    assert (finding.level, finding.measured, finding.limit) == (Level.BLOCK, 10, 20)
    assert "--retrain smaller" in str(finding.remedy)
    assert report.verdict is Verdict.BLOCK
    guard = report.details["retrain"]
    assert guard["union"]["photos"] == 20
    assert [item["id"] for item in guard["union"]["add"]] == [f"id-{n:03d}" for n in range(10, 20)]


def test_an_answer_lets_the_smaller_set_through_where_the_profile_asks_and_not_where_it_blocks() -> (
    None
):
    before = last_good(good_set(20))
    asks = judge_set(good_set(10), GATES, before=before, answer="smaller")
    assert one(asks, "fewer-than-before").level is Level.WARN
    assert asks.verdict is Verdict.WARN
    strict = replace(GATES, retrain="block")
    assert judge_set(good_set(10), strict, before=before, answer="smaller").verdict is Verdict.BLOCK


def test_lost_angles_and_doubled_exposures_are_named() -> None:
    """R-36, K21, finding 4: 1400 steps on 20 photos, then on 5."""
    fronts = [photo(n, faces=(face(1, n),)) for n in range(16)]
    report = judge_set(fronts, GATES, before=last_good(good_set(16)), exposures=lambda n: 280.0)
    assert "three-quarter, side" in one(report, "lost-angles").message
    finding = one(report, "more-exposures")
    assert (finding.level, finding.measured, finding.limit) == (Level.WARN, 280.0, 70.0)
    fewer = judge_set(fronts[:10], GATES, before=last_good(good_set(16)), exposures=lambda n: 280.0)
    assert one(fewer, "more-exposures").level is Level.BLOCK


def test_more_and_other_photos_than_before_are_a_warning_at_most() -> None:
    grown = judge_set(good_set(24), GATES, before=last_good(good_set(16)), exposures=lambda n: 40.0)
    asked = {"fewer-than-before", "little-in-common", "lost-angles", "more-exposures"}
    assert not [item for item in grown.findings if item.kind in asked]
    other = [photo(100 + n) for n in range(16)]
    report = judge_set(other, GATES, before=last_good(good_set(16)), exposures=lambda n: 40.0)
    assert one(report, "little-in-common").level is Level.WARN
    assert report.verdict is Verdict.WARN


def test_a_recompressed_copy_of_an_old_photo_is_the_old_photo() -> None:
    copies = [
        photo(n, facts={"sha256": f"{n + 900:064x}", "phash": looks(n) ^ 0b11}) for n in range(16)
    ]
    report = judge_set(copies, GATES, before=last_good(good_set(16)), exposures=lambda n: 40.0)
    assert report.details["retrain"]["in_common"] == 1.0
    assert report.details["retrain"]["union"]["add"] == []
