"""The clock: sweeps what is due and starts periodic work. `python -m workers.beat`.

It is a plain loop on Postgres and not a Celery beat, so that it works while the broker is away; two
of them do no harm.
"""

from __future__ import annotations

import signal
import threading

from safelight import config, deps, logging
from safelight.domain.errors import SafelightError
from safelight.flow.retention import policy_of
from safelight.flow.sweep import periodic, sweep
from workers.starting import await_database, stop

log = logging.get(__name__)


def main() -> None:
    """Tick until SIGTERM or SIGINT."""
    logging.setup(component="clock")  # until the settings say how
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    try:
        settings = config.load()
        logging.setup(settings.log_format, settings.log_level, component="clock")
        if not await_database(settings, told):
            return
        db, broker = deps.open_clock(settings)
    except Exception as error:  # noqa: BLE001 (whatever it is, this clock cannot tick)
        stop("clock.stopped", error)
    log.info("clock.ready")
    if settings.ready_file:
        settings.ready_file.touch()
    while not told.wait(settings.sweep_seconds):
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
