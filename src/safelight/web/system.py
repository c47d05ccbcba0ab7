"""Probes: is the process up, and can it work?"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from safelight.web.problems import NotReady, documented
from safelight.web.readiness import Readiness

router = APIRouter(tags=["system"])


class Healthy(BaseModel):
    """The process is up."""

    status: str = "ok"


class Ready(BaseModel):
    """Everything it stands on answers."""

    status: str = "ready"


@router.get("/healthz")
async def healthz() -> Healthy:
    """Is the process up? Asks nothing else, so that a store's outage restarts nothing."""
    return Healthy()


@router.get("/readyz", responses=documented(503))
def readyz(request: Request) -> Ready:
    """Do the database, the broker and the object store answer? 503 names those that do not."""
    readiness: Readiness = request.app.state.readiness
    away = readiness.away()
    if away:
        named = "; ".join(f"{name} ({why})" for name, why in away.items())
        raise NotReady(f"Away: {named}.")
    return Ready()
