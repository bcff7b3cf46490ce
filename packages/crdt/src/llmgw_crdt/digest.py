"""What two nodes compare to see that they hold the same: a number for each live record, and the sum of them.

A sum does not depend on order, and goes along with each change: subtract the record's old number, add its new one.
Tombstones and the floor are left out, since one node collects earlier than another without being any different to see.
It finds differences between peers that trust each other; against a forger it is worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from llmgw_crdt.clock import Stamp

DIGEST_BYTES = 16
MODULUS = 1 << (8 * DIGEST_BYTES)


def record_number(
    kind: str, id: str, incarnation: Stamp, fields: Mapping[str, object], stamps: Mapping[str, Stamp]
) -> int:
    """The number of one live record: the same wherever its fields have the same values and stamps."""
    parts: list[str] = [kind, id, repr_of(incarnation)]
    for name in sorted(fields):
        parts += (name, repr_of(stamps[name]), canonical(fields[name]))
    # A separator that no part can hold unescaped would need escaping; lengths make the concatenation unambiguous.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest(), "big")


def canonical(value: object) -> str:
    """A JSON value as text: equal values give equal text, whatever the order of their names.

    It also settles which of two values with one and the same stamp wins (a cloned node's, which should not be): the
    greater text. So it tells 1, 1.0 and true apart, which Python's `==` does not.
    """
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{canonical(name)}:{canonical(value[name])}' for name in sorted(value))}}}"
    raise TypeError(f"a field holds JSON values, not {type(value).__name__}")


def repr_of(stamp: Stamp) -> str:
    return f"{stamp[0]}@{stamp[1]}"
