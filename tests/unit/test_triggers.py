from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.triggers import FRAGMENTS, WORDS, is_valid_trigger, new_trigger


@given(st.uuids(), st.integers(0, 5))
def test_every_trigger_is_ten_small_letters_and_digits_with_no_word_in_it(
    id: UUID, attempt: int
) -> None:
    """R-4, K23."""
    trigger = new_trigger(id, attempt)
    assert is_valid_trigger(trigger)
    assert len(trigger) == 10
    assert trigger.startswith("sl")
    assert not any(part in trigger for part in FRAGMENTS + WORDS)


def test_a_subject_has_one_trigger_and_another_attempt_gives_another() -> None:
    """R-5: the same wherever it is made; K23: a collision is met with the next attempt."""
    id = UUID(int=7)
    assert new_trigger(id) == new_trigger(id)
    assert new_trigger(id, 1) != new_trigger(id)


def test_a_hundred_thousand_subjects_have_as_many_triggers() -> None:
    """K23. At 27 ** 8 triggers a collision among these has a chance of 2 in 100; the ids are fixed."""
    triggers = {new_trigger(UUID(int=number)) for number in range(100_000)}
    assert len(triggers) == 100_000


@pytest.mark.parametrize(
    "text",
    ["", "sl", "person", "slperson", "SLXKQW42", "slbcd fgh", "4slbcdfg", "slbcdfg-h", "slbcdfghjkm",
     "slbnsfwc2", "slhdbcfg", "user1234"],
)  # fmt: skip
def test_what_is_no_trigger(text: str) -> None:
    assert not is_valid_trigger(text)
