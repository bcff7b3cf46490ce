"""When sessions are shared with nodes that do not tell."""

from llmgw_balancer.company import Company


def company(*, went_on: int = 10, placed: int = 100, met: int = 0) -> Company:
    made = Company()
    for _ in range(went_on):
        made.go_on()
    for _ in range(placed):
        made.place(0.0)
    for _ in range(met):
        made.meet(0.0)
    return made


def test_it_is_alone_until_it_meets_somebody():
    """A few are no proof."""
    assert company().alone(1.0)
    assert company(met=3).alone(1.0)
    assert not company(met=4).alone(1.0)


def test_it_does_not_think_itself_alone_at_first():
    """Nobody can be met before sessions go on."""
    assert not company(went_on=9).alone(1.0)
    assert company(placed=0).alone(1.0)
    assert not company(placed=0, went_on=0).alone(1.0)


def test_who_is_not_met_any_more_is_gone():
    """With time and the sessions that come; never by time alone, as while nobody comes nobody can be met."""
    found = company(met=10)
    assert not found.alone(3600.0)
    for _ in range(100):
        found.place(3600.0)
    assert found.alone(3600.0)
