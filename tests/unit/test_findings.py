import json

from safelight.domain.findings import Finding, Level, Trust, blocked, shown


def test_a_finding_survives_json() -> None:
    finding = Finding(
        "too-small", Level.BLOCK, "too small", "a.jpg", "7", Trust.HINT, 200, 512, "send another"
    )
    assert Finding.from_dict(json.loads(json.dumps(finding.to_dict()))) == finding


def test_a_finding_written_by_a_newer_version_can_still_be_read() -> None:
    data = {**Finding("turned", Level.NOTE, "turned").to_dict(), "invented_later": 1}
    assert Finding.from_dict(data).kind == "turned"


def test_only_a_block_blocks() -> None:
    note, warn = Finding("a", Level.NOTE, ""), Finding("b", Level.WARN, "")
    assert not blocked([note, warn])
    assert blocked([note, Finding("c", Level.BLOCK, "")])


def test_a_name_is_shown_whole_with_spaces_and_emoji() -> None:
    name = "me at the beach \N{BEACH WITH UMBRELLA} (1).jpg"
    assert shown(name) == f'"{name}"'


def test_a_name_cannot_smuggle_control_characters_or_a_page_of_text() -> None:
    assert shown("a\x1b[2J\n.jpg") == '"a\ufffd[2J\ufffd.jpg"'
    assert len(shown("x" * 500)) == 82
