"""The OpenAPI document: what a client generator makes of it, and that all a caller sends has a bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from safelight import config
from safelight.web.app import create_app

SETTINGS = config.load(
    {
        "DATABASE_URL": "postgresql://nobody@localhost/none",
        "BROKER_URL": "redis://localhost",
        "REPLICATE_API_TOKEN": "r8_none",
    }
)


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return create_app(None, SETTINGS).openapi()


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(schema: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    if ref := schema.get("$ref"):
        found: dict[str, Any] = spec["components"]["schemas"][ref.rpartition("/")[2]]
        return found
    return schema


def unbounded(schema: dict[str, Any], spec: dict[str, Any], where: str) -> Iterator[str]:
    """Where in what is sent a text, a number, a list or an object may be of any size."""
    schema = resolved(schema, spec)
    for part in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from unbounded(part, spec, where)
    if "enum" in schema or "const" in schema:
        return
    match schema.get("type"):
        case "string":
            bounded = "maxLength" in schema or schema.get("format") in (
                *("uuid", "date-time", "binary"),
            )
            # A pattern that ends and repeats nothing without bound is a bound.
            pattern = schema.get("pattern", "")
            closed = pattern.endswith("$") and not {"*", "+"} & set(pattern)
            if not bounded and not (pattern and closed):
                yield f"{where}: a text of any length"
        case "integer" | "number":
            low = {"minimum", "exclusiveMinimum"} & schema.keys()
            high = {"maximum", "exclusiveMaximum"} & schema.keys()
            if not low or not high:
                yield f"{where}: a number without a range"
        case "array":
            if "maxItems" not in schema:
                yield f"{where}: a list of any length"
            yield from unbounded(schema["items"], spec, f"{where}[]")
        case "object" if "properties" not in schema:
            if "maxProperties" not in schema:
                yield f"{where}: an object of any size"
    for name, member in schema.get("properties", {}).items():
        yield from unbounded(member, spec, f"{where}.{name}")


def test_everything_a_caller_can_send_has_a_bound(spec: dict[str, Any]) -> None:
    found: list[str] = []
    for name, operation in operations(spec):
        for parameter in operation.get("parameters", ()):
            if (
                parameter["name"].lower() != "idempotency-key"
            ):  # its own rule, said in its own words
                found += unbounded(parameter["schema"], spec, f"{name} ?{parameter['name']}")
        for media in operation.get("requestBody", {}).get("content", {}).values():
            found += unbounded(media["schema"], spec, name)
    assert found == []


def test_names_of_schemas_and_operations_are_those_a_generated_client_can_use(
    spec: dict[str, Any],
) -> None:
    """Two models of one name came out as two classes with one title, and generators dropped them."""
    schemas = spec["components"]["schemas"]
    titles = Counter(schema.get("title", name) for name, schema in schemas.items())
    assert [title for title, n in titles.items() if n > 1] == []
    assert [name for name in schemas if "__" in name] == []
    ids = Counter(operation["operationId"] for _, operation in operations(spec))
    assert [id for id, n in ids.items() if n > 1] == []
    assert [id for id in ids if "_v1_" in id] == []


def test_every_operation_says_how_it_can_fail(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        said = set(operation["responses"])
        if "/v1/" in name:
            assert {"401", "422", "503"} <= said, name
        if "{" in name:
            assert "404" in said, name
        if "requestBody" in operation:
            assert {"400", "408", "413"} <= said, name
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
