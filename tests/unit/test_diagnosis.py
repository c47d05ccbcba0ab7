"""Diagnosis: no cause without evidence, each with how sure it is, its remedy and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from safelight.domain.causes import LOOKS, load_rules
from safelight.domain.checklist import checklist
from safelight.domain.diagnosis import Confidence, Effort, Records, Symptom, diagnose
from safelight.domain.diffing import compare

TRIGGER = "slqk24bcdf"
MARK = {"name": "steps", "asked": 800, "sent": 800, "effective": 500, "verdict": "changed"}
GATES = {"warn": 12, "ideal_min": 15, "ideal_max": 25, "soft_max": 30}


def photo(number: int, caption: str = f"{TRIGGER} person, smiling") -> dict[str, Any]:
    sha = f"{number:064x}"
    return {"name": f"{number}.jpg", "sha256": sha, "file_sha256": sha, "caption": caption}


def part(count: int, of: int) -> dict[str, Any]:
    return {"count": count, "share": round(count / of, 3)}


def row(photos: int = 20, **changes: Any) -> dict[str, Any]:
    """A version with nothing wrong: 20 photos of every kind, 40 exposures, seen by the eye."""
    framing = {"close-up": part(7, 20), "medium": part(5, 20)}
    framing |= {"full-body": part(6, 20), "wide": part(2, 20)}
    after = {"measured": 20, "framing": framing}
    found = {
        "number": 2,
        "origin": "trained",
        "trigger_word": TRIGGER,
        "rank": 16,
        "marks": [],
        "photos": [photo(n) for n in range(photos)],
        "sent": {
            "input": {
                "steps": photos * 40,
                "batch_size": 1,
                "trigger_word": TRIGGER,
                "lora_rank": 16,
                "learning_rate": 4e-4,
                "resolution": "512,768,1024",
            }
        },
        "effective": {"train": {"steps": photos * 40}},
        "report": {"details": {"analyser": ["eye-1"], "composition": {"after": after}}},
        "previews": [
            {"key": "images/1", "purpose": "preview"},
            {"key": "images/2", "purpose": "control"},
        ],
        "cost_micro_usd": 1_850_000,
        "predict_seconds": 1213.0,
        "step": photos * 40 - 1,
        "steps": photos * 40,
        "approved_at": "2026-01-01",
        "approved_by": "cli:maya",
        "approved_why": "looks like her",
        "rejected_at": None,
    }
    return {**found, **changes}


def drawn(**changes: Any) -> dict[str, Any]:
    input = {"guidance_scale": 2.5, "lora_scale": 1.0, "num_inference_steps": 35}
    prompt = changes.pop("prompt", f"{TRIGGER} walking in a street")
    more: dict[str, Any] = {
        name: changes.pop(name) for name in ("version", "approved") if name in changes
    }
    return {
        "version": 2,
        "approved": True,
        "trigger_word": TRIGGER,
        "prompt": prompt,
        "cost_micro_usd": 40_000,
        "input": {**input, "prompt": prompt, **changes},
        **more,
    }


def records(**changes: Any) -> Records:
    clean = Records("person", row(), row(number=1), (drawn(), drawn()), GATES)
    return replace(clean, **changes)


def finding(kind: str) -> dict[str, Any]:
    return {"kind": kind, "message": f"A {kind} thing was measured.", "photo_id": None}


def _with(key: str, value: Any, **more: Any) -> Records:
    found = row(**more)
    found["sent"]["input"][key] = value
    return records(row=found)


def _framed(part_name: str) -> Records:
    found = row()
    found["report"]["details"]["composition"]["after"]["framing"][part_name] = part(0, 20)
    return records(row=found)


def _far() -> Records:
    found = row()
    framing = found["report"]["details"]["composition"]["after"]["framing"]
    framing["full-body"] = framing["wide"] = part(1, 20)
    return records(row=found)


FAR = [photo(n, f"{TRIGGER}, teenage boy" if n % 2 else f"{TRIGGER}, adult man") for n in range(20)]

CASES: list[tuple[str, Callable[[], Records]]] = [
    ("trigger-missing", lambda: records(drawn=(drawn(prompt="slqk24 person at sea"),))),
    ("another-version-drew", lambda: records(drawn=(drawn(version=1),))),
    ("trained-otherwise-than-told", lambda: records(row=row(marks=[MARK]))),
    ("several-people-in-the-set", lambda: records(findings=(finding("unsure-person"),))),
    ("fewer-photos-than-before", lambda: records(row=row(5))),
    ("few-photos", lambda: records(row=row(9))),
    ("many-photos", lambda: records(row=row(31))),
    ("seen-too-often", lambda: _with("steps", 1400, photos=5)),
    ("seen-too-seldom", lambda: _with("steps", 300)),
    ("guidance-too-high", lambda: records(drawn=(drawn(guidance_scale=7.0),))),
    ("extra-adapter", lambda: records(drawn=(drawn(extra_lora="x/super-realism"),))),
    ("prompts-ask-for-it", lambda: records(drawn=(drawn(prompt=f"{TRIGGER}, flawless skin"),))),
    ("smoothed-photos", lambda: records(findings=(finding("smoothed"),))),
    ("mixed-processing", lambda: records(findings=(finding("mixed-processing"),))),
    ("poor-photos", lambda: records(findings=(finding("blurred-face"), finding("compressed")))),
    ("high-learning-rate", lambda: _with("learning_rate", 1e-3)),
    ("learning-rate-over-1e-4", lambda: _with("learning_rate", 2e-4)),
    ("high-rank", lambda: records(row=row(rank=48))),
    ("scale-too-high", lambda: records(drawn=(drawn(lora_scale=1.5),))),
    ("scale-too-low", lambda: records(drawn=(drawn(lora_scale=0.5),))),
    ("few-drawing-steps", lambda: records(drawn=(drawn(num_inference_steps=8),))),
    ("fast-mode", lambda: records(drawn=(drawn(go_fast=True),))),
    ("one-angle", lambda: records(findings=(finding("one-angle"),))),
    ("another-set", lambda: records(findings=(finding("little-in-common"),))),
    ("captions-of-different-ages", lambda: records(row=row(photos=20) | {"photos": FAR})),
    ("no-far-photos", _far),
    ("few-full-body-photos", lambda: _framed("full-body")),
    ("no-wide-photos", lambda: _framed("wide")),
    ("one-background", lambda: records(findings=(finding("one-background"),))),
]


def _causes(found: Records, symptom: Symptom) -> dict[str, Any]:
    return {cause.name: cause for cause in diagnose(symptom, found, load_rules()).causes}


@pytest.mark.parametrize("symptom", Symptom)
def test_where_nothing_is_wrong_no_cause_is_named(symptom: Symptom) -> None:
    """R-131, R-132. (What the trainer's default rate is blamed for is folklore, and it is said so.)"""
    causes = _causes(records(), symptom)
    assert set(causes) <= {"learning-rate-over-1e-4"}
    assert all(cause.confidence is Confidence.FOLKLORE for cause in causes.values())


@pytest.mark.parametrize(("name", "make"), CASES, ids=[name for name, _ in CASES])
def test_each_cause_is_named_once_its_evidence_is_there(
    name: str, make: Callable[[], Records]
) -> None:
    rule = next(rule for rule in load_rules() if rule.name == name)
    found = make()
    for symptom, confidence in rule.symptoms.items():
        cause = _causes(found, symptom)[name]
        assert cause.confidence is confidence
        assert cause.evidence
        assert cause.remedy
    for symptom in set(Symptom) - set(rule.symptoms):
        assert name not in _causes(found, symptom), "only what it is tied to"


def test_every_cause_has_a_case_here_and_every_symptom_has_causes() -> None:
    assert {name for name, _ in CASES} == set(LOOKS)
    for symptom in Symptom:
        assert any(symptom in rule.symptoms for rule in load_rules())


def test_a_low_loss_is_never_a_cause() -> None:
    """R-118, C1: folklore that never fires, or always."""
    low = records(row=row(loss=0.01))
    for symptom in Symptom:
        assert not any(
            "loss" in line for c in _causes(low, symptom).values() for line in c.evidence
        )


def test_the_surest_comes_first_and_what_costs_less_before_what_costs_more() -> None:
    found = records(row=row(5), drawn=(drawn(prompt="a stranger", lora_scale=0.5),))
    causes = diagnose(Symptom.WRONG_PERSON, found, load_rules()).causes
    assert causes[0].name == "trigger-missing"
    assert [c.confidence for c in causes] == sorted(
        (c.confidence for c in causes), key=list(Confidence).index
    )
    likely = [c.effort for c in causes if c.confidence is Confidence.LIKELY]
    assert likely.index(Effort.DRAW) < likely.index(Effort.RETRAIN)


def test_a_remedy_costs_what_this_subjects_own_runs_cost() -> None:
    causes = _causes(records(row=row(5), drawn=(drawn(guidance_scale=7.0),)), Symptom.PLASTIC)
    assert causes["guidance-too-high"].cost_micro_usd == 40_000
    assert causes["fewer-photos-than-before"].cost_micro_usd == 1_850_000
    unpaid = records(row=row(5, cost_micro_usd=None, predict_seconds=None))
    assert _causes(unpaid, Symptom.PLASTIC)["few-photos"].cost_micro_usd is None


def test_what_was_not_looked_at_is_said() -> None:
    """R-132."""
    blind = records(row=row(report=None, effective=None, previews=[]), before=None, drawn=())
    found = diagnose(Symptom.PLASTIC, blind, load_rules())
    assert len(found.unknown) == 4
    assert "no control" in found.checks[0]
    assert "control beside" in diagnose(Symptom.PLASTIC, records(), load_rules()).checks[0]


def test_the_checklist_before_a_retrain_is_answered_from_the_data() -> None:
    """R-108: eight steps."""
    assert [answer.answer for answer in checklist(records())] == ["yes"] * 8
    poor = records(
        row=row(5, marks=[MARK], step=3, approved_why="rule: first"),
        findings=tuple(
            finding(kind) for kind in ("smoothed", "face-cut", "smaller-than-good", "unsure-person")
        ),
    )
    assert [answer.answer for answer in checklist(poor)] == ["no"] * 8
    unseen = row(photos=0, report=None, effective=None, step=None, previews=[])
    found = [answer.answer for answer in checklist(records(row=unseen))]
    assert found == ["cannot verify"] * 7 + ["no"]


def test_what_was_not_measured_is_neither_evidence_nor_an_acquittal() -> None:
    """R-132: a set without a face says nothing of who is in it."""
    not_told = {**finding("same-person"), "trust": "not-measured"}
    blind = records(findings=(not_told,))
    assert _causes(blind, Symptom.WRONG_PERSON) == {}
    assert not_told["message"] in diagnose(Symptom.WRONG_PERSON, blind, load_rules()).unknown
    answers = {answer.step: answer.answer for answer in checklist(blind)}
    assert answers[5] == "cannot verify"
    faceless = tuple({**finding("no-face"), "photo_id": str(n)} for n in range(20))
    answers = {answer.step: answer.answer for answer in checklist(records(findings=faceless))}
    assert (answers[2], answers[3], answers[5]) == ("cannot verify", "no", "cannot verify")


def run(photos: int, **changes: Any) -> dict[str, Any]:
    found = row(photos)
    names = ("subject", "training_id", "training", "state", "version_id", "version", "trainer")
    more = (*names, "version_state", "profile", "approved_by", "rejected_by", "trainer_version")
    found |= dict.fromkeys(more, "same")
    found |= {"trainer_version_observed": "same", "asked": {"parameters": {"num_repeats": 20}}}
    found |= {"tensors": 988, "weights_bytes": 1, "lora_scale": 1.0, "guidance": None}
    found |= {"course": {"loss": [0.5, 0.4], "nan": [], "restarts": []}, "weights_sha256": "a"}
    return {**found, **changes}


def test_two_runs_are_compared_by_set_parameters_course_and_weights() -> None:
    """R-10, R-135."""
    found = compare(run(20), run(5, weights_sha256="b", asked={"parameters": {}}))
    assert found["set"]["photos"] == [20, 5]
    assert found["set"]["in_common"] == 5
    assert found["set"]["only_a"] == [f"{n}.jpg" for n in range(5, 20)]
    assert found["set"]["exposures"] == [40.0, 40.0]
    assert {"column": "sent", "name": "steps", "a": 800, "b": 200} in found["parameters"]
    assert {"column": "effective", "name": "train.steps", "a": 800, "b": 200} in found["parameters"]
    assert {"column": "asked", "name": "num_repeats", "a": 20, "b": None} in found["parameters"]
    assert found["weights"]["weights_sha256"] == ["a", "b"]
    assert not found["weights"]["same_file"]


def test_a_run_does_not_differ_from_itself() -> None:
    found = compare(run(20), run(20))
    assert found["parameters"] == []
    assert found["set"]["only_a"] == found["set"]["only_b"] == found["set"]["captions"] == []
    assert found["weights"]["same_file"]
