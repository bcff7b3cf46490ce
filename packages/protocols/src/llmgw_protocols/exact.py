"""JSON that has to be looked into and goes on: what is read here is written again with the numbers that it had.

A float would change a long decimal and can't hold `1e400`, so decimals are read as `Decimal`, digit by digit.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Any

import msgspec


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except DecimalException:
        raise ValueError(f"the number {text[:40]} is out of range") from None


_decode = msgspec.json.Decoder(float_hook=_decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def read(raw: bytes | msgspec.Raw) -> Any:
    """The value of JSON text. Raises msgspec's errors and `RecursionError`."""
    return _decode(raw)


def write(value: Any) -> msgspec.Raw:
    """A value as JSON text."""
    return msgspec.Raw(_encode(value))
