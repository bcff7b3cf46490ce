import math

from llmgw_simulator.vectors import vector


def test_vectors_are_unit_and_repeat():
    """Equal texts of one model have the same; another text, model or size another."""
    first = vector("a", "m", 64)
    assert first == vector("a", "m", 64)
    assert 3 == len({tuple(v[:8]) for v in (first, vector("b", "m", 64), vector("a", "n", 64))})
    assert math.isclose(1.0, math.hypot(*first), rel_tol=1e-6)
    assert math.isclose(3.0, math.hypot(*vector("a", "m", 64, unit=False)), rel_tol=1e-6)
