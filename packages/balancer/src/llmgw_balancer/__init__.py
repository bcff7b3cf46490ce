"""Which account serves a call, and how many calls each one serves.

Pure and synchronous: `acquire` decides over numbers that are already in memory and takes the lease in the same step,
so no other task can see the account as free in between. A lease counts until it is released, to the end of its
stream; it is released once however often it is asked to. Chance comes in as an argument.
"""

from llmgw_balancer.choice import Exclusion, Pick, acquire
from llmgw_balancer.signals import Doubt, Signals
from llmgw_balancer.slots import Lease, Slots

__all__ = ["Doubt", "Exclusion", "Lease", "Pick", "Signals", "Slots", "acquire"]
