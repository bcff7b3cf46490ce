"""The use case: administer. Records go in, an immutable `Catalog` comes out and is published by one assignment.

Records (`records`) are what an operator wrote. There are two ways to a catalog:

- a file, as a whole: `compile_catalog` checks everything, reports every problem at once, and gives no catalog then;
- records that change one by one: the `Replica` merges them and lays the file over them, the `Compiler` makes the
  catalog, always, and puts into quarantine what is broken.

`Administration` takes the commands of administrators: refused if they would break something, else journalled, merged
and published. `Control` holds the catalog that is served now. References to secrets are resolved, time is told and
chance is drawn by functions that are given: nothing here reads a file, an environment or a clock.

`records` (what is administered), `views` (what goes in and out of `Administration`), `refusal` (what it refuses with),
`sources` (what changed), `publishing` (when to publish) and `ports` (what it needs) are documented second doors: import
the rest of their names from there. `testing` has a whole control side without an outside.
"""

from llmgw_control._servers import server_problems
from llmgw_control.administration import Administration
from llmgw_control.compile import compile_catalog
from llmgw_control.compiler import Compiler
from llmgw_control.control import Control
from llmgw_control.publishing import Pace
from llmgw_control.records import AccountRecord, KeyRecord, ModelRecord, PolicyRecord, Records, TargetRecord
from llmgw_control.refusal import Reason, Refused, Unrevealed
from llmgw_control.replica import Replica

__all__ = [
    "AccountRecord",
    "Administration",
    "Compiler",
    "Control",
    "KeyRecord",
    "ModelRecord",
    "Pace",
    "PolicyRecord",
    "Reason",
    "Records",
    "Refused",
    "Replica",
    "TargetRecord",
    "Unrevealed",
    "compile_catalog",
    "server_problems",
]
