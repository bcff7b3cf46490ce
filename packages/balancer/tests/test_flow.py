import pytest

from llmgw_balancer.flow import Flow


def test_a_steady_flow_is_what_comes_in_a_second():
    """Twenty a second are twenty, as soon as they have come for a few seconds."""
    flow = Flow()
    for n in range(200):
        flow.add(n / 20)
    assert pytest.approx(20, rel=0.05) == flow.at(199 / 20)


def test_what_came_fades():
    """At first nothing came; of a burst nothing is left after ten seconds."""
    flow = Flow()
    assert 0 == flow.at(5.0)
    for _ in range(100):
        flow.add(5.0)
    assert 100 == flow.at(5.0)
    assert pytest.approx(36.8, rel=0.01) == flow.at(6.0)
    assert flow.at(15.0) < 0.01
