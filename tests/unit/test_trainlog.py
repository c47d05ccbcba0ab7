"""The trainer's log is read as it is written: one point a step, both rate units, restarts, NaN."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.trainlog import parse_log

REAL = (
    "flux_train_replicate:  83%|████████▎ | 2482/3000 [43:27<09:04,  1.05s/it, "
    "lr: 4.0e-04 loss: 2.472e-01]"
)


def bar(
    count: int, total: int, loss: float | str, rate: str = "1.39it/s", lr: str = "4.0e-04"
) -> str:
    shown = loss if isinstance(loss, str) else f"{loss:.3e}"
    return (
        f"flux_train_replicate:  10%|█         | {count}/{total} [12:01<00:00,  {rate}, "
        f"lr: {lr} loss: {shown}]"
    )


def test_a_real_line_gives_step_loss_and_rate() -> None:
    course = parse_log(REAL)
    assert (course.step, course.steps, course.loss) == (2483, 3000, 0.2472)
    assert course.rate == pytest.approx(1 / 1.05)


def test_the_loss_behind_a_count_that_went_up_is_the_next_steps_and_its_refresh_is_passed_over() -> (
    None
):
    lines = [bar(0, 10, 0.5), bar(1, 10, 0.4), bar(1, 10, 0.3), bar(2, 10, 0.2)]
    assert [(p.step, p.loss) for p in parse_log("\n".join(lines)).points] == [
        (1, 0.5),
        (2, 0.4),
        (3, 0.2),
    ]


def test_bars_of_other_things_and_lines_without_a_loss_are_no_steps() -> None:
    text = (
        "100%|██████████| 5/5 [00:00<00:00, 215.99it/s]\n"
        "Caching latents:   0%|          | 0/5 [00:00<?, ?it/s]\n"
        "flux_train_replicate:   0%|          | 0/1000 [00:00<?, ?it/s]"
    )
    course = parse_log(text)
    assert (course.points, course.steps, course.loss) == ((), 1000, None)


def test_a_trainer_that_starts_over_starts_the_course_over() -> None:
    lines = [bar(n, 10, 0.5) for n in range(6)] + [bar(n, 10, 0.4) for n in range(3)]
    course = parse_log("\n".join(lines))
    assert [p.step for p in course.points] == [1, 2, 3]
    assert course.loss == 0.4


@pytest.mark.parametrize("text", [bar(3, 10, "nan"), "loss is nan", bar(3, 10, "inf")])
def test_a_loss_that_is_no_number_is_said(text: str) -> None:
    assert parse_log(text).nan
    assert parse_log(text).points == ()


def test_carriage_returns_end_lines_too() -> None:
    assert parse_log("\r".join(bar(n, 10, 0.5) for n in range(4))).step == 4


@given(
    losses=st.lists(st.floats(1e-3, 9.0), min_size=1, max_size=60),
    slow=st.booleans(),
    doubled=st.booleans(),
    noise=st.lists(st.text(max_size=30), max_size=5),
)
def test_every_step_of_a_made_up_log_is_found_once_and_in_order(
    losses: list[float], slow: bool, doubled: bool, noise: list[str]
) -> None:
    rate = "1.05s/it" if slow else "?it/s"
    lines = list(noise)
    for count, loss in enumerate(losses):
        lines += [bar(count, len(losses), loss, rate)] * (2 if doubled else 1)
    course = parse_log("\n".join(lines))
    assert [p.step for p in course.points] == list(range(1, len(losses) + 1))
    assert [p.loss for p in course.points] == [float(f"{loss:.3e}") for loss in losses]


def test_a_step_whose_loss_is_no_number_is_a_step_without_a_point() -> None:
    course = parse_log("\n".join([bar(0, 10, 0.5), bar(1, 10, "nan"), bar(2, 10, "nan")]))
    assert (course.step, course.loss, len(course.points), course.nan) == (3, 0.5, 1, True)
