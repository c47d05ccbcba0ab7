"""Auditing: each link from a version back to what it was made of, verified, broken or not verifiable.

Pure: the rows and what was read of the objects come in, links come out. Where something is missing,
'cannot verify' is said of it; nothing is taken to be right because it is not known to be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from safelight.domain.diagnosis import mark_in_words
from safelight.domain.links import Link, Objects, State, gathered, of_object, worst
from safelight.domain.nouns import Fields
from safelight.domain.states import VersionState


@dataclass(frozen=True, slots=True)
class VersionAudit:
    """The links of one version, from its photos to its approver."""

    row: Fields
    links: tuple[Link, ...]

    @property
    def verdict(self) -> State:
        """The worst of its links."""
        return worst(link.state for link in self.links)


def keys_of(row: Fields) -> list[tuple[str, str]]:
    """(key, kind) of every object a version stands on; kind is `file`, `zip` or `json`."""
    found = [(photo["key"], "file") for photo in row["photos"] or ()]
    if row["dataset_key"]:
        found += [(row["dataset_key"], "zip"), (row["manifest_key"], "json")]
    if row["weights_key"]:
        found.append((row["weights_key"], "file"))
    return found + [(image["key"], "file") for image in row["previews"] or () if image["key"]]


def audit(row: Fields, objects: Objects | None) -> VersionAudit:
    """Every link of the version in *row*; *objects* None: nothing was read from the store."""
    if row["origin"] == "imported":
        links = [
            *_imported(row),
            *_weights(row, objects),
            *_approval(row),
            *_previews(row, objects),
        ]
    else:
        links = [
            *_photos(row, objects),
            *_dataset(row, objects),
            *_parameters(row),
            *_trainer(row),
            *_weights(row, objects),
            _trigger(row),
            *_approval(row),
            *_previews(row, objects),
        ]
    return VersionAudit(row, tuple(links))


def _photos(row: Fields, objects: Objects | None) -> list[Link]:
    photos = row["photos"] or ()
    if not photos:
        return [Link("photos", State.CANNOT_VERIFY, "No photos are on record for its dataset.")]
    sources = {p["photo_id"]: p for p in (row["manifest"] or {}).get("photos", ())}
    links: list[Link] = []
    for photo in photos:
        what = f'The photo "{photo["name"]}"'
        at_build = sources.get(str(photo["photo_id"]), {}).get("source_sha256")
        # Its location may have been taken out since: nothing else in it has changed.
        known = (None, photo["sha256"], photo.get("sha256_before"))
        if at_build not in known:
            says = f"{what} has another hash on record than when the dataset was built."
            links.append(Link("photos", State.BROKEN, says, at_build, photo["sha256"]))
            continue
        recorded = (photo["bytes"], photo["sha256"])
        links.append(of_object("photos", what, photo["key"], recorded, objects, photo["purged_at"]))
    return gathered("photos", links, "photos are")


def _dataset(row: Fields, objects: Objects | None) -> list[Link]:
    if row["dataset_id"] is None:
        return [Link("dataset", State.CANNOT_VERIFY, "No dataset is on record.")]
    what = f"The zip of dataset {row['dataset']}"
    recorded = (row["dataset_bytes"], row["dataset_sha256"])
    zipped = of_object(
        "dataset", what, row["dataset_key"], recorded, objects, row["dataset_purged_at"]
    )
    links = [zipped, *_members(row, objects)]
    manifest = row["manifest"] or {}
    if manifest.get("sha256") != row["dataset_sha256"]:
        says = "The manifest names another zip than the dataset's row."
        links.append(
            Link("manifest", State.BROKEN, says, row["dataset_sha256"], manifest.get("sha256"))
        )
    listed = {p["photo_id"]: (p["sha256"], p["caption"]) for p in manifest.get("photos", ())}
    kept = {str(p["photo_id"]): (p["file_sha256"], p["caption"]) for p in row["photos"] or ()}
    if listed != kept:
        odd = sorted(id for id in listed | kept if listed.get(id) != kept.get(id))
        says = (
            f"The manifest and the rows disagree about {len(odd)} photo(s): {', '.join(odd[:3])}."
        )
        links.append(Link("manifest", State.BROKEN, says))
    return [*links, _manifest(row, objects)]


def _members(row: Fields, objects: Objects | None) -> list[Link]:
    """What is in the zip, file by file, against the rows: which photo it is that was changed."""
    seen = (objects or {}).get(row["dataset_key"])
    if seen is None or seen.gone or row["dataset_purged_at"]:
        return []
    if seen.members is None:
        return [Link("dataset", State.BROKEN, "The zip does not open.")]
    return [
        Link(
            "dataset",
            State.BROKEN,
            f'In the zip {photo["file"]}, made of "{photo["name"]}", is not what was recorded.',
            photo["file_sha256"],
            seen.members.get(photo["file"]),
        )
        for photo in row["photos"] or ()
        if seen.members.get(photo["file"]) != photo["file_sha256"]
    ]


def _manifest(row: Fields, objects: Objects | None) -> Link:
    seen = (objects or {}).get(row["manifest_key"])
    if row["dataset_purged_at"]:
        return Link(
            "manifest", State.CANNOT_VERIFY, "The stored manifest was deleted; its row is kept."
        )
    if seen is None:
        return Link("manifest", State.NOT_READ, "The stored manifest was not read.")
    if seen.gone or seen.document != row["manifest"]:
        why = "is not in the store" if seen.gone else "is not the one on record"
        return Link("manifest", State.BROKEN, f"The stored manifest {why} ({row['manifest_key']}).")
    return Link("manifest", State.OK, "The stored manifest is the one on record.")


def _parameters(row: Fields) -> list[Link]:
    links = [
        Link(name, State.OK, f"What was {name} is on record.")
        if row[name]
        else Link(name, State.CANNOT_VERIFY, f"What was {name} is not on record.")
        for name in ("asked", "sent")
    ]
    if not row["effective"]:
        says = "No config.yaml of the trainer could be read: what it really used is not known."
        return [*links, Link("effective", State.CANNOT_VERIFY, says)]
    marks = row["marks"] or ()
    if not marks:
        return [*links, Link("effective", State.OK, "What the trainer used is on record, as sent.")]
    return [
        *links,
        *(
            Link(
                "effective",
                State.DIFFERS,
                mark_in_words(mark),
                _text(mark, "sent"),
                _text(mark, "effective"),
            )
            for mark in marks
        ),
    ]


def _text(mark: Fields, key: str) -> str | None:
    value = mark.get(key)
    return None if value is None else str(value)


def _trainer(row: Fields) -> list[Link]:
    asked, observed = row["trainer_asked"], row["trainer_observed"]
    if not asked or not observed:
        missing = "asked for" if not asked else "that ran"
        version = Link(
            "trainer",
            State.CANNOT_VERIFY,
            f"The trainer's version {missing} is not on record.",
            asked,
        )
    elif asked != observed:
        says = "The trainer ran in another version than was asked for (replicate-python #419)."
        version = Link("trainer", State.DIFFERS, says, asked, observed)
    else:
        version = Link(
            "trainer", State.OK, "The trainer ran in the version asked for.", asked, observed
        )
    if not row["provider_id"]:
        run = Link("run", State.CANNOT_VERIFY, "The provider's id of the run is not on record.")
    else:
        run = Link("run", State.OK, f"The provider's run {row['provider_id']} made it.")
    kept, found = len(row["photos"] or ()), row["images_found"]
    if found is None:
        says = "How many photos the trainer found is not in what was seen of its log."
        images = Link("images", State.CANNOT_VERIFY, says, str(kept))
    elif found != kept:
        says = f"{kept} photos were sent, and the trainer says that it found {found}."
        images = Link("images", State.DIFFERS, says, str(kept), str(found))
    else:
        images = Link("images", State.OK, f"The trainer found the {kept} photos sent.")
    return [version, run, images]


def _weights(row: Fields, objects: Objects | None) -> list[Link]:
    if not row["weights_key"]:
        says = "We hold no weights of it: what draws is at the provider alone."
        return [Link("weights", State.CANNOT_VERIFY, says)]
    if row["state"] == VersionState.DELETED:
        says = "The weights were deleted; their hash is kept."
        return [Link("weights", State.CANNOT_VERIFY, says, row["weights_sha256"])]
    recorded = (row["weights_bytes"], row["weights_sha256"])
    return [of_object("weights", "The weights file", row["weights_key"], recorded, objects)]


def _trigger(row: Fields) -> Link:
    """R-5: stored, sent and prompted are one word."""
    sent = ((row["sent"] or {}).get("input") or {}).get("trigger_word")
    words = {row["trigger_word"], row["subject_trigger"]} | ({sent} if sent else set())
    if len(words) > 1:
        says = "The trigger word is not the same with the subject, the version and what was sent."
        return Link("trigger", State.BROKEN, says, row["trigger_word"], ", ".join(sorted(words)))
    if not sent:
        return Link("trigger", State.CANNOT_VERIFY, "Which trigger was sent is not on record.")
    return Link("trigger", State.OK, f"Trained, stored and prompted as {row['trigger_word']}.")


def _approval(row: Fields) -> list[Link]:
    if row["approved_at"] is None:
        approval = Link(
            "approval", State.CANNOT_VERIFY, "Nobody approved it, so it draws for nobody."
        )
    else:
        on = f"{row['approved_at']:%Y-%m-%d %H:%M}"
        says = f"Approved by {row['approved_by']} on {on}: {row['approved_why']}."
        approval = Link("approval", State.OK, says)
    if row["rejected_at"] is None:
        return [approval]
    on = f"{row['rejected_at']:%Y-%m-%d %H:%M}"
    says = f"Rejected by {row['rejected_by']} on {on}: {row['rejected_why']}."
    return [approval, Link("approval", State.DIFFERS, says)]


def _previews(row: Fields, objects: Objects | None) -> list[Link]:
    drawn = [image for image in row["previews"] or () if image["key"]]
    if not drawn:
        return [Link("previews", State.CANNOT_VERIFY, "No preview of it is stored.")]
    links = [
        of_object(
            "previews",
            f"The {image['purpose']} with seed {image['input'].get('seed')}",
            image["key"],
            (image["bytes"], image["sha256"]),
            objects,
            image["purged_at"],
        )
        for image in drawn
    ]
    found = gathered("previews", links, "previews are")
    if not any(image["purpose"] == "control" for image in drawn):
        says = "There is no control without the LoRA: what the base model draws is not known."
        found.append(Link("control", State.CANNOT_VERIFY, says))
    return found


def _imported(row: Fields) -> list[Link]:
    """Of a version trained elsewhere: what was found out, and the rest."""
    known = row["known"] or {}
    links = [
        Link(name, State.OK, f"{known['from']} says: {value}")
        for name, value in (known.get("facts") or {}).items()
    ]
    return [
        *links,
        *(Link(name, State.CANNOT_VERIFY, why) for name, why in known["cannot_verify"].items()),
    ]
