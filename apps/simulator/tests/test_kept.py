import pytest

from llmgw_simulator.ask import Ask
from llmgw_simulator.engine import decide
from llmgw_simulator.kept import Kept, Stored
from llmgw_simulator.wire import Parsed, Refusal

ASK = Ask(model="gpt-5", turns=())


def stored(name, history=()):
    response = {"id": name, "status": "completed", "output": [{"id": f"msg_{name}"}], "usage": {}, "completed_at": 1}
    items = [{"id": f"in_{name}"}]
    return Stored(response, items, list(history), Parsed(ask=ASK, stream=False), decide(ASK, 0), "completed")


def test_a_response_is_its_credentials_alone():
    """Others get what an unknown id gets."""
    kept = Kept()
    kept.put("key-1", stored("resp_1"))
    assert "resp_1" == kept.get("key-1", "resp_1").response["id"]
    for read in (kept.get, kept.history, kept.item):
        with pytest.raises(Refusal):
            read("key-2", "resp_1")


def test_the_history_is_all_that_came_before():
    """Inputs and outputs, oldest first."""
    kept = Kept()
    kept.put("key-1", stored("a"))
    kept.put("key-1", stored("b", kept.history("key-1", "a")))
    assert ["in_a", "msg_a", "in_b", "msg_b"] == [item["id"] for item in kept.history("key-1", "b")]
    assert {"id": "msg_a"} == kept.item("key-1", "msg_a")


def test_what_is_deleted_is_gone():
    """With its output items, in the provider's words."""
    kept = Kept()
    kept.put("key-1", stored("resp_1"))
    kept.delete("key-1", "resp_1")
    with pytest.raises(Refusal) as refused:
        kept.get("key-1", "resp_1")
    assert (404, "Response with id 'resp_1' not found.") == (refused.value.status, refused.value.message)
    with pytest.raises(Refusal) as refused:
        kept.history("key-1", "resp_1")
    assert (400, "previous_response_not_found") == (refused.value.status, refused.value.code)
    with pytest.raises(Refusal) as refused:
        kept.item("key-1", "msg_resp_1")
    assert 404 == refused.value.status
    assert "<Kept 0 responses>" == repr(kept)


def test_one_that_waits_shows_nothing_yet():
    """Until its status is that of the object."""
    waiting = stored("resp_1")
    waiting.status = "queued"
    assert ("queued", [], None) == tuple(waiting.shown()[name] for name in ("status", "output", "usage"))
    waiting.status = "completed"
    assert waiting.response is waiting.shown()


def test_the_oldest_are_forgotten():
    """When there are too many."""
    kept = Kept()
    for number in range(2001):
        kept.put("key-1", stored(f"resp_{number}"))
    assert "<Kept 2000 responses>" == repr(kept)
    with pytest.raises(Refusal):
        kept.get("key-1", "resp_0")
    kept.get("key-1", "resp_1")
