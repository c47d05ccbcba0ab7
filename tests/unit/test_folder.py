"""A folder of photos as people and their tools leave it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from safelight.cli.folder import read_folder
from safelight.domain.errors import Invalid


def put(folder: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def captions(folder: Path) -> dict[str, str | None]:
    return {photo.name: photo.caption for photo in read_folder(folder).photos}


def aside(folder: Path) -> dict[str, str]:
    """Why each file is left aside."""
    return {name: why for why, names in read_folder(folder).aside.items() for name in names}


@pytest.mark.parametrize(
    ("photo", "beside"),
    [
        ("a.jpg", "a.txt"),
        ("E.JPG", "E.TXT"),
        ("E.JPG", "e.txt"),
        ("f.jpg", "f.jpg.txt"),
        ("g.jpg", "g.caption"),
        ("g.jpg", "G.JPG.Caption"),
        ("h.webp", "h.cap"),
        ("i.j.k.png", "i.j.k.txt"),
        ("caf\u00e9.jpg", "cafe\u0301.txt"),
        ("l.jfif", "l.txt"),
    ],
)
def test_a_caption_is_found_as_other_tools_name_it(tmp_path: Path, photo: str, beside: str) -> None:
    put(tmp_path, photo)
    put(tmp_path, beside, data="[trigger] waving".encode("utf-16"))
    assert captions(tmp_path) == {photo: "[trigger] waving"}
    assert aside(tmp_path) == {}


def test_one_caption_is_of_every_photo_of_its_name_as_the_trainer_has_it(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.png", "A.webp", "b.jpg")
    put(tmp_path, "a.txt", data=b"waving")
    put(tmp_path, "A.txt", data=b"sitting")
    assert captions(tmp_path) == {
        "A.webp": "sitting", "a.jpg": "waving", "a.png": "waving", "b.jpg": None,
    }  # fmt: skip


def test_of_two_captions_one_counts_by_a_rule_and_the_other_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    put(tmp_path, "a.caption", data=b"one")
    put(tmp_path, "a.txt", data=b"two")
    put(tmp_path, "a.jpg.caption", data=b"three")
    put(tmp_path, "b.txt", data=b"a\x1bb")  # unreadable: the other one counts
    put(tmp_path, "b.caption", data=b"four")
    put(tmp_path, "c.txt", "c.caption", data=b"the same")
    assert captions(tmp_path) == {"a.jpg": "three", "b.jpg": "four", "c.jpg": "the same"}
    left = aside(tmp_path)
    assert set(left) == {"a.txt", "a.caption", "b.txt"}
    assert "another file captions its photo" in left["a.txt"]
    assert "U+001B" in left["b.txt"]


def test_what_is_not_read_is_named_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "nested/c.jpg", "x.txt/inside")
    put(tmp_path, "metadata.jsonl", "captions.json", "a.json", "a.npz", "a.cr2", "README.md")
    put(tmp_path, "alone.txt", "a-masklabel.png", "b_mask.jpg", "a.txt", data=b"")
    put(tmp_path, "b.txt", data="手を振る".encode("shift_jis"))
    (tmp_path / "a.caption").write_bytes(b"x" * 10_000_000)
    os.mkfifo(tmp_path / "a.cap")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    put(tmp_path, ".DS_Store", "._a.jpg", "._a.txt", "Thumbs.db", "desktop.ini", "__MACOSX/a.jpg")
    assert captions(tmp_path) == {"a.jpg": None, "b.jpg": None}
    left = aside(tmp_path)
    for names, words in {
        ("nested", "x.txt"): "a folder",
        ("metadata.jsonl", "captions.json", "a.json", "a.npz", "a.cr2", "README.md"): "neither",
        ("alone.txt",): "no photo of this name",
        ("a-masklabel.png", "b_mask.jpg"): "a mask",
        ("a.txt",): "nothing is in it",
        ("b.txt",): "not UTF-8",
        ("a.caption",): "10,000,000 bytes",
        ("a.cap",): "no file",
        ("gone.jpg", "loop.txt"): "cannot be read",
    }.items():
        for name in names:
            assert words in left.pop(name), name
    assert left == {}


def test_a_caption_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    (tmp_path / "a.txt").symlink_to("/proc/self/mem")  # opens, and gives an error when read
    assert "cannot be read" in aside(tmp_path)["a.txt"]


def test_what_is_left_aside_is_told_in_a_few_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a.jpg", *(f"{n:03}.txt" for n in range(200)), "b\x1b[2J.txt")
    read_folder(tmp_path).say_aside()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert '"000.txt"' in said
    assert "and 181 more" in said
    assert "\x1b" not in said
    for number in range(100):
        put(tmp_path, f"long-{number}.jpg")
        put(tmp_path, f"long-{number}.txt", data=b"x" * (2001 + number))
    read_folder(tmp_path).say_aside()
    said = capsys.readouterr().err
    assert said.count("\n") == 21
    assert "81 more files, for such reasons" in said


def test_a_folder_whose_photos_lie_one_deeper_says_where(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt", "10_luca/a.jpg")
    with pytest.raises(Invalid, match="10_luca") as refused:
        read_folder(tmp_path)
    assert "no photos" in refused.value.message


def test_no_folder_and_too_many_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"{n}.jpg" for n in range(12)))
    for path in (tmp_path / "nowhere", tmp_path / "0.jpg", tmp_path / "a\0b"):
        with pytest.raises(Invalid, match="is not a folder"):
            read_folder(path)
    monkeypatch.setattr("safelight.cli.folder.MAX_FILES", 10)
    with pytest.raises(Invalid, match="over 10 files"):
        read_folder(tmp_path)


def test_names_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    for name in (b"caf\xe9.jpg", b"caf\xe9.txt"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"waving")
    assert captions(tmp_path) == {"caf\ufffd.jpg": "waving"}


def test_five_thousand_files_are_read_in_seconds(tmp_path: Path) -> None:
    for number in range(2_500):
        (tmp_path / f"{number}.jpg").touch()
        (tmp_path / f"{number}.txt").write_bytes(b"[trigger] waving")
    started = time.process_time()
    found = read_folder(tmp_path)
    assert time.process_time() - started < 5
    assert len(found.photos) == 2_500
    assert all(photo.caption for photo in found.photos)
    assert found.aside == {}
