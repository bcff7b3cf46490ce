import msgspec
import pytest

from llmgw_protocols import WireRequest
from llmgw_protocols.responses import opaque, sealed
from llmgw_protocols.responses.envelope import envelope
from llmgw_protocols.responses.sealed import Seal

THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
OURS = {**THOUGHT, "encrypted_content": sealed.write(Seal("anthropic", "signature", "s"))}
BARE = {
    "type": "reasoning",
    "id": "rs_2",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": None,
}
SHORT = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gBBB"}
ASKED = {"role": "user", "content": 'say "encrypted_content"'}
SAID = {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "Hi"}]}


def request(*items, **more):
    return envelope(WireRequest(body=msgspec.json.encode({"model": "m", "input": list(items), **more})))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ((ASKED, SAID), False),
        ((ASKED, OURS), False),
        ((ASKED, BARE), False),
        ((ASKED, THOUGHT), True),
        ((ASKED, SHORT), True),
        ((), False),
        (({"type": "reasoning", "encrypted_content": 7},), False),
    ],
)
def test_only_what_openai_sealed_is_opaque(items, expected):
    """What the gateway sealed, what is in the clear, and words about it are not."""
    assert expected == opaque.holds(request(*items))
    assert not opaque.holds(envelope(WireRequest(body=b'{"model": "m", "input": "encrypted_content"}')))


def test_reasoning_is_left_out_with_the_ids_that_ask_for_it():
    """Every other item and field stays as it was."""
    reference = {"type": "item_reference", "id": "x_1"}
    without = opaque.without_reasoning(request(ASKED, THOUGHT, SAID, OURS, reference, store=False, n=1.0))
    bare = {name: value for name, value in SAID.items() if name != "id"}
    ours = {name: value for name, value in OURS.items() if name != "id"}
    expected = {"model": "m", "input": [ASKED, bare, ours, reference], "store": False, "n": 1.0}
    assert expected == msgspec.json.decode(without.wire.body)
    assert b"1.0" in without.wire.body
    assert not opaque.holds(without)


@pytest.mark.parametrize("items", [(ASKED, THOUGHT, SHORT), (ASKED, SAID), (ASKED, SHORT)])
def test_a_conversation_that_is_sealed_itself_stays_whole(items):
    """Without it there would be nothing to go on with; and what holds nothing needs no other form."""
    assert opaque.without_reasoning(request(*items)) is None
