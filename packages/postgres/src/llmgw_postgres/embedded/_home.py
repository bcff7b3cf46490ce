"""Where an embedded server lies, who it runs as, and who owns it.

That is `postgres` in the data folder. Root needs another user for the server, who can't go there where a folder above
is closed, as root's home is on most systems; and those folders' modes are not ours to change. So on Linux the server is
handed the open folder of its files: it enters /proc/self/fd/N, which leads there directly, and works from inside.

Elsewhere the path has to be open. The data folder is the gateway's own: the server's group is given the right to pass
through it, no more. Where a folder above it is closed, `postgres` in the data folder becomes a link to a folder below
/var/lib/llmgw. A link, because it moves with the data folder and shows an operator where the files are.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmgw_postgres._users import RunAs, unprivileged
from llmgw_postgres.embedded.config import SHELF
from llmgw_postgres.embedded.errors import InUse, OutOfReach

_log = logging.getLogger(__name__)

NAME: Final = "postgres"

SOCKET_NAME: Final = "/.s.PGSQL.5432"
SOCKET_PATH_BYTES: Final = 103
"""The shortest limit there is for a socket's path: macOS has 104 bytes with the closing zero, Linux 108."""


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that exists, and the user of the server in it. `hands_over`: that user is handed its folders open."""

    folder: Path
    user: RunAs
    hands_over: bool = False

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def password(self) -> Path:
        return self.folder / "password"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def socket_note(self) -> Path:
        return self.folder / "socket-folder"

    @contextmanager
    def given(self, arguments: Sequence[str | Path]) -> Iterator[tuple[list[str], dict[str, Any]]]:
        """What a program is started with as the server's user: its words, and subprocess.Popen's own arguments.

        Each Path among `arguments` is a folder of the server's, and becomes a word that this user can enter it by.
        """
        opened: list[int] = []
        words: list[str] = []
        try:
            for argument in arguments:
                if isinstance(argument, Path) and self.hands_over:
                    opened.append(os.open(argument, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
                    words.append(f"/proc/self/fd/{opened[-1]}")
                else:
                    words.append(str(argument))
            yield words, {**self.user.spawn(), "pass_fds": tuple(opened)}
        finally:
            for descriptor in opened:
                os.close(descriptor)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the lock. The system lets go of it when this process ends, however that comes. Raises InUse."""
        descriptor = open_private(self.folder / "lock", os.O_RDWR)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(self.folder, os.pread(descriptor, 32, 0).decode(errors="replace").strip()) from None
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            yield
        finally:
            os.close(descriptor)

    def make_socket_folder(self) -> Path:
        """A new private folder for the socket, noted so that the next start can remove what this one leaves."""
        made = Path(tempfile.mkdtemp(prefix="llmgw-", dir=self._short_folder()))
        self.user.own(made)
        with os.fdopen(open_private(self.socket_note, os.O_WRONLY | os.O_TRUNC), "w") as note:
            note.write(f"{made}\n")
        return made

    def remove_socket_folder(self) -> None:
        """Remove the folder that was noted, if it is one of ours."""
        try:
            noted = Path(self.socket_note.read_text().strip())
            found = noted.lstat()
        except (OSError, ValueError):
            return
        if noted.name.startswith("llmgw-") and stat.S_ISDIR(found.st_mode) and found.st_uid == self.user.uid:
            shutil.rmtree(noted, ignore_errors=True)
        self.socket_note.unlink(missing_ok=True)

    def _short_folder(self) -> str:
        runtime = "" if self.user.change else os.environ.get("XDG_RUNTIME_DIR", "")
        for folder in (runtime, tempfile.gettempdir()):
            short = len(os.fsencode(f"{folder}/llmgw-12345678{SOCKET_NAME}")) <= SOCKET_PATH_BYTES
            if os.path.isabs(folder) and short and os.access(folder, os.W_OK) and self.user.enters(Path(folder)):
                return folder
        return "/tmp"  # noqa: S108 -- the folder made in it is private, and its name is drawn


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that is made for its owner only. Not through a link, which somebody may have put there."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def open_home(data_dir: Path, shelf: Path) -> Home:
    """The home of a data folder's server, made if it isn't there. Raises OutOfReach, which says what to do."""
    place = data_dir / NAME
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = unprivileged(_owned_by(place, data_dir))
        hands_over = user.takes_open_folders()
        if not place.exists():
            _make(place, user, shelf, hands_over)
        return Home(_checked(place, user, hands_over), user, hands_over)
    except OutOfReach:
        raise
    except KeyError:
        raise OutOfReach(
            "PostgreSQL refuses to run as root, and this system has neither a user llmgw nor nobody: make one "
            "(useradd --system llmgw), or start the gateway as a plain user"
        ) from None
    except PermissionError as error:
        raise OutOfReach(_denied(error, place)) from error
    except OSError as error:
        raise OutOfReach(f"{place} can't be made or opened: {error.strerror} ({error.filename})") from error


def _denied(error: PermissionError, place: Path) -> str:
    if os.geteuid() == 0 and not error.filename:
        return (
            "PostgreSQL refuses to run as root, and this root may not start processes as another user: start the "
            "gateway as a plain user (docker run --user), or leave it the capabilities SETUID and SETGID"
        )
    owner = f"make {place} belong to it (chown -R), or start the gateway as the user that it belongs to"
    return f"the user that the gateway runs as may not use {error.filename or place}: {owner}"


def _owned_by(place: Path, data_dir: Path) -> Path:
    """Whose owner the server runs as: of the files where there are any, else of the data folder."""
    cluster = place / "cluster"
    return cluster if cluster.exists() else data_dir


def _make(place: Path, user: RunAs, shelf: Path, hands_over: bool) -> None:
    if place.is_symlink():
        raise OutOfReach(
            f"{place} is a link to {os.readlink(place)}, which is not there: put the database back there (and the data "
            "folder with it, if this is another machine), or remove the link to begin with an empty one"
        )
    if not hands_over:
        _let_pass(place.parent, user)
    if hands_over or user.enters(place.parent):
        place.mkdir(mode=0o700, exist_ok=True)
        return
    shelf.mkdir(mode=0o711, parents=True, exist_ok=True)
    target = shelf / f"{place.parent.name}-{secrets.token_hex(8)}"
    target.mkdir(mode=0o700)
    (target / "data-folder").write_text(f"{place.parent}\n")
    try:
        place.symlink_to(target, target_is_directory=True)
    except FileExistsError:  # another gateway was quicker
        shutil.rmtree(target)


def _checked(place: Path, user: RunAs, hands_over: bool) -> Path:
    folder = place.resolve()
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))
    if user.change and not hands_over:
        for own in (place.parent, folder):
            _let_pass(own, user)
        if not user.enters(folder):
            raise OutOfReach(
                f"the server's user {user.name} can't enter {folder}: open the folders above it to others (chmod o+x), "
                f"or move it to {SHELF} and leave a link to it in its place (mv, ln -s)"
            )
    if place.is_symlink():
        _log.warning("the database of %s is in %s, where a link leads: back up both", place.parent, folder)
    return folder


def _let_pass(folder: Path, user: RunAs) -> None:
    """Let the server's user pass through a folder of the gateway's own, if the way there is open.

    By its group, so that others stay out; where the folder is shared with another group already, by "others".
    """
    if not user.change or user.enters(folder) or not user.enters(folder.parent):
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXG:
        folder.chmod(mode | stat.S_IXOTH)
    else:
        os.chown(folder, -1, user.gid)
        folder.chmod(mode | stat.S_IXGRP)
