import math

import pytest

from llmgw_balancer import BalanceConfig


def test_the_defaults_have_no_problems():
    assert {} == BalanceConfig().problems()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bound", 1.0),
        ("bound", math.nan),
        ("spread", 0),
        ("bound_seconds", 0.0),
        ("failures", 0),
        ("error_rate", 0.0),
        ("error_rate", 1.1),
        ("open_seconds", -1.0),
        ("most_open_seconds", 1.0),
        ("probes", 0),
        ("slow_start_seconds", -1.0),
        ("most_ejected", 1.0),
        ("pause_seconds", math.inf),
        ("overloaded_seconds", 0.0),
        ("exhausted_seconds", 0.0),
        ("disabled_seconds", 0.0),
    ],
)
def test_what_makes_no_sense_is_named(field, value):
    """Each problem stands under its field, and no other field has one."""
    assert [field] == list(BalanceConfig(**{field: value}).problems())
