"""Where things may lie: short folders for sockets, folders that an unprivileged user can reach."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import stat
import sys
import tempfile
from pathlib import Path

SOCKET_PATH_LIMIT = 100
"""Bytes. A Unix socket's path may have 107 on Linux and 103 on macOS."""

LONGEST_SOCKET = "postgres/.s.PGSQL.65535.lock"


def is_root() -> bool:
    """Whether we run as root, whom Postgres refuses to serve."""
    return os.geteuid() == 0


def nobody() -> tuple[int, int]:
    """User and group id of the unprivileged user: `nobody`, else 65534, its id on most systems."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return 65534, 65534
    return entry.pw_uid, entry.pw_gid


def reachable_by_others(path: Path) -> bool:
    """Whether any user can come to `path`: each folder above it has its x bit for others.

    Access lists are not looked at, so a reachable folder may be called unreachable, never the
    other way round on Linux.
    """
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def readable_by_others(path: Path) -> bool:
    """Whether any user can read a file, or list and enter a folder."""
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & wanted == wanted and reachable_by_others(path)


def system_folder() -> Path:
    """Root's place for state that another user must reach, by the system's custom (FHS 5.8)."""
    return Path("/var/db" if sys.platform == "darwin" else "/var/lib") / "safelight"


def folder_for_nobody(link: Path) -> Path:
    """As root: a folder at `link`, or one that `link` leads to, which `nobody` can reach.

    Opening root's home (0700, as it should be) to let Postgres through would be a change to what is
    not ours, so a state folder under such a parent gets its Postgres part in `/var/lib/safelight`,
    with a symlink in its place. The symlink is all the memory there is: when the state folder is
    removed, the next start makes a new database. Not under /tmp or /var/tmp, which systems clean of
    what has not been touched for days, and where others could be there first.
    """
    if link.is_symlink():
        target = link.readlink()
        if target.is_dir():
            return target
        link.unlink()  # it was removed by hand; so begin anew
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir() or reachable_by_others(link):
        link.mkdir(exist_ok=True)
        link.chmod(0o711)
        return link
    parent = system_folder()
    parent.mkdir(parents=True, exist_ok=True)
    parent.chmod(0o711)
    folder = parent / f"{link.name}-{secrets.token_hex(6)}"
    folder.mkdir()
    folder.chmod(0o711)
    link.symlink_to(folder)
    return folder


def socket_folder(link: Path) -> Path:
    """A folder for sockets at `link`, or a short one that `link` leads to.

    Short means that the sockets' paths are under SOCKET_PATH_LIMIT. Paths with spaces, commas and
    the like are avoided too: they would need three kinds of quoting, in a URL, in Postgres's list
    of folders and in Valkey's configuration. As root it must be reachable by `nobody`.
    """
    if link.is_symlink():
        target = link.readlink()
        # The name was random when we made it, but /tmp is everyone's: someone may have taken it.
        if _is_ours(target):
            return target
        link.unlink()
    link.parent.mkdir(parents=True, exist_ok=True)
    plain = re.fullmatch(r"[\w./+@-]*", str(link), re.ASCII)
    fits = len(os.fsencode(link / LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT
    if plain and fits and (not is_root() or reachable_by_others(link)):
        link.mkdir(exist_ok=True)
        folder = link
    else:
        folder = Path(tempfile.mkdtemp(prefix="safelight-", dir="/tmp"))  # must be short
        link.symlink_to(folder)
    folder.chmod(0o711 if is_root() else 0o700)
    return folder


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private
