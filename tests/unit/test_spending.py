"""What stands in the way of a request that costs."""

from __future__ import annotations

from safelight.domain.outcome import Park, Wait
from safelight.domain.spending import SpendingLimits, Today, stands_in_the_way

DOLLAR = 1_000_000


def why(
    limits: SpendingLimits, today: Today, estimate: int = DOLLAR, *, training: bool = True
) -> object:
    return stands_in_the_way(limits, today, estimate, training=training)


def test_an_owner_without_limits_is_never_held_up() -> None:
    assert why(SpendingLimits(), Today(10**12, 1.0, 10**6)) is None


def test_what_still_fits_the_cap_is_sent_and_the_next_waits_for_midnight() -> None:
    limits = SpendingLimits(3 * DOLLAR)
    assert why(limits, Today(2 * DOLLAR, 3600.0, 0)) is None
    held = why(limits, Today(2 * DOLLAR + 1, 3600.0, 0))
    assert isinstance(held, Wait)
    assert held.seconds == 3601.0
    assert held.fresh
    assert "$3.00" in held.reason
    assert "$2.00" in held.reason
    assert "$1.00" in held.reason


def test_what_no_day_has_room_for_is_parked_with_the_way_out() -> None:
    held = why(SpendingLimits(DOLLAR // 2), Today(0, 3600.0, 0))
    assert isinstance(held, Park)
    assert "--daily-cap" in held.error


def test_a_full_ceiling_holds_up_trainings_and_no_images() -> None:
    limits, today = SpendingLimits(None, 4), Today(0, 3600.0, 4)
    assert isinstance(why(limits, today), Wait)
    assert why(limits, today, training=False) is None
    assert why(limits, Today(0, 3600.0, 3)) is None


def test_those_that_wait_for_room_ask_less_often_the_longer_they_wait_and_not_together() -> None:
    limits, today = SpendingLimits(None, 4), Today(0, 3600.0, 4)

    def pauses(waited: float) -> list[float]:
        held = [
            stands_in_the_way(limits, today, 1, training=True, waited=waited) for _ in range(50)
        ]
        return [one.seconds for one in held if isinstance(one, Wait)]

    for waited, pause in ((1.0, 15.0), (1200.0, 60.0), (86_400.0, 120.0)):
        assert all(0.75 * pause <= one <= 1.25 * pause for one in pauses(waited))
        assert len(set(pauses(waited))) > 10
