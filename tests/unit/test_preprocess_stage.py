"""The two stages with a store in memory and the real vision code."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from safelight.domain.crops import Crop
from safelight.domain.dataset import Manifest
from safelight.domain.errors import CancelAsked, ObjectMissing, ObjectTooLarge
from safelight.domain.findings import Level
from safelight.domain.measured import Measured
from safelight.domain.members import SetPhoto
from safelight.domain.photos import DECODER, MAX_BYTES, Derived, Inspection, PhotoFacts, Undecodable
from safelight.domain.profiles import Profile, get_profile
from safelight.domain.report import rules_of
from safelight.domain.stored import StoredObject, UploadLink
from safelight.stages.building import BuildOrder, DatasetBuilt, SetBlocked, build_dataset
from safelight.stages.preprocess import InspectedPhoto, Keeps, inspect_photos, is_stale
from safelight.vision.derive import derive_file
from safelight.vision.inspect import inspect_file
from safelight.vision.location.removal import count_location, remove_location
from tests.support import located
from tests.support import photos as make
from tests.support.measured import measured

PROFILE = get_profile("likeness@v1")


class MemoryStore:
    """An object store in a dict; it counts what is fetched."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.fetched: list[str] = []
        self.before: dict[str, tuple[str, ...]] = {}

    def _stored(self, key: str) -> StoredObject:
        data = self.objects[key]
        sha256, etag = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
        return StoredObject(key, len(data), sha256, etag=etag, before=self.before.get(key, ()))

    def put_bytes(self, key: str, data: bytes, content_type: str) -> StoredObject:
        self.objects[key], self.types[key] = data, content_type
        return self._stored(key)

    def put_file(
        self, key: str, path: Path, content_type: str, *, before: tuple[str, ...] = ()
    ) -> StoredObject:
        self.before[key] = before
        return self.put_bytes(key, path.read_bytes(), content_type)

    def get_file(self, key: str, path: Path, *, limit: int | None = None) -> StoredObject:
        if key not in self.objects:
            raise ObjectMissing
        if limit is not None and len(self.objects[key]) > limit:
            raise ObjectTooLarge
        self.fetched.append(key)
        path.write_bytes(self.objects[key])
        return self._stored(key)

    def head(self, key: str) -> StoredObject | None:
        return self._stored(key) if key in self.objects else None

    def get_bytes(self, key: str, *, limit: int = 0) -> bytes:
        raise NotImplementedError

    def copy(self, source: str, target: str) -> None:
        raise NotImplementedError

    def move_to_class(self, key: str, storage_class: str) -> str | None:
        raise NotImplementedError

    def delete(self, keys: Iterable[str]) -> None:
        raise NotImplementedError

    def page(self, after: str, limit: int) -> Sequence[StoredObject]:
        raise NotImplementedError

    def list(self, prefix: str) -> Iterator[StoredObject]:
        raise NotImplementedError

    def lifetime(self, seconds: int, *, least: int = 0) -> int:
        raise NotImplementedError

    def presign_get(self, key: str, seconds: int, *, least: int = 0) -> str:
        raise NotImplementedError

    def upload_link(
        self, key: str, seconds: int, content_type: str, *, bytes: int, sha256: str | None = None
    ) -> UploadLink:
        raise NotImplementedError

    def close(self) -> None:
        pass


@dataclass
class PlainEye:
    """The vision code in this process; fails to derive the photos whose bytes are in *refuses*."""

    refuses: set[bytes] = field(default_factory=set)
    derived: int = 0
    has: frozenset[str] | None = None

    def models(self) -> frozenset[str] | None:
        return self.has

    def inspect(self, path: Path, name: str) -> Inspection:
        return inspect_file(path, name)

    def location(self, path: Path, *, remove: bool) -> dict[str, int]:
        return remove_location(path) if remove else count_location(path)

    def derive(self, path: Path, target: Path, max_side: int, crop: Crop | None = None) -> Derived:
        self.derived += 1
        if path.read_bytes() in self.refuses:
            raise Undecodable("undecodable", "the decoder died of it twice: signal 11 (SIGSEGV)")
        return derive_file(path, target, max_side=max_side, crop=crop)

    def close(self) -> None:
        pass


@dataclass
class Beat:
    """A pulse that asks for an end at the check numbered *end*."""

    end: int | None = None
    checks: int = 0

    def check(self) -> None:
        self.checks += 1
        if self.checks == self.end:
            raise CancelAsked


class Bench:
    """A store, a folder and the two stages."""

    def __init__(self, folder: Path) -> None:
        self.store, self.eye, self.pulse = MemoryStore(), PlainEye(), Beat()
        self.made, self.work = folder / "made", folder / "work"
        self.made.mkdir()
        self.work.mkdir()

    def upload(self, *paths: Path) -> list[SetPhoto]:
        start = len(self.store.objects)
        refs = []
        for number, path in enumerate(paths, start):
            key = f"photos/{number:03d}"
            self.store.put_bytes(key, path.read_bytes(), "image/jpeg")
            refs.append(SetPhoto(f"id-{number:03d}", path.name, key=key, bytes=path.stat().st_size))
        return refs

    def inspect(self, refs: list[SetPhoto]) -> tuple[InspectedPhoto, ...]:
        return inspect_photos(refs, PROFILE.gates, self.store, self.eye, self.pulse, self.work)

    def inspected(self, refs: list[SetPhoto]) -> list[SetPhoto]:
        return [
            replace(ref, facts=seen.facts, findings=() if seen.facts else seen.findings)
            for ref, seen in zip(refs, self.inspect(refs), strict=True)
        ]

    def good(self, count: int) -> list[SetPhoto]:
        return self.inspected(self.upload(*make.distinct_photos(self.made, count)))

    def build(
        self, refs: Iterable[SetPhoto], profile: Profile = PROFILE
    ) -> DatasetBuilt | SetBlocked:
        rules = rules_of(profile, kind="person", trigger="slqk24bcdf")
        order = BuildOrder(7, profile, "datasets/s", tuple(refs), rules)
        return build_dataset(order, self.store, self.eye, self.pulse, self.work)

    def built(self, refs: Iterable[SetPhoto], profile: Profile = PROFILE) -> DatasetBuilt:
        result = self.build(refs, profile)
        assert isinstance(result, DatasetBuilt)
        return result

    def archive(self, result: DatasetBuilt) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.store.objects[result.key]))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_every_kind_of_bad_input_is_a_finding_on_its_photo_and_the_rest_go_on(bench: Bench) -> None:
    """Issue 2, 'Bad input'; R-28, R-29, R-45."""
    makers = {
        make.text_named_jpg: ("not-an-image", False),
        make.truncated_jpeg: ("truncated", False),
        make.huge_png: ("too-many-pixels", False),
        make.tiny: ("too-small", False),
        make.flat: ("too-few-bytes", False),
        make.turned_jpeg: ("turned", True),
        make.animated_gif: ("animated", True),
        make.cmyk_jpeg: ("cmyk", True),
        make.sixteen_bit_png: ("sixteen-bit", True),
        make.alpha_png: ("alpha", True),
    }
    refs = bench.upload(*(maker(bench.made) for maker in makers), make.odd_name(bench.made))
    *seen, odd = bench.inspect(refs)
    for (kind, accepted), photo, ref in zip(makers.values(), seen, refs, strict=False):
        assert photo.accepted is accepted, ref.name
        assert kind in [item.kind for item in photo.findings], ref.name
        assert all(item.photo == ref.name and item.photo_id == ref.id for item in photo.findings)
        assert all(ref.name in item.message for item in photo.findings)
    assert odd.accepted
    assert bench.pulse.checks == 11
    assert list(bench.work.iterdir()) == []


def test_a_photo_that_was_inspected_is_judged_anew_without_being_fetched(bench: Bench) -> None:
    (ref,) = bench.inspected(bench.upload(make.photo(bench.made, "a.jpg", 1, (600, 800))))
    bench.store.fetched.clear()
    strict = replace(PROFILE.gates, min_side=768)
    (seen,) = inspect_photos([ref], strict, bench.store, bench.eye, bench.pulse, bench.work)
    assert not seen.accepted
    assert seen.facts == ref.facts
    assert [item.kind for item in seen.findings] == ["too-small"]
    assert bench.store.fetched == []


ALL = frozenset({"faces", "identity", "pose", "person"})
SEEN = PhotoFacts(9, measured=Measured())


def fault(kind: str) -> PhotoFacts:
    return PhotoFacts(9, decodable=False, fault=kind, decoder=DECODER)


@pytest.mark.parametrize(
    ("facts", "models", "stale"),
    [
        (fault("unsupported-format"), None, True),  # the reader may be installed by now
        (replace(fault("unsupported-format"), format="heic"), None, True),
        (replace(fault("unsupported-format"), format="psd"), None, False),
        (fault("overrun"), ALL, True),  # the machine's fault, perhaps
        (fault("truncated"), ALL, False),
        (fault("not-an-image"), ALL, False),
        (replace(fault("not-an-image"), decoder=None), ALL, True),
        (replace(fault("undecodable"), decoder="decoder-1"), ALL, True),
        (PhotoFacts(9), ALL, True),
        (PhotoFacts(9), None, False),
        (SEEN, ALL, False),
        (PhotoFacts(9, measured=Measured(analyser="eye-0")), ALL, True),
        (PhotoFacts(9, measured=Measured(lacked=("pose",))), ALL, True),
        (PhotoFacts(9, measured=Measured(lacked=("pose",))), frozenset({"faces"}), False),
    ],
)
def test_facts_are_stale_where_another_look_may_tell_more(
    facts: PhotoFacts, models: frozenset[str] | None, stale: bool
) -> None:
    assert is_stale(PhotoFacts.from_dict(facts.to_dict()), models) is stale


def test_facts_without_identity_are_stale_once_it_may_be_kept() -> None:
    """Consent came later."""
    kept = PhotoFacts(9, measured=measured())
    stripped = replace(kept, measured=measured().without_consent())
    for keeps in (False, True):
        may = Keeps(identity=keeps)
        assert is_stale(PhotoFacts.from_dict(stripped.to_dict()), ALL, keeps=may) is keeps
        assert not is_stale(kept, ALL, keeps=may)


def test_a_photo_that_was_not_decoded_for_want_of_time_is_looked_at_again(bench: Bench) -> None:
    (ref,) = bench.upload(make.photo(bench.made, "a.jpg"))
    (seen,) = bench.inspect([replace(ref, facts=fault("overrun"))])
    assert seen.accepted
    assert bench.store.fetched == [ref.key]


@pytest.mark.parametrize("sized", [False, True])
def test_a_photo_missing_from_the_store_is_a_finding_and_is_looked_for_again(
    bench: Bench, sized: bool
) -> None:
    path = make.photo(bench.made, "a.jpg")
    ref = SetPhoto("id-9", "a.jpg", key="photos/late", bytes=path.stat().st_size if sized else None)
    (seen,) = bench.inspect([ref])
    assert (seen.facts, seen.accepted) == (None, False)
    assert [item.kind for item in seen.findings] == ["missing"]
    bench.store.put_bytes("photos/late", path.read_bytes(), "image/jpeg")
    (seen,) = bench.inspect([replace(ref, findings=seen.findings)])
    assert seen.accepted
    assert "missing" not in [item.kind for item in seen.findings]


def test_a_file_too_large_to_fetch_is_not_fetched(bench: Bench) -> None:
    (seen,) = bench.inspect([SetPhoto("id-9", "film.jpg", key="photos/film", bytes=MAX_BYTES + 1)])
    assert [item.kind for item in seen.findings] == ["too-many-bytes"]
    assert bench.store.fetched == []


class Blind:
    """An eye that must not be shown anything."""

    def models(self) -> frozenset[str] | None:
        return None

    def location(self, path: Path, *, remove: bool) -> Any:
        raise AssertionError(f"{path} was looked at")

    def inspect(self, path: Path, name: str) -> Any:
        raise AssertionError(f"{name} was looked at")


def test_an_object_that_was_put_over_another_is_named_before_it_is_looked_at(bench: Bench) -> None:
    sent = make.photo(bench.made, "a.jpg").read_bytes()
    sha256, etag = hashlib.sha256(sent).hexdigest(), hashlib.md5(sent).hexdigest()
    other = bytes(len(sent))
    refs = [
        SetPhoto("1", "hash.jpg", key="photos/1", bytes=len(sent), sha256=sha256),
        SetPhoto("2", "mark.jpg", key="photos/2", bytes=len(sent), etag=etag),
        SetPhoto("3", "longer.jpg", key="photos/3", bytes=len(sent) - 1),
        SetPhoto("4", "shorter.jpg", key="photos/4", bytes=len(sent) + 1),
        # Looked at anew, since the eye is another by now: it has to be the same photo.
        SetPhoto(
            "5", "stale.jpg", fault("overrun"), key="photos/5", bytes=len(sent), sha256=sha256
        ),
    ]
    for ref in refs:
        bench.store.put_bytes(ref.key, other, "image/jpeg")
    bench.eye = Blind()  # type: ignore[assignment]
    for seen, ref in zip(bench.inspect(refs), refs, strict=True):
        assert (seen.facts, seen.accepted) == (None, False)
        (finding,) = seen.findings
        assert finding.kind == "changed"
        assert ref.name in finding.message


def test_an_object_that_was_moved_is_the_same_where_its_hash_is(bench: Bench) -> None:
    """A backup that is restored, or a change of class, gives it another mark."""
    sent = make.photo(bench.made, "a.jpg").read_bytes()
    sha256 = hashlib.sha256(sent).hexdigest()
    ref = SetPhoto("1", "a.jpg", key="photos/1", bytes=len(sent), sha256=sha256, etag="of before")
    bench.store.put_bytes(ref.key, sent, "image/jpeg")
    (seen,) = bench.inspect([ref])
    assert seen.accepted


def swapped(bench: Bench, ref: SetPhoto, size: int) -> None:
    """Another object is put there after its upload was confirmed: the row's size is the old one's."""
    bench.store.objects[ref.key] += bytes(size - len(bench.store.objects[ref.key]))


def test_an_object_that_grew_since_it_was_confirmed_is_not_fetched(bench: Bench) -> None:
    (ref,) = bench.upload(make.photo(bench.made, "a.jpg"))
    swapped(bench, ref, MAX_BYTES + 1)
    (seen,) = bench.inspect([ref])
    (finding,) = seen.findings
    assert (finding.kind, finding.limit) == ("changed", ref.bytes)
    assert (seen.facts, seen.accepted, bench.store.fetched) == (None, False, [])
    assert list(bench.work.iterdir()) == []


def test_an_object_that_grew_since_it_was_inspected_leaves_the_set_unread(bench: Bench) -> None:
    refs = bench.good(9)
    swapped(bench, refs[0], 2_000_000)
    bench.store.fetched.clear()
    result = bench.built(refs)
    (finding,) = [item for item in result.report.findings if item.kind == "changed"]
    assert finding.photo_id == refs[0].id
    assert refs[0].key not in bench.store.fetched


def test_a_photo_that_was_replaced_by_a_worker_that_was_stopped_then_is_the_one_that_was_sent(
    bench: Bench,
) -> None:
    """Its row still has the hash, or the store's mark, of what was sent: with its location."""
    (ref,) = bench.upload(located_photo(bench.made))
    sent = bench.store.objects[ref.key]
    bench.inspect([ref])
    assert bench.store.objects[ref.key] != sent
    for known in (
        {"sha256": hashlib.sha256(sent).hexdigest()},
        {"etag": hashlib.md5(sent).hexdigest()},
    ):
        (seen,) = bench.inspect([replace(ref, bytes=len(sent), **known)])  # type: ignore[arg-type]
        assert seen.facts is not None
        assert seen.sha256_before == known.get("sha256")
    (seen,) = bench.inspect([replace(ref, sha256=hashlib.sha256(b"other").hexdigest())])
    assert [item.kind for item in seen.findings] == ["changed"]


def located_photo(folder: Path) -> Path:
    path = folder / "place.jpg"
    path.write_bytes(located.jpeg(located.exif_segment(located.block()), located.xmp_segment()))
    return path


def test_a_photo_that_says_where_it_was_taken_is_replaced_by_one_that_does_not(
    bench: Bench,
) -> None:
    (ref,) = bench.upload(located_photo(bench.made))
    before = bench.store.objects[ref.key]
    (seen,) = bench.inspect([ref])
    data = bench.store.objects[ref.key]
    assert len(data) == len(before)
    assert not any(secret in data for secret in located.SECRETS)
    assert seen.facts is not None
    assert seen.facts.sha256 == hashlib.sha256(data).hexdigest()
    assert seen.facts.bytes == len(data)
    assert seen.sha256_before == hashlib.sha256(before).hexdigest()
    assert seen.location == seen.facts.location_removed == {"exif": 6, "xmp": 7}
    assert bench.store.types[ref.key] == "image/jpeg"
    note = next(item for item in seen.findings if item.kind == "location-removed")
    assert (note.level, note.measured, note.limit) == (Level.NOTE, 13, 0)
    assert "6 EXIF tags, 7 XMP properties" in note.message


def test_what_was_taken_out_when_it_was_sent_is_told_too(bench: Bench) -> None:
    (ref,) = bench.upload(make.photo(bench.made, "a.jpg"))
    (seen,) = bench.inspect([replace(ref, location_removed={"exif": 9})])
    assert seen.facts is not None
    assert (seen.facts.location_removed, seen.location) == ({"exif": 9}, None)
    assert PhotoFacts.from_dict(json.loads(json.dumps(seen.facts.to_dict()))) == seen.facts
    assert "location-removed" in [item.kind for item in seen.findings]


def test_a_location_that_may_be_kept_stays_until_it_may_be_no_more(bench: Bench) -> None:
    (ref,) = bench.upload(located_photo(bench.made))
    before = bench.store.objects[ref.key]
    gates, more = PROFILE.gates, (bench.store, bench.eye, bench.pulse, bench.work)
    may = Keeps(location=True)
    (seen,) = inspect_photos([ref], gates, *more, keeps=may)
    assert bench.store.objects[ref.key] == before
    assert seen.facts is not None
    assert (seen.facts.location_kept, seen.location) == ({"exif": 6, "xmp": 7}, None)
    assert "location-removed" not in [item.kind for item in seen.findings]
    assert not is_stale(seen.facts, None, keeps=may)
    assert is_stale(seen.facts, None)
    (again,) = inspect_photos([replace(ref, facts=seen.facts)], gates, *more)
    assert again.location == {"exif": 6, "xmp": 7}
    assert bench.store.objects[ref.key] != before


def test_a_file_that_cannot_be_decoded_loses_its_location_as_well(bench: Bench) -> None:
    path = bench.made / "film.jpg"
    path.write_bytes(located.film())
    (ref,) = bench.upload(path)
    (seen,) = bench.inspect([ref])
    assert [item.kind for item in seen.findings] == ["not-an-image", "location-removed"]
    assert not any(secret in bench.store.objects[ref.key] for secret in located.SECRETS)


def test_inspection_stops_between_photos_when_it_is_cancelled(bench: Bench) -> None:
    refs = bench.upload(*make.distinct_photos(bench.made, 3))
    bench.pulse.end = 2
    with pytest.raises(CancelAsked):
        bench.inspect(refs)
    assert bench.store.fetched == [refs[0].key]


def test_a_dataset_is_a_zip_of_upright_jpegs_with_a_true_caption_each(bench: Bench) -> None:
    """R-68, K10; replicate.md 4.2: captions beside the photos, at the root, under the same stem."""
    turned = make.turned_jpeg(bench.made, 6, seed=500)
    refs = [*bench.good(9), *bench.inspected(bench.upload(turned, make.odd_name(bench.made)))]
    refs[2] = replace(refs[2], caption="laughing\nat the sea")
    result = bench.built(refs)
    assert (result.key, result.manifest_key) == (
        "datasets/s/dataset-0007.zip",
        "datasets/s/dataset-0007.json",
    )
    data = bench.store.objects[result.key]
    assert (result.sha256, result.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    with bench.archive(result) as archive:
        names = [f"{n:03d}.{ending}" for n in range(1, 12) for ending in ("jpg", "txt")]
        assert archive.namelist() == names
        assert archive.read("001.txt") == b"photo of slqk24bcdf person"
        assert archive.read("003.txt") == b"slqk24bcdf laughing, at the sea"
        with Image.open(archive.open("010.jpg")) as image:
            assert (image.format, image.size) == (
                "JPEG",
                (768, 987),
            )  # a bucket's shape, not enlarged


def test_the_manifest_leads_from_every_file_back_to_its_photo(bench: Bench) -> None:
    """R-8, R-9: which images were used, and their hashes."""
    refs = bench.good(9)
    result = bench.built(refs)
    stored = Manifest.from_dict(json.loads(bench.store.objects[result.manifest_key]))
    assert stored == result.manifest
    assert (stored.number, stored.profile, stored.trigger) == (7, "likeness@v1", "slqk24bcdf")
    assert (stored.sha256, stored.bytes) == (result.sha256, result.bytes)
    with bench.archive(result) as archive:
        for photo, ref in zip(stored.photos, refs, strict=True):
            source = bench.store.objects[ref.key]
            assert (photo.photo_id, photo.name) == (ref.id, ref.name)
            assert photo.source_sha256 == hashlib.sha256(source).hexdigest()
            assert photo.sha256 == hashlib.sha256(archive.read(photo.file)).hexdigest()
            assert archive.read(photo.file.replace(".jpg", ".txt")).decode() == photo.caption


def test_the_same_photos_make_the_same_dataset_in_whatever_order_they_are_told(
    bench: Bench,
) -> None:
    refs = bench.good(9)
    first = bench.built(refs)
    zipped = bench.store.objects[first.key]
    again = bench.built(reversed(refs))
    assert again.manifest == first.manifest
    assert bench.store.objects[again.key] == zipped


def test_a_set_under_the_minimum_is_blocked_and_nothing_is_fetched_or_stored(bench: Bench) -> None:
    """K6, A-X: likeness@v1 blocks under 8."""
    refs = bench.good(4)
    bench.store.fetched.clear()
    result = bench.build(refs)
    assert isinstance(result, SetBlocked)
    assert "4 of 4 photos can be used; at least 8 are needed" in result.report.findings[-1].message
    assert bench.store.fetched == []
    assert not any(key.startswith("datasets/") for key in bench.store.objects)


def test_no_photos_at_all_are_a_blocked_set_and_no_error(bench: Bench) -> None:
    result = bench.build([])
    assert isinstance(result, SetBlocked)
    assert result.report.findings[-1].message.startswith("No photos were given")


def test_duplicates_are_left_out_of_the_zip_and_named_in_the_report(bench: Bench) -> None:
    """R-38."""
    refs = bench.good(9)
    copies = [
        make.photo(bench.made, "big.jpg", 77),
        make.smaller_copy(bench.made, "small.jpg", 77),
        make.mirrored_copy(bench.made, "mirror.jpg", 77),
    ]
    more = bench.inspected(bench.upload(*copies, copies[0]))
    result = bench.built([*refs, *more])
    assert {photo.name for photo in result.manifest.photos} == {*(r.name for r in refs), "big.jpg"}
    assert sorted(result.report.dropped.values()) == [
        "exact-duplicate",
        "near-duplicate",
        "near-duplicate",
    ]
    assert result.manifest.dropped == result.report.dropped


def test_a_photo_that_is_gone_changed_or_deadly_leaves_the_set_and_the_rest_are_built(
    bench: Bench,
) -> None:
    refs = bench.good(12)
    del bench.store.objects[refs[0].key]
    bench.store.objects[refs[1].key] += b"one byte more"
    bench.eye.refuses.add(bench.store.objects[refs[2].key])
    result = bench.built(refs)
    assert result.report.dropped == {
        refs[0].id: "missing",
        refs[1].id: "changed",
        refs[2].id: "undecodable",
    }
    assert [photo.photo_id for photo in result.manifest.photos] == [ref.id for ref in refs[3:]]
    assert bench.eye.derived == 10


def test_a_set_that_falls_under_the_minimum_while_it_is_built_is_blocked(bench: Bench) -> None:
    refs = bench.good(8)
    del bench.store.objects[refs[0].key]
    result = bench.build(refs)
    assert isinstance(result, SetBlocked)
    assert result.report.dropped == {refs[0].id: "missing"}


def test_a_photo_never_inspected_is_not_trained_on(bench: Bench) -> None:
    refs = bench.good(9)
    (raw,) = bench.upload(make.photo(bench.made, "raw.jpg", 99))
    result = bench.built([*refs, raw])
    assert result.report.dropped == {raw.id: "not-inspected"}


def test_more_than_the_soft_maximum_are_thinned_to_it(bench: Bench) -> None:
    """R-26, K7."""
    gates = replace(PROFILE.gates, block=2, warn=2, ideal_min=2, ideal_max=4, soft_max=5)
    result = bench.built(bench.good(8), profile=replace(PROFILE, gates=gates))
    assert len(result.manifest.photos) == 5
    assert list(result.report.dropped.values()) == ["not-chosen"] * 3


def test_building_stops_between_photos_when_it_is_cancelled(bench: Bench) -> None:
    refs = bench.good(9)
    bench.pulse.end = bench.pulse.checks + 3
    with pytest.raises(CancelAsked):
        bench.build(refs)
    assert bench.eye.derived == 2
    assert not any(key.startswith("datasets/") for key in bench.store.objects)
