"""The plan and the statement of an erasure."""

from __future__ import annotations

import base64
import secrets
from uuid import UUID, uuid4

import pytest

from safelight import config
from safelight.domain.erasure import Checks, Plan, is_signed, plan_of, sign, statement_of
from safelight.domain.naming import Naming

# The same in every process: they are in the names of tests, which run side by side.
SUBJECT = UUID("01900000-0000-7000-8000-000000000001")
OWN = str(SUBJECT)
WORD = "01900000-0000-7000-8000-000000000002"


def plan(*rows: tuple[str, dict[str, object]], outputs: tuple[str, ...] = ()) -> Plan:
    return plan_of(SUBJECT, rows, outputs, {"runs_cancelled": [], "not_found": 0})


def test_the_plan_gathers_keys_by_the_names_of_their_columns() -> None:
    photo, generation = str(uuid4()), str(uuid4())
    found = plan(
        ("photos", {"id": photo, "key": f"photos/{OWN}/{photo}", "sha256": "c" * 64}),
        ("later", {"id": str(uuid4()), "thumbnail_key": "thumbs/1.webp", "unique_key": "a/b"}),
        ("generations", {"id": generation}),
        ("temporary_objects", {"key": "temporary/input.zip"}),
    )
    assert found.keys == ("temporary/input.zip", "thumbs/1.webp")
    assert set(found.prefixes) == {
        *(f"{root}/{OWN}/" for root in ("photos", "datasets", "weights")),
        f"images/{generation}/",
    }


def test_a_version_in_a_model_that_the_training_was_not_sent_to_is_not_deleted() -> None:
    """Whatever run a training was tied to: another's copy at the provider is another's."""
    found = plan(
        ("trainings", {"destination": "acct/mine", "output": {"version": "acct/theirs:ab"}}),
        outputs=("acct/theirs:cd",),
    )
    assert found.versions == ()
    assert found.models_kept == ("acct/mine",)
    assert not {"ab", "cd"} & set(found.words)


def test_what_was_imported_is_searched_for_by_nothing_that_another_may_have_too() -> None:
    found = plan(
        ("subjects", {"id": OWN, "trigger_word": "slbcdfghjk"}),
        (
            "versions",
            {
                "id": WORD,
                "origin": "imported",
                "trigger_word": "TOK",
                "weights_sha256": "d" * 64,
                "provider_model": "acct/public",
                "provider_version": "e" * 64,
            },
        ),
    )
    assert found.texts == tuple(sorted((OWN, "slbcdfghjk")))
    assert found.words == (WORD,)
    assert (found.versions, found.elsewhere) == ((), 1)


def test_a_photos_hash_is_not_searched_for_since_another_subject_may_have_the_same_photo() -> None:
    found = plan(
        ("photos", {"id": str(uuid4()), "sha256": "c" * 64}),
        ("versions", {"id": str(uuid4()), "weights_sha256": "d" * 64}),
    )
    assert "c" * 64 not in found.words
    assert "d" * 64 in found.words


def test_a_model_goes_only_if_it_bears_the_name_of_who_is_erased() -> None:
    """A deleted model's name stays taken: an owner's model is needed again."""
    mine = f"acct/safelight-{OWN[-12:]}"
    found = plan(
        ("trainings", {"destination": mine, "provider_id": "r1", "cost_micro_usd": 7}),
        (
            "trainings",
            {"destination": "acct/shared", "output": {"version": "acct/shared:ab"}},
        ),
        outputs=(f"{mine}:cd",),
    )
    assert found.models == (mine,)
    assert found.models_kept == ("acct/shared",)
    assert set(found.versions) == {("acct/shared", "ab"), (mine, "cd")}
    assert (found.trainings, found.spent_micro_usd) == (("r1",), 7)


def test_a_version_that_was_imported_is_not_ours_to_delete_at_the_provider() -> None:
    found = plan(
        (
            "versions",
            {"provider_model": "them/x", "provider_version": "e" * 64, "origin": "imported"},
        )
    )
    assert (found.versions, found.models_kept, found.elsewhere) == ((), (), 1)
    checks = Checks(store={"found": 0}, provider={"versions_found": 0}, tables={})
    said = statement_of({}, found, checks, finished_at="")
    assert "trained elsewhere" in said["beyond_reach"][-1]


def test_a_plan_is_kept_as_json_and_comes_back_the_same() -> None:
    found = plan(("trainings", {"output": {"version": "a/b:cd"}, "id": str(uuid4())}))
    assert Plan.from_dict(found.to_dict()) == found


def test_a_statement_is_signed_over_every_letter_and_says_what_is_beyond_reach() -> None:
    checks = Checks(
        store={"folders_listed": [], "keys_looked_up": 0, "found": 0},
        provider={"versions_found": 0},
        tables={"photos": 0},
        removed={"events": 2},
    )
    lost = Plan(stopped={"not_found": 2}, rows={"events": 5}, words=("secret-id",))
    said = statement_of({"erasure": "e"}, lost, checks, finished_at="2026-05-12T09:30:00Z")
    assert said["deleted"]["rows"] == {"events": 7}
    assert said["beyond_reach"][-1].startswith("2 paid request(s)")
    assert "secret-id" not in str(said)
    signature, public = sign(secrets.token_bytes(32), said)
    assert is_signed(said, signature, public)
    assert not is_signed({**said, "erasure": "f"}, signature, public)
    assert not is_signed(said, "nonsense", public)
    assert not is_signed(said, signature, sign(secrets.token_bytes(32), said)[1])


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (f"a row of {OWN}", True),
        (f"key photos/{OWN}/x.jpg", True),
        (f"copy-of-{OWN}-2", True),
        (f'{{"id": "{WORD}"}}', True),
        (f"weights/{WORD}.safetensors", True),
        (f"x{'ab12' * 16}", False),
        ("ab12" * 16, True),
        ("photo of slmnbvcxz2, waving", True),
        ("photo of somebody else", False),
        ("01900000-0000-7000-8000-000000000003", False),
    ],
)
def test_a_name_is_found_wherever_it_stands(text: str, there: bool) -> None:
    """Ids within keys and longer words, triggers within prompts, hashes as they are."""
    naming = Naming(["slmnbvcxz2"], [OWN, WORD, "ab12" * 16])
    assert naming.found_in(text) is there


def test_what_is_found_is_said_as_a_sentence() -> None:
    checks = Checks(
        store={"found": 2, "first": "photos/x"},
        provider={"versions_found": 1},
        tables={"jobs": 3, "events": 0},
    )
    assert (
        checks.found == "3 rows of jobs, 2 objects, the first photos/x, 1 versions at the provider"
    )


@pytest.mark.parametrize("given", ["short", base64.b64encode(b"x" * 31).decode(), "%%%"])
def test_a_statement_key_that_is_not_32_bytes_is_refused(given: str) -> None:
    env = {
        "DATABASE_URL": "postgresql://nowhere/none",
        "BROKER_URL": "redis://nowhere",
        "REPLICATE_API_TOKEN": "r8_none",
    }
    with pytest.raises(config.NotConfigured, match="SAFELIGHT_STATEMENT_KEY"):
        config.load({**env, "SAFELIGHT_STATEMENT_KEY": given})
    seed = base64.b64encode(b"x" * 32).decode()
    assert config.load({**env, "SAFELIGHT_STATEMENT_KEY": seed}).statement_seed == b"x" * 32
    assert config.load(env).statement_seed is None
