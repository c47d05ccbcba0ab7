"""Unit tests touch nothing outside the process: a socket that is opened fails the test."""

from __future__ import annotations

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # The exception says why at its test: choosing a free port is a matter of sockets.
    if item.nodeid.startswith("tests/unit/") and not item.get_closest_marker("enable_socket"):
        disable_socket(allow_unix_socket=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    if item.nodeid.startswith("tests/unit/"):
        enable_socket()
