"""The API's reference in a real browser: drawn by our own copy of its scripts, within its policy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser

from safelight.web.app import create_app
from tests.unit.test_api_document import SETTINGS


@pytest.fixture
def address() -> Iterator[str]:
    """The API without its stores: the reference needs none."""
    app = create_app(None, SETTINGS)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_the_reference_shows_every_operation_and_asks_nobody_elses_host(
    browser: Browser, address: str
) -> None:
    page = browser.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "console", lambda message: wrong.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}/docs")
    page.locator("#operations-trainings-start_training").wait_for(timeout=60_000)
    shown = page.locator(".opblock").count()
    page.close()
    spec = create_app(None, SETTINGS).openapi()
    assert shown == sum(len(operations) for operations in spec["paths"].values())
    assert wrong == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
