"""The use case: administer. Records go in, an immutable `Catalog` comes out and is published by one assignment.

Records (`records`) are what an operator wrote. There are two ways to a catalog:

- a file, as a whole: `compile_catalog` checks everything, reports every problem at once, and gives no catalog then;
- records that change one by one: the `Replica` merges them and lays the file over them, the `Compiler` makes the
  catalog, always, and puts into quarantine what is broken.

`Administration` takes the commands of administrators: refused if they would break something, else journalled, merged
and published. `Control` holds the catalog that is served now. References to secrets are resolved, time is told and
chance is drawn by functions that are given: nothing here reads a file, an environment or a clock.

`records`, `views` and `refusal` are documented second doors: import the rest of their names from there.
"""

from llmgw_control._servers import server_problems
from llmgw_control.administration import Administration
from llmgw_control.compile import compile_catalog
from llmgw_control.compiler import Compiler, Trial
from llmgw_control.control import Control
from llmgw_control.ports import Sealing
from llmgw_control.publishing import Pace, revokes
from llmgw_control.records import (
    AccountRecord,
    AwsKeysRecord,
    DeadlinesRecord,
    KeyRecord,
    ModelRecord,
    PolicyRecord,
    PriceRecord,
    Records,
    TargetRecord,
    TokenRecord,
)
from llmgw_control.refusal import (
    CannotSeal,
    Conflict,
    Forbidden,
    FromFile,
    NotWritable,
    Outdated,
    Reason,
    Refused,
    UnknownRecord,
    Unrevealed,
)
from llmgw_control.replica import Replica
from llmgw_control.sources import Change, Changed, Source
from llmgw_control.views import SYSTEM, Actor, Committed, Diff, Difference, Kind, Proposal, Role, View

__all__ = [
    "SYSTEM",
    "AccountRecord",
    "Actor",
    "Administration",
    "AwsKeysRecord",
    "CannotSeal",
    "Change",
    "Changed",
    "Committed",
    "Compiler",
    "Conflict",
    "Control",
    "DeadlinesRecord",
    "Diff",
    "Difference",
    "Forbidden",
    "FromFile",
    "KeyRecord",
    "Kind",
    "ModelRecord",
    "NotWritable",
    "Outdated",
    "Pace",
    "PolicyRecord",
    "PriceRecord",
    "Proposal",
    "Reason",
    "Records",
    "Refused",
    "Replica",
    "Role",
    "Sealing",
    "Source",
    "TargetRecord",
    "TokenRecord",
    "Trial",
    "UnknownRecord",
    "Unrevealed",
    "View",
    "compile_catalog",
    "revokes",
    "server_problems",
]
