"""The clock: sweeps what is due and starts periodic work. `python -m workers.beat`.

It is a plain loop on Postgres and not a Celery beat, so that it works while the broker is away; two
of them do no harm.
"""

from __future__ import annotations

import signal
import sys
import threading

from safelight import config, deps, logging
from safelight.db.migrate import require_current
from safelight.domain.errors import SafelightError
from safelight.flow.retention import policy_of
from safelight.flow.sweep import periodic, sweep

log = logging.get(__name__)


def main() -> None:
    """Tick until SIGTERM or SIGINT."""
    logging.setup(component="clock")  # until the settings say how
    try:
        settings = config.load()
        logging.setup(settings.log_format, settings.log_level, component="clock")
        require_current(settings.database_url.get_secret_value())
    except SafelightError as error:
        log.error("clock.stopped", reason=error.code, error=str(error))
        sys.exit(1)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    db, broker = deps.open_clock(settings)
    log.info("clock.ready")
    if settings.ready_file:
        settings.ready_file.touch()
    while not stop.wait(settings.sweep_seconds):
        try:
            sweep(db, broker.depths)
            walk = policy_of(settings).pace.walk
            periodic(db, every=settings.cleanup_seconds, walk=walk)
        except SafelightError as error:
            log.warning("clock.tick_missed", error=str(error))
        except Exception:
            # The clock outlives any surprise: what it missed is due at the next tick.
            log.exception("clock.surprise")
    db.close()
    broker.close()
    log.info("clock.stopped", reason="asked to")


if __name__ == "__main__":
    main()
