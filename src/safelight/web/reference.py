"""The API's reference as a page, and its OpenAPI document.

The page's scripts are our own copy, out of a wheel that the lock names by hash: on a page on which an API
key is typed, no script comes from anybody else's server.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute

from safelight.web import problems

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Safelight API</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
START = """\
SwaggerUIBundle({url: "/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null,
                 layout: "BaseLayout", defaultModelsExpandDepth: 0});
"""


@router.get("/")
def front() -> RedirectResponse:
    """To the reference: what else would somebody look for here?"""
    return RedirectResponse("/docs", 307)


@router.get("/docs")
def page() -> HTMLResponse:
    """The reference."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/start.js")
def start() -> Response:
    """What the page runs first: inline it would need a hole in the policy."""
    return Response(START, media_type="text/javascript")


@router.get("/docs/{name}")
def file(name: str) -> Response:
    """One of the page's own files."""
    if name not in FILES:
        raise problems.no_such_path(f"/docs/{name}")
    data = (resources.files("fastapi_offline") / "static" / name).read_bytes()
    return Response(data, media_type=FILES[name], headers={"Cache-Control": "max-age=86400"})


def operation_id(route: APIRoute) -> str:
    """What a generated client calls the operation: the name of our function."""
    return route.name


def document(app: FastAPI) -> None:
    """Have the OpenAPI document say what FastAPI does not know by itself.

    The problem's schema, which responses refer to; that a body which cannot be read is a 400, one that does
    not arrive a 408, and one that is too large a 413.
    """
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        spec = plain()
        schemas = spec["components"]["schemas"]
        schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs"))
        schemas["Problem"] = schema
        # FastAPI's own form of a 422 is never sent.
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        for operations in spec["paths"].values():
            for operation in operations.values():
                if "requestBody" in operation:
                    for status, response in problems.documented(400, 408, 413).items():
                        operation["responses"].setdefault(str(status), response)
        return spec

    app.openapi = openapi  # type: ignore[method-assign]
