"""Bodies on their way in."""

from llmgw_simulator import SimulatorConfig
from llmgw_simulator.intake import Intake


def intake(headers=None, **config) -> Intake:
    return Intake(SimulatorConfig(**config), "POST", "/v1/a%2Fb?x=1&y=a%20b", headers or {})


def test_the_target_is_read():
    """The path without its escapes, the query, and both as they were sent."""
    incoming = intake().incoming(lambda: 7)
    assert ("/v1/a/b", {"x": "1", "y": "a b"}) == (incoming.path, incoming.query)
    assert ("/v1/a%2Fb?x=1&y=a%20b", 7, b"") == (incoming.target, incoming.serial, incoming.body)


def test_a_body_in_pieces():
    taken = intake()
    assert taken.feed(b"one")
    assert taken.feed(b"two")
    assert b"onetwo" == taken.incoming(lambda: 1).body


def test_a_body_over_the_limit():
    """By its declared length, or as it comes."""
    assert intake({"content-length": "11"}, max_body=10).too_large
    taken = intake(max_body=10)
    assert (True, False, True) == (taken.feed(b"x" * 10), taken.feed(b"x"), taken.too_large)
    assert b"" == taken.incoming(lambda: 1).body


FORM = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n'


def test_a_form_has_fields_and_one_that_can_not_be_read_has_none():
    headers = {"content-type": "multipart/form-data; boundary=b"}
    whole, broken = intake(headers), intake(headers)
    for place in range(0, len(FORM), 7):
        whole.feed(FORM[place : place + 7])
    broken.feed(FORM[:30])
    assert {"model": ["m"]} == whole.incoming(lambda: 1).form.fields
    assert {} == broken.incoming(lambda: 1).form.fields


def test_control_paths_take_no_number():
    """The log counts what it shows."""
    control = Intake(SimulatorConfig(), "GET", "/_sim/log", {})
    assert 0 == control.incoming(lambda: 1 / 0).serial


def test_a_window_that_is_to_stay_shut():
    """By the header alone; one that cannot be read is refused later, with the whole request."""
    wishes = ["no-window", '{"no-window": true}', "no-window=false", "status=429", "nonsense", "{"]
    assert [True, True, False, False, False, False] == [intake({"x-sim-fault": wish}).shut for wish in wishes]
    assert not intake().shut
