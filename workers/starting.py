"""What a worker and the clock do before they begin: wait for a database that is away, and for nothing else.

A database that restarts, or is started after us, is there in a while. One that refuses us, is not known or
has another schema is so until a person mends it: then the process ends and says why, and whoever
supervises it sees that it did.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import NoReturn

from safelight import deps, logging
from safelight.db.faults import DatabaseAway, DatabaseRefuses, DatabaseUnknown
from safelight.db.migrate import require_current
from safelight.domain.errors import SafelightError
from safelight.settings import Settings

log = logging.get(__name__)

PAUSE = 1.0
UNKNOWN_SECONDS = 60.0
"""How long a host may be unknown: names come up with the servers they belong to, or never."""


def await_database(settings: Settings, stop: threading.Event | None = None) -> bool:
    """Return when the database is there and its schema is ours; False: *stop* was set meanwhile.

    Raises:
        SafelightError: waiting would not help, or a file that a setting names is not good.
    """
    deps.require_files(settings)
    stop = stop or threading.Event()
    url = settings.database_url.get_secret_value()
    began = time.monotonic()
    said = ""
    unknown_since: float | None = None
    while True:
        try:
            require_current(url, settings.database_pooler)
        except DatabaseAway as away:
            now = time.monotonic()
            unknown_since = (unknown_since or now) if isinstance(away, DatabaseUnknown) else None
            for_good = unknown_since is not None and now - unknown_since > UNKNOWN_SECONDS
            if for_good or isinstance(away, DatabaseRefuses):
                raise
            if away.code != said:
                said = away.code
                log.warning("database.awaited", reason=away.code, error=str(away))
        else:
            if said:
                log.info("database.there", seconds=round(time.monotonic() - began, 1))
            return True
        if stop.wait(PAUSE):
            return False


def stop(event: str, error: Exception) -> NoReturn:
    """Say in one line why this process cannot work, and end it."""
    if isinstance(error, SafelightError):
        log.error(event, reason=error.code, error=error.message, hint=error.hint)
    else:
        log.error(
            event, reason="surprise", error=f"{type(error).__name__}: {error}", exc_info=error
        )
    sys.exit(1)
