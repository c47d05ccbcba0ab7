"""One log chain for our own lines and everybody else's: JSON in production, readable on a terminal.

Ids are bound at the boundary (`bound`), each job ends with one canonical line, and what looks like a
secret is masked whoever logged it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import structlog
from structlog.contextvars import bound_contextvars, clear_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from safelight.domain.masking import mask
from safelight.domain.texts import shown, shown_json


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask(value)
        case bool() | int() | float() | None:
            return value
        case dict():
            return {_masked(key): _masked(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(item) for item in value]
    return mask(str(value))  # as the renderers would have it: an exception, an address


def _mask_all(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _masked(value) for key, value in event.items()}


def _shown_all(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For a terminal: names and errors of others may be in any of it. Tracebacks keep their lines."""
    return {
        shown(k): shown(v, lines=k in ("exception", "stack")) if isinstance(v, str) else v
        for k, v in event.items()
    }


def _json(event: EventDict, **options: Any) -> str:
    """A line of JSON that a terminal may show: what it would obey is escaped, and the value stays."""
    return shown_json(json.dumps(event, **options))


def setup(
    format: Literal["auto", "json", "console"] = "auto", level: str = "INFO", *, component: str = ""
) -> None:
    """Send every log record of this process through the one chain, to stderr."""
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.StackInfoRenderer(),
    ]
    # Tracebacks become text before the masking: a frame's variables are never printed.
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        _mask_all,
    ]
    last += (
        [_shown_all, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [structlog.processors.JSONRenderer(_json, ensure_ascii=not _unicode(), default=str)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These say at INFO what our canonical line says better.
    for chatty in (
        "httpx",
        "httpcore",
        "botocore",
        "urllib3",
        "celery.worker.strategy",
        "celery.app.trace",
        "kombu",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    clear_contextvars()
    if component:
        structlog.contextvars.bind_contextvars(component=component)


def _unicode() -> bool:
    return (sys.stderr.encoding or "").lower().startswith("utf")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger *name*."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def bound(**ids: Any) -> Iterator[None]:
    """Every line within carries these ids."""
    with bound_contextvars(**ids):
        yield
