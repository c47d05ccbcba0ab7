"""`python -m safelight.local.emulator --port P --data DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from safelight.local.emulator.app import serve
from safelight.local.emulator.server import DEFAULT_TIME_SCALE, Settings


def main() -> None:
    """Run the emulator until it is told to stop."""
    parser = argparse.ArgumentParser(prog="safelight emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8710)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, help="folder its state is kept in")
    parser.add_argument(
        "--time-scale",
        type=float,
        default=DEFAULT_TIME_SCALE,
        help="how many provider seconds pass in one of ours (default: %(default)g)",
    )
    parser.add_argument(
        "--layers",
        choices=("subset", "full"),
        default="subset",
        help="train four of the 494 modules (and say so in config.yaml), or all of them",
    )
    parser.add_argument("--public-url", help="the URL others reach it by, for links it gives out")
    parser.add_argument(
        "--tokens",
        type=Path,
        help="file with the tokens that it takes, one a line (default: any r8_..., an account each)",
    )
    given = parser.parse_args()
    tokens = tuple(given.tokens.read_text().split()) if given.tokens else ()
    settings = Settings(
        given.data, given.time_scale, given.layers, given.public_url, given.host, tokens
    )
    serve(settings, port=given.port)


if __name__ == "__main__":
    main()
