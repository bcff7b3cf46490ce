"""A private PostgreSQL for a gateway that was given no database: made, started, watched and stopped by its one owner.

    async with Embedded(data_dir) as server:
        await connect(server.conninfo)

It is a real PostgreSQL of its own version, so that there is one dialect of SQL in this tree and a way out to a server
of the operator's own (dump here, restore there). What lies on disk, below `postgres` in the data folder:

    cluster/        PostgreSQL's own files, of one major version, owned by the user that the server runs as
    password        a libpq password file, 0600; the connection string names it, and holds no secret itself
    server.log      what the server says, bounded (server.log.1 is the part before)
    lock            held by the gateway that owns the server, for as long as it lives
    socket-folder   where the running server listens: the one thing that may change from start to start

The server listens on a unix socket only, in a short private folder (a socket's path has 107 bytes at most), and asks
for the password all the same. It never outlives its owner by more than a shutdown: a guard process watches the owner
and sends the server home when that one is gone, and what a start finds still running it ends before it begins.

Refused: to run as root, to change the mode of a folder above the data folder, to open another major version's files.
"""

from llmgw_postgres.embedded._upgrade import upgrade_major
from llmgw_postgres.embedded.config import EmbeddedConfig
from llmgw_postgres.embedded.errors import EmbeddedError, InUse, OutOfReach, StartFailed, WrongMajor
from llmgw_postgres.embedded.server import Embedded

__all__ = [
    "Embedded",
    "EmbeddedConfig",
    "EmbeddedError",
    "InUse",
    "OutOfReach",
    "StartFailed",
    "WrongMajor",
    "upgrade_major",
]
