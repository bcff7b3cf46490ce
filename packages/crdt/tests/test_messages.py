"""What nodes say to each other, as values and as JSON."""

import msgspec
import pytest

from llmgw_crdt import RecordMap
from llmgw_crdt.messages import Beat, Deltas, Hello, Status, Whole, body_of, parse_message

STATUS = Status("a", {"a": 10, "b": 7}, "0" * 32, {"a": 3})


def every() -> list:
    records = RecordMap("a")
    written = records.write(10, "account", "x", {"pool": "p"})
    deleted = records.delete(11, "account", "x")
    return [Hello(STATUS), Beat(STATUS), Deltas(STATUS, (written, deleted)), Whole(STATUS, records.dump(), True)]


@pytest.mark.parametrize("message", every(), ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message):
    """As JSON, it is the same at the other end."""
    assert message == parse_message(msgspec.json.decode(msgspec.json.encode(body_of(message))))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"is": "hello"},
        {**body_of(Hello(STATUS)), "is": "weather"},
        {**body_of(Hello(STATUS)), "status": {**body_of(Hello(STATUS))["status"], "vector": {"a": "x"}}},
        {**body_of(Deltas(STATUS, ())), "deltas": [["a", 1]]},
        {**body_of(Whole(STATUS, {}, False)), "dump": 5},
    ],
)
def test_what_is_no_message_is_refused(body):
    """Of a later release, or of something else altogether."""
    with pytest.raises(ValueError, match=r"message|stamp|later release"):
        parse_message(body)
