"""Erasure and campaigns from the command line, against a real system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from safelight.cli.main import app
from safelight.db import owners
from safelight.domain.errors import Invalid
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from safelight.settings import Settings
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, drain, only, subject_with_photos
from tests.support.servers import Stores


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def env(stores: Stores, settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        **stores.environment,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REPLICATE_API_TOKEN": "r8_none",
        "SAFELIGHT_HOME": str(tmp_path),
        "SAFELIGHT_OWNER": "acme",
        "COLUMNS": "200",
    }


@pytest.fixture
def who(cx: Context) -> Actor:
    with cx.db.transaction() as tx:
        return Actor(owners.ensure(tx, "acme").id, "test")


def say(env: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=env)


def told(env: dict[str, str], *arguments: str) -> Any:
    done = say(env, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_campaign_from_its_dry_run_to_its_end(
    cx: Context, env: dict[str, str], who: Actor, tmp_path: Path
) -> None:
    photos = distinct_photos(tmp_path, 2)
    for name in ("a", "b"):
        subject_with_photos(cx, who, photos, name=name)
    dry = say(env, "campaign", "plan", "reset", "--name", "bad release", "--subject", "a")
    assert dry.exit_code == 0, dry.output
    assert "1 subjects: 1 waiting" in dry.output
    assert "Nothing is done yet" in dry.output
    assert "--confirm 1" in dry.output
    (one,) = told(env, "campaign", "list")
    refused = say(env, "campaign", "start", one["id"])
    assert isinstance(refused.exception, Invalid)
    started = told(env, "campaign", "start", one["id"][-12:], "--confirm", "1")
    assert started["campaign"]["state"] == "running"
    only(cx, Kind.RUN_CAMPAIGN)
    assert told(env, "campaign", "show", one["id"])["items"] == {"running": 1}
    assert told(env, "campaign", "pause", one["id"])["campaign"]["state"] == "paused"
    resumed = told(env, "campaign", "resume", one["id"], "--budget", "12.5")
    assert resumed["campaign"]["budget_micro_usd"] == 12_500_000
    stopped = say(env, "campaign", "stop", one["id"])
    assert "reset, stopped (a person stopped it)" in stopped.output


def test_a_subject_is_erased_once_its_name_is_typed_and_the_proof_verifies(
    cx: Context, env: dict[str, str], who: Actor, tmp_path: Path
) -> None:
    subject_with_photos(cx, who, distinct_photos(tmp_path, 2), name="Luca")
    refused = say(env, "erase", "Luca")
    assert isinstance(refused.exception, Invalid)
    asked = told(env, "erase", "Luca", "--confirm", "Luca", "--consent-withdrawn")
    assert asked["reason"] == "consent withdrawn"
    drain(cx)
    shown = say(env, "erasures")
    assert ("done" in shown.output, "Luca" in shown.output) == (True, False)
    proof = told(env, "erasures", asked["id"])
    assert "plan" not in proof
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proof))
    assert say(env, "verify-erasure", str(file)).exit_code == 0
    assert isinstance(say(env, "erase-owner", "--confirm", "x").exception, Invalid)
    assert told(env, "erase-owner", "--confirm", "acme")["subject_id"] is None
