"""As whom a server runs: PostgreSQL refuses to run as root, and a server of ours should not be able to do much anyway.

Nothing here changes the mode of a folder: what the server's user can't reach has to lie elsewhere.
"""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

OWN_NAME: Final = "llmgw"
"""The system user that is taken when there is one; an operator may make it so that nobody else's processes are it."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """A system user for subprocesses. `change` is false where it is the caller's own."""

    name: str
    uid: int
    gid: int
    change: bool

    def spawn(self) -> dict[str, Any]:
        """Arguments for subprocess.Popen that make the child this user, without any other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.change else {}

    def own(self, path: Path) -> None:
        """Give a file or folder that the caller has just made to this user."""
        if self.change:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def enters(self, path: Path) -> bool:
        """Whether this user can enter a folder, or run a program. Asked of a process of this user, not computed.

        Raises PermissionError, which names no file, where the caller may not start processes as this user.
        """
        if not self.change:
            return os.access(path, os.X_OK)
        asked: list[str | Path] = ["/bin/sh", "-c", 'test -x "$1"', "sh", path]
        try:
            return subprocess.run(asked, cwd="/", check=False, **self.spawn()).returncode == 0  # noqa: S603
        except PermissionError:  # whose file name differs with Python's version
            raise PermissionError(errno.EPERM, f"may not start processes as {self.name}") from None

    def takes_open_folders(self) -> bool:
        """Whether a process of this user gets into a folder that it was handed open, whatever lies above it.

        On Linux it does: /proc/self/fd/N leads there and not along the path. Raises PermissionError as `enters` does.
        """
        if not self.change or sys.platform != "linux":
            return False
        folder = os.open("/", os.O_PATH | os.O_DIRECTORY)
        try:
            asked = ["/bin/sh", "-c", 'cd "$1"', "sh", f"/proc/self/fd/{folder}"]
            return subprocess.run(asked, cwd="/", check=False, pass_fds=[folder], **self.spawn()).returncode == 0  # noqa: S603
        except PermissionError:
            raise PermissionError(errno.EPERM, f"may not start processes as {self.name}") from None
        finally:
            os.close(folder)


def unprivileged(owner_of: Path | None = None) -> RunAs:
    """The user for a server: the caller, unless it is root.

    For root: the owner of the folder `owner_of` unless that is root too, else the user `llmgw` where there is one, else
    `nobody`. A user must be in the system's user database, because initdb looks itself up there. Raises KeyError.
    """
    if os.geteuid() != 0:
        return RunAs(_name(os.geteuid()), os.geteuid(), os.getegid(), change=False)
    owner = owner_of.stat().st_uid if owner_of else 0
    entry = (_entry(owner) if owner else None) or _entry_named(OWN_NAME) or pwd.getpwnam("nobody")
    return RunAs(entry.pw_name, entry.pw_uid, entry.pw_gid, change=True)


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _entry_named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name(uid: int) -> str:
    entry = _entry(uid)
    return entry.pw_name if entry else str(uid)
