"""The vocabulary of llmgw: frozen structs that every layer shares, and no behaviour that needs the outside world.

Three groups, one module each where they are large:

- what is administered: tenants, accounts, models, routes, keys, policies, prices, and the immutable `Catalog` of them;
- what travels: the canonical chat request (`chat`), the events of an answer (`stream`), its `usage`;
- what is remembered and what goes wrong: `Event` and the error tree (`errors`).

Structs travel between layers as they are; no layer has its own copy of them. Nothing here reads a clock, draws a random
number or does I/O. `accounts`, `chat`, `stream`, `prices` and `errors` are documented second doors:
import the rest of their names from there.
"""

from llmgw_domain.accounts import Account, Deadlines, Provider, Secret
from llmgw_domain.catalog import Candidate, Catalog, Route
from llmgw_domain.events import Event, uuid7
from llmgw_domain.keys import ClientKey, Policy, StreamErrors, Tenant
from llmgw_domain.models import Model, Target
from llmgw_domain.usage import Usage

__all__ = [
    "Account",
    "Candidate",
    "Catalog",
    "ClientKey",
    "Deadlines",
    "Event",
    "Model",
    "Policy",
    "Provider",
    "Route",
    "Secret",
    "StreamErrors",
    "Target",
    "Tenant",
    "Usage",
    "uuid7",
]
