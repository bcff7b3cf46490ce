"""Embeddings: unit vectors that follow from a text and a model, so that equal texts have equal vectors."""

from __future__ import annotations

import hashlib
import math
from random import Random


def vector(text: str, model: str, dimensions: int, *, unit: bool = True) -> list[float]:
    """The embedding of `text`; without `unit` it is three times as long as one."""
    rand = Random(hashlib.sha256(f"{model}\0{text}".encode()).digest())
    raw = [rand.gauss() for _ in range(dimensions)]
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    scale = (1.0 if unit else 3.0) / length
    return [round(value * scale, 9) for value in raw]
