import msgspec
import pytest

from llmgw_crdt import RecordMap
from llmgw_crdt.messages import Beat, Deltas, Hello, Status, Whole, body_of, parse_message

STATUS = Status("a", {"a": 1, "b": 2**62}, "0" * 32, {"a": 1})


def deltas():
    author = RecordMap("a")
    return author, (
        author.write(1, "model", "vendor/m", {"x": [1, {"y": None}]}),
        author.write(2, "model", "vendor/m", {"x": 2.5}),
        author.delete(3, "model", "vendor/m"),
    )


@pytest.mark.parametrize(
    "message",
    [
        Hello(STATUS),
        Beat(STATUS),
        Deltas(STATUS, ()),
        Deltas(STATUS, deltas()[1]),
        Whole(STATUS, deltas()[0].dump()),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_json(message):
    """What a link sends as JSON is the same message at its other end."""
    assert message == parse_message(msgspec.json.decode(msgspec.json.encode(body_of(message))))


GOOD = body_of(Beat(STATUS))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (GOOD | {"is": "gossip"}, "no message is called 'gossip'; the peer may be of a later release"),
        ({"is": "beat"}, "not a message between nodes: KeyError('status')"),
        (GOOD | {"is": "deltas"}, "not a message between nodes: KeyError('deltas')"),
        (GOOD | {"is": "deltas", "deltas": [["a", "1", "k/x", False, {}]]}, "a stamp is [hlc, node], not ('1', 'a')"),
        (GOOD | {"status": GOOD["status"] | {"vector": {"a": -1}}}, "a stamp is [hlc, node], not (-1, 'a')"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(body, reason):
    """A link tells its operator what a peer sent that can't be read."""
    with pytest.raises(ValueError) as refused:
        parse_message(body)
    assert reason == str(refused.value)
