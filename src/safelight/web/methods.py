"""Which methods a path takes, for a 405 that names them all.

The router names those of one route only. And where a path of its own (`/versions/import`) also looks like
an id's (`/versions/{version_id}`), it takes for an id what is asked by the other route's methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request


class Methods:
    """The methods of each path that there is."""

    def __init__(self, routes: Sequence[APIRoute]) -> None:
        self._routes = routes
        self._whole = {route.path for route in routes if "{" not in route.path}

    def at(self, path: str) -> set[str]:
        """Every method that some route takes at *path*."""
        there = [
            route
            for route in self._routes
            if (route.path == path if path in self._whole else route.path_regex.match(path))
        ]
        found = {method for route in there for method in route.methods or ()}
        return found | ({"HEAD"} if "GET" in found else set())


def close_others(app: FastAPI, routes: Sequence[APIRoute]) -> None:
    """Answer 405 where a path of its own is asked by a method that a path with an id has alone. To be
    called before *routes* are."""
    taken = Methods(routes)
    for path in {route.path for route in routes if "{" not in route.path}:
        others = {
            method
            for route in routes
            if route.path_regex.match(path)
            for method in route.methods or ()
        } - taken.at(path)
        if others:
            app.add_route(path, _not_taken, methods=sorted(others), include_in_schema=False)


def _not_taken(_request: Request) -> NoReturn:
    raise HTTPException(405)
