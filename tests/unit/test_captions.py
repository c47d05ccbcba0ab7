import pytest

from safelight.domain.captions import caption_for, normalise


@pytest.mark.parametrize(
    ("kind", "caption"),
    [
        ("person", "photo of slqk2 person"),
        ("model", "photo of slqk2 person"),
        ("character", "image of slqk2 character"),
    ],
)
def test_a_photo_of_which_nothing_is_said_is_captioned_as_the_subject_alone(
    kind: str, caption: str
) -> None:
    """R-68, K10: no template that asserts what was not seen."""
    assert caption_for("slqk2", kind) == caption
    assert caption_for("slqk2", kind, " \n, ") == caption


@pytest.mark.parametrize(
    "unseen", ["white background", "full body", "studio", "athletic", "standing"]
)
def test_a_caption_of_ours_never_asserts_what_was_not_measured(unseen: str) -> None:
    """R-67 is settled by K10."""
    assert unseen not in caption_for("slqk2", "model")


def test_the_producers_caption_is_kept_and_the_trigger_put_in_front_when_absent() -> None:
    """As the trainer would do, so the file holds what is trained on."""
    assert caption_for("slqk2", "person", "laughing, at the sea") == "slqk2 laughing, at the sea"
    assert caption_for("slqk2", "person", "slqk2 person at the sea") == "slqk2 person at the sea"


@pytest.mark.parametrize("mark", ["[trigger]", "[name]", "{trigger}"])
def test_a_placeholder_becomes_the_trigger(mark: str) -> None:
    assert caption_for("slqk2", "person", f"{mark} by a window") == "slqk2 by a window"


def test_captions_are_normalised_as_the_trainer_does() -> None:
    """replicate.md 4.2: line ends become commas, parts are trimmed, empty ones go."""
    assert normalise("a  man ,,on\r\na boat\n\n, smiling\t") == "a man, on, a boat, smiling"
    assert normalise(normalise("x ,y\nz")) == normalise("x ,y\nz")


def test_control_characters_do_not_get_into_a_caption() -> None:
    assert normalise("a\x00b\x1b[0m") == "a b [0m"
