"""From what PostgreSQL says when it fails to what an operator can do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_FULL: Final = "the disk is full: make room on the file system of {cluster}, then start again"

_READ_ONLY: Final = "{cluster} is on a file system that is mounted read-only: mount it for writing"

_NOT_ALLOWED: Final = """\
the user {user} may not use a file of its own: make {cluster} and everything in it belong to {user} (chown -R), and \
leave the way there open"""

_WRONG_MODE: Final = "{cluster} must belong to {user} with mode 0700: put that back (chown -R {user}, chmod 0700)"

_NO_MEMORY: Final = """\
there is not enough memory: give the machine or container more, or the server less \
(settings = {{shared_buffers = "16MB"}} in [database.embedded])"""

_SETTING: Final = "a setting is refused: correct it under settings in [database.embedded]"

_DAMAGED: Final = "the files in {cluster} are damaged or incomplete: put them back from a backup, all of them"

_IN_USE: Final = "another server uses {cluster}: stop it (its process is named in what it said)"

_WRONG_MACHINE: Final = """\
PostgreSQL's programs don't run on this machine: install the system's (Debian: apt install postgresql)"""

_NOBODY_AT_ALL: Final = """\
this system does not know the user that the gateway runs as, and PostgreSQL asks for its name to make a database: \
add the user to /etc/passwd, or run the gateway as one that is there (docker run --user nobody), or as root"""

_KNOWN: Final = (
    ("No space left on device", _FULL),
    ("[Dd]isk quota exceeded", _FULL),
    ("Read-only file system", _READ_ONLY),
    ("has invalid permissions", _WRONG_MODE),
    ("has wrong ownership", _WRONG_MODE),
    ("[Pp]ermission denied", _NOT_ALLOWED),
    ("Operation not permitted", _NOT_ALLOWED),
    ("Cannot allocate memory", _NO_MEMORY),
    ("could not (map anonymous|create) shared memory", _NO_MEMORY),
    ("unrecognized configuration parameter", _SETTING),
    ("invalid value for parameter", _SETTING),
    ("outside the valid range", _SETTING),
    ("configuration file .* contains errors", _SETTING),
    ("could not locate (a valid|required) checkpoint record", _DAMAGED),
    ("invalid (magic number|checkpoint|data in file)", _DAMAGED),
    ("could not (open|read) file .*pg_control", _DAMAGED),
    ("could not find the database system", _DAMAGED),
    ("is not a valid data directory", _DAMAGED),
    ("lock file .* already exists", _IN_USE),
    ("pre-existing shared memory block", _IN_USE),
    ("could not look up effective user ID", _NOBODY_AT_ALL),
    ("error while loading shared libraries", _WRONG_MACHINE),
    ("Exec format error", _WRONG_MACHINE),
    ("GLIBC_", _WRONG_MACHINE),
)
"""What is looked for in its words, the first that is there counts; and what follows from it."""


def advice(said: str, cluster: Path, user: str) -> str:
    """What to do about a failure, for an operator. `said`: what the failed program wrote, in English."""
    for pattern, text in _KNOWN:
        if re.search(pattern, said):
            return text.format(cluster=cluster, user=user)
    return "its own words say why"
