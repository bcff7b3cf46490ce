"""Pins in one process merge, and are bounded."""

from __future__ import annotations

from llmgw_affinity import Pin, Stay, merged
from llmgw_relay.pins import MemoryPins


def pin(key: str, account: str = "a", since: int = 1, **more: object) -> Pin:
    stay = Stay(account=account, since=since, node="n", **more)  # type: ignore[arg-type]
    return Pin(key=key, epoch=0, home=stay, current=stay)


async def test_what_was_put_is_known_and_found() -> None:
    """And nothing else is."""
    pins = MemoryPins()
    pins.put(pin("x"), changed=True)
    assert pin("x") == pins.known("x") == await pins.find("x")
    assert (None, None) == (pins.known("y"), await pins.find("y"))


def test_what_is_put_merges_with_what_is_known() -> None:
    """Whichever comes first."""
    early, late = pin("x", "a", 1), pin("x", "b", 2, cached=10, told=3)
    for order in ([early, late], [late, early], [late, early, late]):
        pins = MemoryPins()
        for each in order:
            pins.put(each, changed=False)
        assert merged(early, late) == pins.known("x")
    assert merged(early, late) == pins.merge(early)


def test_pins_are_bounded() -> None:
    """The one that was looked at longest ago goes first."""
    pins = MemoryPins(limit=2)
    for key in ("x", "y"):
        pins.merge(pin(key))
    pins.known("x")
    pins.merge(pin("z"))
    assert ["x", "z"] == [each.key for each in pins]
    assert 2 == len(pins)
    assert "<MemoryPins 2 of 2>" == repr(pins)
