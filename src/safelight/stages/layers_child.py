"""The process that tries a caller's regular expression: ``python -I -S layers_child.py``.

One JSON request on standard input (``{"regex": ..., "names": [...]}``), one JSON answer on standard output:
``{"found": [...]}``, the names it is found in, or ``{"error": why}``. It stands alone, so that it starts in
hundredths of a second, and its limits are its own: a hostile expression ends it and nothing else.
"""

import json
import re
import resource
import sys
import warnings

CPU_SECONDS = 1
MEMORY = 256 * 1024 * 1024


def main() -> None:
    """Answer the one request."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")  # of sets that may mean something else in a later Python
    asked = json.load(sys.stdin)
    json.dump(answer(asked["regex"], asked["names"]), sys.stdout)


def answer(regex: str, names: list[str]) -> dict[str, object]:
    """What came of it."""
    try:
        pattern = re.compile(regex)
        return {"found": [name for name in names if pattern.search(name)]}
    except re.error as error:
        return {"error": str(error)}
    except (RecursionError, OverflowError, MemoryError) as error:
        return {"error": f"it is too large or too deeply nested ({type(error).__name__})"}


if __name__ == "__main__":
    main()
