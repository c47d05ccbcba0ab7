"""The emulator on the wire: bodies, headers and words as the provider's own (replicate.md 2)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.emulator import TOKEN, Emulator

AUTH = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def http(emulator: Emulator) -> Any:
    with httpx.Client(base_url=emulator.url, headers=AUTH) as client:
        yield client


def test_without_a_token_nothing_is_told_but_that(emulator: Emulator) -> None:
    reply = httpx.get(f"{emulator.url}/v1/account")
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }


def test_what_is_not_there_is_said_in_the_providers_words(http: httpx.Client) -> None:
    for path in ("/v1/trainings/nope", "/v1/predictions/nope", "/v1/models/a/b", "/v1/nonsense"):
        reply = http.get(path)
        assert reply.status_code == 404
        assert reply.json()["detail"] == "The requested resource could not be found.", path


def test_what_is_left_of_the_rate_limit_is_in_the_headers(http: httpx.Client) -> None:
    """600 predictions and 3,000 other requests a minute."""
    first = int(http.get("/v1/account").headers["ratelimit-remaining"])
    assert 0 < first < 3000
    assert http.get("/v1/account").headers["ratelimit-reset"] == "1"


def test_the_trainers_schema_has_its_inputs_and_none_of_the_field_notes_wishes(
    http: httpx.Client,
) -> None:
    """Requirements 0.1."""
    version = http.get("/v1/models/ostris/flux-dev-lora-trainer").json()["latest_version"]
    inputs = version["openapi_schema"]["components"]["schemas"]["TrainingInput"]["properties"]
    assert inputs["steps"] == {
        "type": "integer",
        "title": "steps",
        "default": 1000,
        "minimum": 3,
        "maximum": 6000,
    }
    assert inputs["lora_rank"]["maximum"] == 128
    assert not {"num_repeats", "network_alpha", "dropout", "weight_decay"} & set(inputs)


def test_a_model_without_a_name_is_refused_with_every_field(http: httpx.Client) -> None:
    reply = http.post("/v1/models", json={"owner": "emulated"})
    assert reply.status_code == 422
    assert {f["description"] for f in reply.json()["invalid_fields"]} == {
        "name is required",
        "visibility is required",
        "hardware is required",
    }


def test_ids_and_times_look_as_the_providers_do(http: httpx.Client) -> None:
    listed = http.get("/v1/trainings").json()
    assert set(listed) == {"next", "previous", "results"}
    for run in listed["results"][:5]:
        assert re.fullmatch(r"[0-9a-z]{26}", run["id"])
        assert run["created_at"].endswith("Z")
        assert datetime.fromisoformat(run["created_at"]).tzinfo is not None
        assert "logs" not in run
        assert run["urls"]["get"].startswith(str(http.base_url))
