"""Become a program that dies with the one who started it. Run by path, never imported.

    python -I -S launch.py STARTER_PID DEATH_SIGNAL USER GROUP PROGRAM [ARGUMENT ...]

A program started by `safelight up` must not outlive it, and a `kill -9` leaves no chance to stop it.
Linux can send a signal when the starter dies (PR_SET_PDEATHSIG). It has to be asked for between fork
and exec, and subprocess's own hook for that place may deadlock in a process with threads; so this
small program is executed first, asks, and becomes the other one: same pid, no wrapper left.
USER and GROUP are ids to change to, or '-'.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Take the user, ask for the signal, become the program."""
    starter, death_signal, user, group, *program = arguments
    # Python ignores SIGPIPE, a shell's background job SIGINT; what is ignored stays so over exec.
    for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    prctl = None
    if sys.platform == "linux":
        # Now, for the other user may not be able to read this Python's files.
        import ctypes  # noqa: PLC0415  # 10 ms that other systems need not pay

        prctl = ctypes.CDLL(None).prctl
    if user != "-":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    if prctl is not None:
        # After the change of user, which would clear it.
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(starter):
        sys.exit("The process that started this one is gone already.")
    os.execvp(program[0], program)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
