"""What PostgreSQL says when it fails leads to what an operator can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmgw_postgres.embedded._advice import advice

SAID = {
    'initdb: error: could not write to file "pg_wal/x": No space left on device': "make room on the file system",
    "[Errno 28] No space left on device: '/data/postgres/cluster'": "make room on the file system",
    'FATAL:  could not open file "postmaster.pid": Read-only file system': "mount it for writing",
    'FATAL:  data directory "/data/cluster" has invalid permissions': "with mode 0700",
    'FATAL:  data directory "/data/cluster" has wrong ownership': "must belong to nobody",
    'could not open file "global/pg_filenode.map": Permission denied': "chown -R",
    "FATAL:  could not map anonymous shared memory: Cannot allocate memory": 'shared_buffers = "16MB"',
    'FATAL:  unrecognized configuration parameter "shared_bufers"': "correct it under settings",
    'FATAL:  invalid value for parameter "shared_buffers": "much"': "correct it under settings",
    "PANIC:  could not locate a valid checkpoint record at 0/16B0C30": "put them back from a backup",
    'postgres: could not find the database system\nExpected to find it in the directory "/x",': "from a backup",
    'FATAL:  lock file "postmaster.pid" already exists': "another server uses /data/cluster",
    "postgres: error while loading shared libraries: libz.so.1": "install the system's",
    "initdb: error: could not look up effective user ID 12345: user does not exist": "add the user to /etc/passwd",
    "FATAL:  the stars are wrong": "its own words say why",
}


@pytest.mark.parametrize("said", SAID)
def test_each_failure_says_what_to_do(said):
    """A known failure has its advice, with the place and the user in it; an unknown one is left to its own words."""
    assert SAID[said] in advice(said, Path("/data/cluster"), "nobody")


def test_advice_has_no_holes():
    """Whatever is advised, nothing in braces is left of the form that it was written in."""
    assert not [said for said in SAID if "{" in advice(said, Path("/d"), "u").replace('{shared_buffers = "16MB"}', "")]
