import pytest

from llmgw_simulator.dialects.gemini_thoughts import check_signatures
from llmgw_simulator.opaque import sign
from llmgw_simulator.wire import Refusal

USER = {"role": "user", "parts": [{"text": "x"}]}
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def call(signature=None, name="f"):
    part = {"functionCall": {"name": name}}
    return part | ({"thoughtSignature": signature} if signature else {})


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def answer(name="f"):
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}}]}


def signed(name="f"):
    return sign(f"call {name}", "n", "gemini")


def refused(*contents, must_sign=True, vertex=False):
    with pytest.raises(Refusal) as caught:
        check_signatures(list(contents), must_sign=must_sign, vertex=vertex)
    return caught.value.message


@pytest.mark.parametrize("signature", [signed(), signed().rstrip("="), DUMMY, "skip_thought_signature_validator"])
def test_its_own_or_the_dummy(signature):
    """In either alphabet of base64; only the first of parallel calls has one."""
    check_signatures([USER, model(call(signature), call()), answer()], must_sign=True, vertex=False)


def test_a_missing_one_is_missed_in_the_current_turn_only():
    """Older turns may have lost theirs."""
    check_signatures([USER, model(call()), answer(), model({"text": "a"}), USER], must_sign=True, vertex=False)
    check_signatures([USER, model(call()), answer()], must_sign=False, vertex=False)
    message = refused(USER, model(call(signed())), answer(), model(call()), answer())
    assert "Function call is missing a thought_signature" in message
    assert "`default_api:f` , position 4." in message
    vertex = refused(USER, model(call()), answer(), vertex=True)
    assert "function call `default_api:f` in the 2. content block is missing a `thought_signature`" in vertex


@pytest.mark.parametrize(
    "part",
    [
        call(signed("g")),
        call(sign("", "n", "gemini")),
        call(sign("call f", "n", "claude")),
        call("A" + signed()[1:]),
        {"text": "x", "thoughtSignature": signed()},
    ],
    ids=["moved", "of a text", "of another provider", "altered", "on a text"],
)
def test_another_is_refused(part):
    """Whether or not the model demands any, and in old turns too."""
    for must_sign in (True, False):
        assert "Corrupted thought signature." == refused(USER, model(part), answer(), USER, must_sign=must_sign)
    assert "Thought signature is not valid." == refused(USER, model(part), vertex=True)
