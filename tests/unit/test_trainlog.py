"""The trainer's log is read as it is written: one point a step, both rate units, restarts, NaN."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.trainlog import (
    MANY_NAN,
    MOST_CHARS,
    Course,
    Point,
    both_ends,
    parse_log,
)
from safelight.local.emulator.course import DIVERGES_AT_STEP, log_at

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


NAN = "nan"


def printed(
    losses: list[float | str], total: int, *, slow_until: int = 0, refreshed: bool = True
) -> list[str]:
    """One attempt as ai-toolkit prints it: the bar without a loss, then for every step the line with
    the new count and, before it, the refresh that still has the old one. A NaN is said, and its
    step shows zero."""
    lines = [f"flux_train_replicate:   0%|          | 0/{total} [00:00<?, ?it/s]"]
    for count, loss in enumerate(losses):
        rate = "1.25s/it" if count < slow_until else "1.60it/s"
        if loss == NAN:
            lines.append("loss is nan")
        shown = 0.0 if loss == NAN else loss
        if refreshed and count:
            lines.append(bar(count - 1, total, shown, rate))
        lines.append(bar(count, total, shown, rate))
    return lines


def test_a_log_of_3000_steps_with_restarts_both_units_and_a_nan_gives_the_exact_series() -> None:
    """The whole real format at once: two attempts that broke off, `\\r`, s/it then it/s, a NaN."""
    chance = random.Random(4)
    losses: list[float | str] = [float(f"{chance.uniform(0.05, 0.9):.3e}") for _ in range(3000)]
    losses[1233] = NAN
    lines = [
        "-  Found 20 images",
        *printed([0.5] * 700, 3000, slow_until=700),
        "-  Found 20 images",
        *printed([0.4, NAN, 0.3], 3000),
        "-  Found 20 images",
        "Caching latents:   5%|          | 1/20 [00:00<?, ?it/s]",
        *printed(losses, 3000, slow_until=1500),
        "Saved to output/flux_train_replicate/optimizer.pt",
    ]
    text = "".join(line + ("\r" if n % 3 else "\r\n") for n, line in enumerate(lines))
    course = parse_log(text)
    assert [p.step for p in course.points] == [n for n in range(1, 3001) if n != 1234]
    assert [p.loss for p in course.points] == [loss for loss in losses if loss != NAN]
    assert [p.rate for p in course.points] == [0.8] * 1499 + [1.6] * 1500
    assert (course.step, course.steps, course.nan_steps) == (3000, 3000, (1234,))
    assert (course.restarts, course.images, course.nan) == ((700, 3), 20, True)


def test_a_zero_loss_is_a_loss_unless_a_nan_was_said() -> None:
    assert parse_log("\n".join(printed([0.5, 0.0, 0.25], 3))).points[1].loss == 0.0
    assert [p.step for p in parse_log("\n".join(printed([0.5, NAN, 0.25], 3))).points] == [1, 3]


attempts = st.lists(
    st.lists(st.floats(1e-3, 9.0) | st.just(NAN), min_size=2, max_size=40), min_size=1, max_size=3
)


@given(
    attempts=attempts,
    refreshed=st.booleans(),
    ends=st.sampled_from(["\n", "\r", "\r\n", "\n\n"]),
    slow=st.integers(0, 40),
    junk=st.text(st.characters(exclude_characters="\r\n"), max_size=20),
)
def test_of_any_attempts_the_last_is_the_course_and_the_others_are_restarts(
    attempts: list[list[float | str]], refreshed: bool, ends: str, slow: int, junk: str
) -> None:
    lines: list[str] = []
    for losses in attempts:
        lines += [junk, *printed(losses, 40, slow_until=slow, refreshed=refreshed)]
    course = parse_log(ends.join(lines))
    last = attempts[-1]
    good = [(n, loss) for n, loss in enumerate(last, 1) if loss != NAN]
    assert [(p.step, p.loss) for p in course.points] == [(n, float(f"{x:.3e}")) for n, x in good]
    assert course.nan_steps == tuple(n for n, loss in enumerate(last, 1) if loss == NAN)
    assert course.restarts == tuple(len(losses) for losses in attempts[:-1])
    assert Course.from_dict(json.loads(json.dumps(course.to_dict()))) == course


@given(
    st.text() | st.from_regex(r"flux_train_replicate:  1%\|#\|\S{0,30}/\S{0,30} .*", fullmatch=True)
)
def test_no_text_is_too_odd(text: str) -> None:
    parse_log(text)


@pytest.mark.parametrize("rate", ["1..2it/s", "0.00it/s", "0.00s/it", "...s/it"])
def test_a_rate_that_is_none_is_left_out(rate: str) -> None:
    course = parse_log(bar(3, 10, 0.5, rate))
    assert (course.rate, course.points) == (None, (Point(4, 0.5, 4e-4, None),))


def test_a_course_of_3000_steps_is_kept_in_under_30_kb() -> None:
    chance = random.Random(4)
    losses: list[float | str] = [chance.uniform(0.05, 0.9) for _ in range(3000)]
    kept = parse_log("\n".join(printed(losses, 3000))).to_dict()
    assert len(json.dumps(kept, separators=(",", ":"))) < 30_000
    assert kept["runs"] == [[1, 3000]]


def test_the_emulators_log_is_read_like_the_trainers_and_a_wild_rate_ends_in_nan() -> None:
    log = log_at("run", {"steps": 300, "learning_rate": 4e-4}, files=40, images=20, done=250)
    course = parse_log(log)
    assert (course.step, course.steps, course.images, course.nan) == (250, 300, 20, False)
    wild = parse_log(log_at("run", {"steps": 300, "learning_rate": 0.1}, 40, 20, done=250))
    assert wild.nan_steps[0] == DIVERGES_AT_STEP + 1
    assert len(wild.points) == DIVERGES_AT_STEP


# The words "loss is nan" have no line of their own: the bar before them is not ended yet.


def glued(losses: list[float | str], total: int) -> str:
    """As ai-toolkit's two streams come together: the words behind the bar, the next bar behind its own
    carriage return."""
    text = f"flux_train_replicate:   0%|          | 0/{total} [00:00<?, ?it/s]"
    for count, loss in enumerate(losses):
        text += "loss is nan\n" if loss == NAN else ""
        text += "\r" + bar(count, total, 0.0 if loss == NAN else loss)
    return text


def test_a_nan_glued_to_the_bar_before_it_is_told_of_its_own_step_and_loses_no_other() -> None:
    course = parse_log(glued([0.5, 0.4, NAN, NAN, 0.3], 5))
    assert course.nan_steps == (3, 4)
    assert [p.step for p in course.points] == [1, 2, 5]
    assert course.step == 5
    one = parse_log(f"{bar(60, 1000, 0.3)}loss is nan")
    assert (one.step, one.nan_steps, [p.step for p in one.points]) == (61, (62,), [61])


@given(
    losses=st.lists(st.floats(1e-3, 9.0) | st.just(NAN), min_size=1, max_size=40),
    said=st.sampled_from(["loss is nan", "Loss is NaN", "LOSS IS NAN"]),
    end=st.sampled_from(["\n", "\r", "\r\n", ""]),
    start=st.sampled_from(["\r", "\n", "", "\x1b[A\r", "\x1b[2K\x1b[1G"]),
)
def test_however_bars_and_words_run_together_each_step_is_told_once(
    losses: list[float | str], said: str, end: str, start: str
) -> None:
    text = ""
    for count, loss in enumerate(losses):
        text += said + end if loss == NAN else ""
        text += start + bar(count, 40, 0.0 if loss == NAN else loss)
    course = parse_log(text)
    assert [p.step for p in course.points] == [n for n, x in enumerate(losses, 1) if x != NAN]
    assert course.nan_steps == tuple(n for n, x in enumerate(losses, 1) if x == NAN)
    assert course.step == len(losses)


def test_colours_within_a_bar_are_no_part_of_it() -> None:
    coloured = REAL.replace("2482/3000", "\x1b[32m2482/3000\x1b[0m")
    assert parse_log(coloured) == parse_log(REAL)


def test_the_count_of_photos_is_read_behind_a_bar_too() -> None:
    assert parse_log("100%|██████████| 5/5 [00:00<00:00, 215.99it/s]-  Found 5 images").images == 5
    assert parse_log("Caption for a.jpg: nothing-  Found 5 images").images is None


@pytest.mark.parametrize(
    ("text", "step", "steps"),
    [
        ("0/1000 [00:01<12:01,  1.39it/s, lr: 4.0e-04 loss: 3.1e-01]\r" + bar(7, 1000, 0.3), 8, 1000),
        ("\ufffd\ufffd | 6/1000 [00:01" + bar(7, 1000, 0.3), 8, 1000),
        (bar(6, 1000, 0.3)[:40] + bar(7, 1000, 0.3), 8, 1000),
        (bar(6, 1000, 0.3) + "\r" + bar(7, 1000, 0.3)[:-20], 7, 1000),
        (bar(6, 1000, 0.3) + bar(7, 1000, 0.3) + bar(8, 1000, 0.3), 9, 1000),
        (REAL.replace("2482/3000", "2,482/3,000"), 2483, 3000),
        (REAL.replace("83%|████████▎ | 2482/3000 [43:27<09:04", "3001it [43:27"), 3002, None),
        (bar(5, 0, 0.3), 6, None),
    ],
    ids=["from the middle of a line", "of a character", "of a bar", "to the middle of a bar",
         "three bars in one line", "thousands", "past its total", "of no total"],
)  # fmt: skip
def test_a_log_that_is_cut_or_odd_gives_the_steps_that_it_shows(
    text: str, step: int, steps: int | None
) -> None:
    course = parse_log(text)
    assert (course.step, course.steps) == (step, steps)


@pytest.mark.parametrize("loss", ["1e999", "-inf", "-nan", "NaN", "1_0", "?"])
def test_what_is_no_finite_number_is_no_loss(loss: str) -> None:
    course = parse_log(bar(3, 10, loss))
    assert (course.points, course.nan_steps) == ((), (4,))


def test_more_of_a_log_than_any_training_writes_is_read_from_both_its_ends() -> None:
    text = "-  Found 7 images\n" + "x" * (MOST_CHARS + 1_000_000) + "\n" + bar(9, 10, 0.3)
    assert len(both_ends(text)) <= MOST_CHARS + 1
    course = parse_log(text)
    assert (course.images, course.step) == (7, 10)


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        " ",
        bar(6, 1000, 0.3),
        "flux_train_replicate:  6%|",
        bar(6, 1000, "9" * 39)[:-1],
        "loss is ",
        "loss is nan",
        "-  Found 1",
        "\x1b[1;2",
        "1,",
    ],
)
def test_the_time_for_a_log_without_a_line_end_grows_with_its_length_and_no_faster(
    unit: str,
) -> None:
    def spent(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        started = time.process_time()
        parse_log(text)
        return time.process_time() - started

    small = min(spent(250_000) for _ in range(3))
    large = min(spent(1_000_000) for _ in range(2))
    assert large < 12 * small + 0.2, "four times as long, or about that"
    assert large < 3


# What a loss that is no number says of a run.


def test_a_nan_here_and_there_is_a_mark_and_one_that_stays_is_a_run_that_has_diverged() -> None:
    """ai-toolkit puts zero in its place and trains on; only weights that are gone give it for good."""
    good: list[float | str] = [0.3] * 100
    assert not parse_log(glued([*good, NAN, *good], 300)).diverged
    assert not parse_log(glued([*good, *[NAN] * (MANY_NAN - 1)], 300)).diverged
    assert parse_log(glued([*good, *[NAN] * MANY_NAN], 300)).diverged
    assert not parse_log(glued([*good, *[NAN] * MANY_NAN, *good], 300)).diverged, "it recovered"
    assert parse_log(glued([NAN] * MANY_NAN, 300)).diverged, "from its first step"
    uneven: list[float | str] = [NAN, 0.3] * MANY_NAN
    assert parse_log(glued([*good, *uneven], 300)).diverged, "every other step"
    broken_photo: list[float | str] = ([0.3] * 9 + [NAN]) * 10
    assert not parse_log(glued(broken_photo, 300)).diverged
    assert len(parse_log(glued(broken_photo, 300)).nan_steps) == 10
