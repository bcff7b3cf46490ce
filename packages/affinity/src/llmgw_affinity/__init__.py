"""Which account holds a session: what names it, where it is pinned, and whether to stay there.

A provider's prompt cache belongs to one account. A session that is served by another pays for all of its input again,
so it stays where it was, unless waiting there would cost more.

What a call goes through: what its client says of the session (`carriers`), or else what its content says
(`fingerprint`), becomes a key (`keys`), and where only content names it, `crowd` says whether that is one conversation
at all. The key's pin (`pins`) and the standing of its accounts give a decision (`decide`). The placed turn changes the
pin (`placing`), and so does its answer, which tells what is cached (`warmth`) and what was lost (`loss`).

The modules are second doors: the types that go in and out of these functions are imported from there.

Pure and synchronous: times and secrets come in as arguments, and nothing here remembers anything but the calls in
flight that a `Crowd` counts.
"""

from llmgw_affinity.carriers import carried
from llmgw_affinity.crowd import Crowd
from llmgw_affinity.decide import Decision, Standing, Terms, decide
from llmgw_affinity.fingerprint import fingerprint
from llmgw_affinity.keys import SessionKeys
from llmgw_affinity.loss import lost
from llmgw_affinity.pins import Pin, Stay, merged
from llmgw_affinity.placing import answered, placed
from llmgw_affinity.warmth import asked, rule

__all__ = [
    "Crowd",
    "Decision",
    "Pin",
    "SessionKeys",
    "Standing",
    "Stay",
    "Terms",
    "answered",
    "asked",
    "carried",
    "decide",
    "fingerprint",
    "lost",
    "merged",
    "placed",
    "rule",
]
