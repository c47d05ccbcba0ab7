"""A real emulator, our client against it, and a server for the training zips."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from safelight.clients.replicate import ReplicateProvider
from tests.support.emulator import TOKEN, Emulator, running
from tests.support.photos import distinct_photos


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running(tmp_path_factory.mktemp("emulator")) as found:
        yield found


@pytest.fixture
def provider(emulator: Emulator) -> Iterator[ReplicateProvider]:
    emulator.settings(faults=[], credit=True)
    provider = ReplicateProvider(TOKEN, emulator.url)
    yield provider
    provider.close()
    emulator.settings(faults=[], credit=True)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder that is served, and its URL."""
    folder = tmp_path_factory.mktemp("served")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def zip_url(files: tuple[Path, str], tmp_path: Path) -> Callable[..., str]:
    """Serve a training zip under a name of its own."""
    folder, url = files

    def serve(data: bytes | None = None, trigger: str = "sltest42") -> str:
        name = f"{uuid4()}.zip"
        if data is None:
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as zipped:
                for number, path in enumerate(distinct_photos(tmp_path, 3)):
                    zipped.write(path, f"{number:03d}.jpg")
                    zipped.writestr(f"{number:03d}.txt", f"photo of {trigger} person")
            data = buffer.getvalue()
        (folder / name).write_bytes(data)
        return f"{url}/{name}"

    return serve
