"""The use case: administer. Records go in, an immutable `Catalog` comes out and is published by one assignment.

Records (`records`) are what an operator wrote, checked for type only. `compile_catalog` checks everything else, reports
every problem at once, and resolves references to secrets through a function that it is given: nothing here reads a
file, an environment or a clock. `Control` holds the catalog that is served now.
"""

from llmgw_control._servers import server_problems
from llmgw_control.compile import compile_catalog
from llmgw_control.control import Control
from llmgw_control.records import (
    AccountRecord,
    AwsKeysRecord,
    DeadlinesRecord,
    KeyRecord,
    ModelRecord,
    PolicyRecord,
    Records,
    TargetRecord,
)
from llmgw_control.refusal import Reason, Refused, Unrevealed

__all__ = [
    "AccountRecord",
    "AwsKeysRecord",
    "Control",
    "DeadlinesRecord",
    "KeyRecord",
    "ModelRecord",
    "PolicyRecord",
    "Reason",
    "Records",
    "Refused",
    "TargetRecord",
    "Unrevealed",
    "compile_catalog",
    "server_problems",
]
