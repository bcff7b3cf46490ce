from llmgw_domain import Catalog
from llmgw_relay.objects import MemoryObjects
from llmgw_relay.parts import Parts, RelayConfig
from llmgw_relay.pins import MemoryPins
from llmgw_relay.testing import MemoryFacts, ScriptedUpstream


def made(**more) -> Parts:
    catalog = Catalog.of(version="v")
    return Parts.of(
        current=lambda: catalog,
        upstream=ScriptedUpstream(),
        facts=MemoryFacts(),
        clock=lambda: 0.0,
        wall=lambda: 5.0,
        rand=lambda: 0.0,
        **more,
    )


def test_what_is_not_given_is_in_memory():
    """And counts from one."""
    parts = made(config=RelayConfig(max_waiting=7))
    assert isinstance(parts.pins, MemoryPins)
    assert (1, 2) == (parts.stamp(), parts.stamp())
    assert (5.0, None) == (parts.session_wall(), parts.session_keys())
    assert 0 == len(parts.queue)


def test_what_is_given_is_taken_also_while_it_is_empty():
    """A store that holds nothing yet is as good as any."""
    pins, objects = MemoryPins(), MemoryObjects(lambda: 0.0)
    parts = made(pins=pins, objects=objects)
    assert (True, True) == (parts.pins is pins, parts.objects is objects)
