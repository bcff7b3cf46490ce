"""Which account holds a session: what names it, where it is pinned, and whether to stay there.

A provider's prompt cache belongs to one account. A session that is served by another pays for all of its input again,
so it stays where it was, unless waiting there would cost more.

Pure and synchronous: times and secrets come in as arguments, and nothing here remembers anything.
"""

from llmgw_affinity.pins import Pin, Stay, merged

__all__ = ["Pin", "Stay", "merged"]
