"""`gateway migrate`: a database's schema, brought up to this release before a gateway does it at its start."""

from __future__ import annotations

import asyncio

from llmgw_control import Unrevealed
from llmgw_eventstore import StoreError
from llmgw_gateway.config import Settings
from llmgw_gateway.database import address
from llmgw_gateway.secrets import Secrets
from llmgw_postgres.migrate import migrate


class Unmigrated(Exception):
    """The schema was not brought up; the text says why, and what to do."""


def bring_up(settings: Settings) -> list[str]:
    """Brings up the schema at `database.url`; the names of the migrations that were applied. Raises `Unmigrated`."""
    database = settings.config.database
    if database.kind != "external" or database.url is None:
        raise Unmigrated(
            "there is no database of your own: give its address as database.url. The private one is brought up at each "
            "start of the gateway"
        )
    try:
        conninfo = address(database.url, Secrets.of(settings).reveal)
        return asyncio.run(migrate(conninfo, database))
    except (Unrevealed, StoreError) as error:
        raise Unmigrated(str(error)) from None
