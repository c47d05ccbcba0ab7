"""What the chaos run's checks make of rows and of the provider's ledger: each can turn red."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from safelight.chaos.promises import Verdict, all_ended, money, most_succeeded, only_if, paid_once
from safelight.chaos.run import Report
from safelight.flow.work.watching import VANISHED

MARK = "0190-mark"


def row(**more: Any) -> dict[str, Any]:
    """A training that succeeded for two dollars, as run p1."""
    return {"id": uuid4(), "state": "succeeded", "provider_id": "p1", "cost_micro_usd": 2_000_000,
            "error": None, "intents": [MARK], **more}  # fmt: skip


def entry(**more: Any) -> dict[str, Any]:
    """Run p1 in the provider's ledger."""
    return {"id": "p1", "kind": "training", "webhook": f"http://x?intent={MARK}", "input": {},
            "status": "succeeded", "ended_at": 1.0, "price_usd": 2.0, **more}  # fmt: skip


def parked(target: Any) -> dict[str, Any]:
    return {"target_id": target["id"], "kind": "settle_training", "reason": "unknown", "error": "x"}


def test_what_was_charged_and_recorded_is_well() -> None:
    assert money([row()], [entry()], []).holds
    assert paid_once([row()], [entry()]).holds
    assert only_if([row()], [entry()], []) == ([], {})


def test_money_that_was_charged_and_is_not_recorded_is_found() -> None:
    lost = row(provider_id=None, cost_micro_usd=None, state="failed", error="no idea")
    assert not money([lost], [entry()], []).holds
    assert not money([row(provider_id="p2")], [entry(), entry(id="p2", webhook=None)], []).holds
    assert not money([row(cost_micro_usd=None)], [entry()], []).holds
    assert not money([row(cost_micro_usd=1_000_000)], [entry()], []).holds


def test_money_on_record_for_a_run_that_never_was_is_found() -> None:
    assert not money([row(provider_id="p9", intents=["other"])], [], []).holds


def test_an_accepted_request_without_its_id_on_record_must_stand_parked_or_be_given_up() -> None:
    unknown = row(provider_id=None, cost_micro_usd=None, state="unknown")
    assert not money([unknown], [entry()], []).holds
    verdict = money([unknown], [entry()], [parked(unknown)])
    assert verdict.holds
    assert verdict.excused == {"parked as unknown": 1}
    dropped = {**unknown, "state": "canceled", "error": "given up by a person"}
    assert money([dropped], [entry()], []).excused == {"given up by a person": 1}
    assert not money([{**dropped, "error": None}], [entry()], []).holds


def test_what_a_run_that_vanished_cost_cannot_be_known() -> None:
    gone = row(state="failed", error=VANISHED, cost_micro_usd=None)
    assert money([gone], [entry()], []).excused == {"the run vanished": 1}


def test_what_succeeded_at_the_provider_and_not_here_is_found() -> None:
    failed = row(state="failed", error="no idea")
    assert only_if([failed], [entry()], [])[0]
    assert only_if([failed], [entry(status="failed")], []) == ([], {})
    for excuse, ours in (
        ("the run vanished", row(state="failed", error=VANISHED)),
        ("cancelled", row(state="canceled")),
    ):
        assert only_if([ours], [entry()], []) == ([], {excuse: 1})
    storing = row(state="storing")
    assert only_if([storing], [entry()], [])[0]
    assert only_if([storing], [entry()], [parked(storing)]) == ([], {"parked": 1})


def test_a_blocked_training_without_a_parked_job_is_found() -> None:
    blocked = row(state="blocked")
    assert not all_ended([blocked["id"]], [blocked], [], [], []).holds
    assert all_ended([blocked["id"]], [blocked], [], [], [parked(blocked)]).holds


def test_an_accepted_training_that_is_nowhere_is_found() -> None:
    assert not all_ended([uuid4()], [], [], [], []).holds


def test_a_run_in_which_little_succeeded_does_not_hold() -> None:
    good, bad = row(), row(state="failed")
    assert most_succeeded([good["id"], bad["id"]], [good, bad])
    assert not most_succeeded([good["id"], bad["id"], uuid4()], [good, bad])
    assert not most_succeeded([], [good])
    report = Report(1, 1.0, "-", accepted=3, verdicts=[Verdict("I1", "", 3, [])])
    assert not report.holds
    report.most_succeeded = True
    assert report.holds
