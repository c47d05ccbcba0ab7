"""The process that decodes and measures: ``python -m safelight.vision.child SECONDS MEMORY [MODELS]``.

One JSON request a line on standard input, one JSON answer a line on standard output; it ends with its
input. It may be killed at any moment, by its parent or by its own alarm; nothing rests on it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safelight.domain.crops import Crop
from safelight.domain.photos import Undecodable
from safelight.vision.decode import OUT_OF_MEMORY
from safelight.vision.derive import derive_file
from safelight.vision.inspect import measure, needs_room
from safelight.vision.nets import Nets


def main(seconds: float, memory: int, models: Path | None) -> None:
    """Answer requests until standard input ends.

    *memory* is in bytes on top of what the process needs to stand; *seconds* bounds one request.
    *models* is the folder of the eye's models; None: photos are decoded and not looked at.
    """
    # The answers keep standard output to themselves: a library's print must not be taken for one.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    nets = None if models is None else Nets(models)
    _limit(memory)
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)
    for line in sys.stdin:
        # The parent kills us first. If it is gone, this does: C code that hangs hears no exception.
        signal.setitimer(signal.ITIMER_REAL, seconds + 5)
        # Half of it on the processor is too much: on a busy machine, waiting is not the photo's doing.
        signal.setitimer(signal.ITIMER_PROF, seconds / 2)
        told = answer(json.loads(line), nets)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(told), file=answers, flush=True)


def answer(request: dict[str, Any], nets: Nets | None) -> dict[str, Any]:
    """The answer to one request; `anew` asks for a process that has no networks loaded yet.

    Such a process has more memory for the photo, and never asks for another.
    """
    path = Path(request["path"])
    loaded = nets is not None and nets.loaded
    try:
        if request["call"] == "inspect":
            if loaded and needs_room(path):
                return {"anew": True}
            facts = measure(path, nets)
            # The networks hold memory that the photo lacked: not its fault before it had all of it.
            return (
                {"anew": True}
                if loaded and facts.fault == "overrun"
                else {"facts": facts.to_dict()}
            )
        target = Path(request["target"])
        crop = Crop(**request["crop"]) if request.get("crop") else None
        made = derive_file(path, target, max_side=request["max_side"], crop=crop)
        return {"derived": asdict(made)}
    except Undecodable as fault:
        if loaded and fault.kind == "overrun":
            return {"anew": True}
        fields = {"kind": fault.kind, "detail": fault.detail, "format": fault.format}
        return {"fault": {**fields, "size": fault.size}}
    except MemoryError:
        if loaded:
            return {"anew": True}
        return {"fault": {"kind": "overrun", "detail": OUT_OF_MEMORY}}
    except OSError as error:
        return {"error": [error.errno, error.strerror or str(error)]}


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:  # not Linux: its limits on memory are not kept there, or count other things
        return
    limit = pages * resource.getpagesize() + memory
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or limit <= hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
