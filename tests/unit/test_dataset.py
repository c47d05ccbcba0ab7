import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safelight.domain.dataset import Manifest, ManifestPhoto, stem
from safelight.stages.zipping import ZipEntry, write_zip

entry_lists = st.dictionaries(
    st.from_regex(r"[0-9]{3}\.(jpg|txt)", fullmatch=True), st.binary(max_size=300), max_size=8
)


@given(entry_lists)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_same_entries_make_the_same_zip_to_the_byte(
    tmp_path: Path, entries: dict[str, bytes]
) -> None:
    (tmp_path / "source").write_bytes(b"from a file")
    rows = [
        *(ZipEntry(name, data) for name, data in entries.items()),
        ZipEntry("x", tmp_path / "source"),
    ]
    first = write_zip(tmp_path / "1.zip", rows)
    (tmp_path / "source").touch()
    assert write_zip(tmp_path / "2.zip", iter(rows)) == first
    data = (tmp_path / "1.zip").read_bytes()
    assert data == (tmp_path / "2.zip").read_bytes()
    assert first == (hashlib.sha256(data).hexdigest(), len(data))
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*entries, "x"]
        assert {name: archive.read(name) for name in entries} == entries
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {item.external_attr >> 16 for item in archive.infolist()} == {0o100644}


def test_stems_are_ascii_and_unique_so_no_two_photos_share_a_caption() -> None:
    """replicate.md 4.2."""
    stems = [stem(position) for position in range(1200)]
    assert stems[:2] == ["001", "002"]
    assert len(set(stems)) == 1200
    assert all(name.isascii() for name in stems)


def test_a_manifest_has_one_form_in_json_and_survives_it() -> None:
    photo = ManifestPhoto(
        "id", "sea \N{BEACH WITH UMBRELLA}.jpg", "a" * 64, "001.jpg", "b" * 64, 9, 9, "slx"
    )
    manifest = Manifest(1, "likeness@v1", "slx", (photo,), "c" * 64, 10, {"z": "x", "a": "y"})
    other = replace(manifest, dropped={"a": "y", "z": "x"})
    assert manifest.to_json() == other.to_json()
    assert "\N{BEACH WITH UMBRELLA}".encode() in manifest.to_json()
    assert Manifest.from_dict(json.loads(manifest.to_json())) == manifest
