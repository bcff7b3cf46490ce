"""Which account serves a call: what each one may take, what it has, and what its calls told of it.

`Balancer` is the door; there is one in each worker. It is pure and synchronous: it decides over what is in memory and
takes the lease in the same step, so no other task can see an account as free in between. A lease counts until it is
released, to the end of its stream; it is released once however often it is asked to. Time and chance are arguments.
"""

from llmgw_balancer.balancer import Balancer
from llmgw_balancer.choice import Exclusion, Pick, Score, Wanted
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.roster import Others
from llmgw_balancer.slots import Lease, Slots
from llmgw_balancer.states import AccountState, Circuit, OtherLoad, Outcome, Pause

__all__ = [
    "AccountState",
    "BalanceConfig",
    "Balancer",
    "Circuit",
    "Exclusion",
    "Lease",
    "OtherLoad",
    "Others",
    "Outcome",
    "Pause",
    "Pick",
    "Score",
    "Slots",
    "Wanted",
]
