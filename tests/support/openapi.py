"""Requests made out of the OpenAPI document: every operation, with somebody's ids wherever it takes one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

Json = dict[str, Any]
Ids = Mapping[str, UUID]
"""What an id is called, in paths and members (`subject_id`), and one that is meant."""

CALLED = {"a": "training_id", "b": "training_id", "id": "photo_id", "target_id": "training_id"}
"""Members and queries that hold an id under another name: the runs of a diff, what a hold or a job is of."""


@dataclass(frozen=True)
class Asked:
    """One request. *foreign*: where it names somebody's thing: `path`, `query`, `body`."""

    name: str
    method: str
    path: str
    body: Json | None = None
    form: bool = False
    foreign: frozenset[str] = field(default_factory=frozenset)


def requests(spec: Json, ids: Ids) -> Iterator[Asked]:
    """Every operation under `/v1` once, with *ids* wherever it takes one."""
    for path, operations in spec["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in operations.items():
            yield _asked(spec, path, method.upper(), operation, ids)


def _asked(spec: Json, path: str, method: str, operation: Json, ids: Ids) -> Asked:
    foreign = set()
    query: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            if (id := _id(name, ids)) is not None:
                foreign.add("path")
                path = path.replace(f"{{{name}}}", str(id))
            else:
                path = path.replace(f"{{{name}}}", "likeness@v1")
        elif parameter["in"] == "query":
            if _is_id(schema, spec) and name != "after":
                foreign.add("query")
                query[name] = str(_id(name, ids))
            elif parameter.get("required"):
                query[name] = str(example(schema, spec, name, ids)[0])
    body, form = None, False
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        form = kind.startswith("multipart/")
        if not form:
            body, named = example(media["schema"], spec, "", ids)
            if named:
                foreign.add("body")
    if query:
        path += "?" + urlencode(query)
    return Asked(
        f"{method} {operation['operationId']}", method, path, body, form, frozenset(foreign)
    )


def example(schema: Json, spec: Json, name: str, ids: Ids) -> tuple[Any, bool]:
    """Something the schema allows, with every id it has a place for; whether it names one."""
    schema = _resolved(schema, spec)
    if _is_id(schema, spec):
        return str(_id(name, ids)), True
    if "enum" in schema:
        return schema["enum"][0], False
    if "const" in schema:
        return schema["const"], False
    if schema.get("anyOf"):
        return example(schema["anyOf"][0], spec, name, ids)
    match schema.get("type"):
        case "object":
            found, named = {}, False
            for member, of in schema.get("properties", {}).items():
                if member in schema.get("required", ()) or _holds_id(of, spec):
                    found[member], one = example(of, spec, member, ids)
                    named |= one
            return found, named
        case "array":
            one, named = example(schema["items"], spec, name.removesuffix("s"), ids)
            return [one], named
        case "string":
            shown = schema.get("examples") or ["x" * max(1, schema.get("minLength", 1))]
            return ("2026-05-01T00:00:00Z" if schema.get("format") else shown[0]), False
        case "integer" | "number":
            return schema.get("minimum", 1), False
        case "boolean":
            return False, False
    return {}, False


def _holds_id(schema: Json, spec: Json) -> bool:
    schema = _resolved(schema, spec)
    parts = [schema, *schema.get("anyOf", ())]
    parts += [part["items"] for part in parts if "items" in part]
    return any(_is_id(part, spec) for part in parts)


def _is_id(schema: Json, spec: Json) -> bool:
    schema = _resolved(schema, spec)
    if any(_is_id(part, spec) for part in schema.get("anyOf", ())):
        return True
    return bool(schema.get("format") == "uuid")


def _id(name: str, ids: Ids) -> UUID | None:
    called = CALLED.get(name, name)
    if called.endswith("_id") and called not in ids and called != "profile_id":
        raise AssertionError(f"No {called} is at hand: teach the test to make one.")
    return ids.get(called)


def _resolved(schema: Json, spec: Json) -> Json:
    if ref := schema.get("$ref"):
        found: Json = spec["components"]["schemas"][ref.rpartition("/")[2]]
        return found
    return schema
