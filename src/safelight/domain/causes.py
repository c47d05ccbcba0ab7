"""The causes that a diagnosis looks for, each with how its evidence is found in the records (R-131).

R-n, K-n and C-n are the project's requirements; C is what is known to be true, and how surely.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from safelight.domain.diagnosis import (
    Confidence,
    Effort,
    Look,
    Records,
    Rule,
    Symptom,
    exposures_of,
    mark_in_words,
)
from safelight.domain.errors import Invalid
from safelight.domain.nouns import Fields
from safelight.domain.prompts import RETOUCHED

MANY_EXPOSURES = 120.0
"""S0 to S4 span 40 to 280 an image; the 5-photo retrains that went wrong had 280 (finding 4)."""
FEW_EXPOSURES = 20.0
"""Astria's portrait preset has 27 an image, the least of those that are published (C5)."""
AGES = (
    "baby", "toddler", "child", "boy", "girl", "teen", "teenage", "teenager", "young", "adult",
    "middle-aged", "old", "elderly", "senior",
)  # fmt: skip


def _trigger(records: Records) -> list[str]:
    """R-5: prompts without the version's own trigger draw strangers."""
    found = [
        f"A prompt drawn with version {row['version']} lacks its trigger {row['trigger_word']}: "
        f'"{str(row["input"].get("prompt"))[:80]}"'
        for row in records.drawn
        if row["trigger_word"] not in str(row["input"].get("prompt"))
    ]
    sent = records.sent.get("trigger_word")
    if sent and sent != records.row["trigger_word"]:
        found.append(f"It was trained as {sent} and is prompted as {records.row['trigger_word']}.")
    return found[:5]


def _other_version(records: Records) -> list[str]:
    counts = Counter(
        (row["version"], "approved" if row["approved"] else "not approved now")
        for row in records.drawn
        if row["version"] != records.row["number"] or not row["approved"]
    )
    return [
        f"{n} of the last {len(records.drawn)} requests were drawn by version {version} ({how})."
        for (version, how), n in counts.most_common(3)
    ]


def _differs(records: Records) -> list[str]:
    marks = records.row["marks"] or ()
    return [mark_in_words(mark) for mark in marks][:5]


def _people(records: Records) -> list[str]:
    found = records.found("different-person", "unsure-person", "several-people")
    return [str(finding["message"]) for finding in found][:5]


def _fewer(records: Records) -> list[str]:
    """R-142: 20 photos, then 5 to 10."""
    before = len((records.before or {}).get("photos") or ())
    if not before or records.photos >= 0.75 * before:
        return []
    was = records.before["number"] if records.before else "?"
    return [f"Trained on {records.photos} photos, where version {was} was trained on {before}."]


def _few(records: Records) -> list[str]:
    warn = records.gates.get("warn")
    if not records.photos or warn is None or records.photos >= warn:
        return []
    return [f"Trained on {records.photos} photos; its profile warns under {warn}."]


def _many(records: Records) -> list[str]:
    return [f"Trained on {records.photos} photos."] if records.photos > 30 else []


def _seen_often(records: Records) -> list[str]:
    now = records.exposures
    before = exposures_of(records.before) if records.before else None
    found = []
    if now is not None and now > MANY_EXPOSURES:
        found.append(f"Each photo was seen {now:.0f} times; 30 to 60 is what the profile aims at.")
    if now is not None and before is not None and now > 2 * before:
        found.append(f"Each photo was seen {now:.0f} times, where it was {before:.0f} before.")
    return found


def _seen_seldom(records: Records) -> list[str]:
    now = records.exposures
    if now is None or now >= FEW_EXPOSURES:
        return []
    return [f"Each photo was seen {now:.0f} times; the least that is published is 27."]


def _guidance(records: Records) -> list[str]:
    high = [value for value in records.inputs("guidance_scale") if value > 3.5]
    return _share(records, high, "were drawn at guidance {:g} or more; 2.0 to 3.5 is advised")


def _scale_high(records: Records) -> list[str]:
    high = [value for value in records.inputs("lora_scale") if value > 1.2]
    return _share(records, high, "were drawn at scale {:g} or more")


def _scale_low(records: Records) -> list[str]:
    values = [value for value in records.inputs("lora_scale") if value < 0.7]
    if not values:
        return []
    n = len(records.drawn)
    return [f"{len(values)} of the last {n} requests were drawn at scale {max(values):g} or less."]


def _share(records: Records, values: list[float], says: str) -> list[str]:
    if not values:
        return []
    words = says.format(min(values))
    return [f"{len(values)} of the last {len(records.drawn)} requests {words}."]


def _adapter(records: Records) -> list[str]:
    names = Counter(records.inputs("extra_lora"))
    return [f"{n} requests were drawn with {name} beside it." for name, n in names.most_common(3)]


def _polished(records: Records) -> list[str]:
    found = []
    for row in records.drawn:
        prompt = str(row["input"].get("prompt")).lower()
        words = [word for word in RETOUCHED if re.search(rf"\b{re.escape(word)}\b", prompt)]
        if words:
            found.append(f"A prompt that was sent says: {', '.join(words)}.")
    return found[:3]


def _few_steps(records: Records) -> list[str]:
    low = [value for value in records.inputs("num_inference_steps") if value < 28]
    return _share(records, low, "were drawn in {:g} steps or a little more; 28 is the least")


def _fast(records: Records) -> list[str]:
    n = sum(value is True for value in records.inputs("go_fast"))
    return [f"{n} requests were drawn with go_fast (fp8, scale times 1.5)."] if n else []


def _rate(records: Records, above: float) -> list[str]:
    rate = records.sent.get("learning_rate")
    if not isinstance(rate, int | float) or rate <= above:
        return []
    return [f"It was trained at a learning rate of {rate:g}."]


def _rank(records: Records) -> list[str]:
    rank = records.row["rank"]
    return [f"Its rank is {rank}."] if rank and rank >= 48 else []


def _messages(*kinds: str, least: int = 1) -> Look:
    def look(records: Records) -> list[str]:
        found = records.found(*kinds)
        if len(found) < least:
            return []
        more = [f"... and {len(found) - 3} more."] if len(found) > 3 else []
        return [*(str(finding["message"]) for finding in found[:3]), *more]

    return look


def _ages(records: Records) -> list[str]:
    """R-41: the same age words in every caption."""
    counts: Counter[str] = Counter()
    for photo in records.row["photos"] or ():
        counts.update(set(re.findall(r"[a-z]+(?:-aged)?", photo["caption"].lower())) & set(AGES))
    if len(counts) < 2:
        return []
    said = ", ".join(f"{word} ({n})" for word, n in counts.most_common())
    return [f"The captions of its {records.photos} photos say different ages: {said}."]


def _asked(records: Records, pattern: str) -> list[Fields]:
    return [row for row in records.drawn if re.search(pattern, str(row["prompt"]), re.IGNORECASE)]


def _gap(parts: tuple[str, ...], least: float, pattern: str, what: str) -> Look:
    """A framing that is asked for, and of which the set has little (R-54)."""

    def look(records: Records) -> list[str]:
        measured = [found for part in parts if (found := records.framing(part)) is not None]
        share = sum(float(found["share"]) for found in measured)
        asked = _asked(records, pattern)
        if len(measured) != len(parts) or share >= least or not asked:
            return []
        count = sum(int(found["count"]) for found in measured)
        says = (
            f"{count} of its {records.photos} photos ({share:.0%}) are {what}, and {len(asked)} of "
        )
        return [f"{says}the last {len(records.drawn)} requests ask for one."]

    return look


FULL = r"\b(?:full[- ]body|full[- ]length|head to toe|walking|running|standing)\b"
FAR = (
    r"\b(?:wide shot|from afar|in the distance|landscape|panorama|crowd(?:ed)?|plaza|street|city)\b"
)


LOOKS: Mapping[str, Look] = {
    "trigger-missing": _trigger,
    "another-version-drew": _other_version,
    "trained-otherwise-than-told": _differs,
    "several-people-in-the-set": _people,
    "fewer-photos-than-before": _fewer,
    "few-photos": _few,
    "many-photos": _many,
    "seen-too-often": _seen_often,
    "seen-too-seldom": _seen_seldom,
    "guidance-too-high": _guidance,
    "extra-adapter": _adapter,
    "prompts-ask-for-it": _polished,
    "smoothed-photos": _messages("smoothed"),
    "mixed-processing": _messages("mixed-processing"),
    "poor-photos": _messages("blurred-face", "compressed", least=2),
    "high-learning-rate": lambda records: _rate(records, 4e-4),
    "learning-rate-over-1e-4": lambda records: _rate(records, 1e-4),
    "high-rank": _rank,
    "scale-too-high": _scale_high,
    "scale-too-low": _scale_low,
    "few-drawing-steps": _few_steps,
    "fast-mode": _fast,
    "one-angle": _messages("one-angle", "lost-angles"),
    "another-set": _messages("little-in-common"),
    "captions-of-different-ages": _ages,
    "no-far-photos": _gap(("full-body", "wide"), 0.2, f"{FULL}|{FAR}", "taken from afar"),
    "few-full-body-photos": _gap(("full-body",), 0.25, FULL, "full-body"),
    "no-wide-photos": _gap(("wide",), 0.05, FAR, "wide shots"),
    "one-background": _messages("one-background", "one-light"),
}
"""How the evidence for each cause is found."""


@lru_cache(maxsize=1)
def load_rules() -> tuple[Rule, ...]:
    """Every cause in `diagnosis/causes.toml`; `Invalid` where the file and `LOOKS` do not fit."""
    text = files("safelight").joinpath("diagnosis/causes.toml").read_text("utf-8")
    table = tomllib.loads(text)
    if set(table) != set(LOOKS):
        odd = ", ".join(sorted(set(table) ^ set(LOOKS)))
        raise Invalid(f"Causes that only the file or only the code knows: {odd}.")
    return tuple(
        Rule(
            name,
            {Symptom(symptom): Confidence(how) for symptom, how in item["symptoms"].items()},
            LOOKS[name],
            item["says"],
            item["remedy"],
            Effort(item["effort"]),
            item["source"],
        )
        for name, item in table.items()
    )
