"""The retention policy: one file, in which a wrong name or value is an error and not a silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safelight.domain.errors import Invalid, ProviderRefused, Retryable
from safelight.domain.retention import Rule, parse, spoken
from safelight.flow.retention import why
from safelight.stages import cleanup

DAY = 86400.0


def test_the_shipped_rules_keep_what_a_person_made_and_archive_by_count() -> None:
    """R-11 to R-13, K18: keep N, archive the rest; weights and asked-for images never by age."""
    policy = parse()
    assert policy.keep[Rule.VERSIONS] == 5
    assert policy.ages[Rule.WEIGHTS] is None
    assert policy.ages[Rule.IMAGES] is None
    assert policy.ages[Rule.TEMPORARY] == 0.0
    assert policy.ages[Rule.RECYCLED_PHOTOS] == 7 * DAY
    assert set(policy.ages) == set(Rule)


def test_a_file_of_ones_own_changes_what_it_names_and_nothing_else() -> None:
    policy = parse('[logs]\nage = "12 h"\n[versions]\nkeep = 2\n')
    assert policy.ages[Rule.LOGS] == 12 * 3600
    assert policy.keep[Rule.VERSIONS] == 2
    assert policy.rollback == parse().rollback


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[log]\nage = "1 d"', ["'log'", "logs"]),
        ("[versions]\nkept = 3", ["'kept'", "keep"]),
        ('[logs]\nage = "soon"', ["[logs] age", "'soon'", "never"]),
        ('[logs]\nage = "-1 d"', ["[logs] age"]),
        ("[versions]\nkeep = 0", ["[versions] keep is 0", "1 to 1,000"]),
        ("[versions]\nkeep = true", ["[versions] keep"]),
        ('[recycle]\nage = "never"', ["[recycle] age", "time"]),
        ('[versions]\nstorage_class = "DEEP_ARCHIVE"', ["DEEP_ARCHIVE", "GLACIER_IR"]),
        ("[versions", ["not TOML"]),
    ],
)
def test_a_rule_that_cannot_be_is_named_with_what_can(text: str, says: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text, "mine.toml")
    assert "mine.toml" in str(caught.value)
    for part in says:
        assert part in str(caught.value)


def test_the_plan_says_every_rule_in_words() -> None:
    policy = parse()
    assert why(policy, Rule.VERSIONS) == "beyond the newest 5 of a subject, not used for 7 d"
    assert why(policy, Rule.WEIGHTS) == "never"
    assert why(policy, Rule.PREVIEWS) == "older than 180 d, beyond the newest 2"
    assert [spoken(age) for age in (0.0, 90.0, 3600.0, 2 * DAY)] == ["0 s", "90 s", "1 h", "2 d"]


class Pulse:
    def check(self) -> None:
        pass


class Account:
    """A provider with one version, that does with a deletion what the test says."""

    def __init__(self, deletes: Exception | bool, *, there: bool = True) -> None:
        self.deletes, self.there, self.asked = deletes, there, 0

    def account(self) -> str:
        return "us"

    def version_exists(self, _model: str, _version: str) -> bool:
        return self.there

    def delete_version(self, _model: str, _version: str) -> None:
        self.asked += 1
        if isinstance(self.deletes, Exception):
            raise self.deletes
        self.there = not self.deletes


class InUse(ProviderRefused):
    """In use."""

    code = "conflict"


def deletion(provider: Any, *, model: str = "us/lora", ask: bool = True) -> cleanup.Deletion:
    return cleanup.delete_remote(cleanup.RemoteVersion(model, "a" * 64, ask), provider)


def test_each_ending_of_a_deletion_at_the_provider_is_told_apart() -> None:
    """replicate.md 2.5 and 2.9: asynchronous, and refused while something uses the version."""
    assert deletion(Account(True)) == cleanup.Gone()
    assert deletion(Account(True, there=False)) == cleanup.Gone()
    assert deletion(Account(False)) == cleanup.Listed()
    assert deletion(Account(InUse("used"))) == cleanup.Refused("used", passing=True)
    assert deletion(Account(ProviderRefused("no"))) == cleanup.Refused("no", passing=False)
    with pytest.raises(Retryable):
        deletion(Account(Retryable("busy")))


def test_a_deletion_that_was_asked_for_lately_is_only_looked_at() -> None:
    provider = Account(False)
    assert deletion(provider, ask=False) == cleanup.Listed()
    assert provider.asked == 0


def test_another_accounts_version_is_not_taken_for_gone_because_it_cannot_be_seen() -> None:
    provider = Account(True, there=False)
    found = deletion(provider, model="them/lora")
    assert isinstance(found, cleanup.Refused)
    assert not found.passing
    assert "them/lora" in found.detail
    assert "us" in found.detail


class Counting:
    """A store that counts the requests it gets."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def delete(self, keys: list[str]) -> None:
        self.batches.append(len(keys))


def test_objects_are_deleted_a_thousand_a_request_and_no_faster_than_the_pace() -> None:
    store, slept = Counting(), list[float]()
    keys = [str(n) for n in range(2500)]
    cleanup.purge(keys, store, Pulse(), per_second=1000, sleep=slept.append)  # type: ignore[arg-type]
    assert store.batches == [1000, 1000, 500]
    assert len(slept) == 2
    assert all(0.9 < pause <= 1.0 for pause in slept)


def test_a_copy_of_the_shipped_file_changes_nothing() -> None:
    text = (Path(__file__).parents[2] / "src/safelight/retention.toml").read_text()
    assert parse(text) == parse()
