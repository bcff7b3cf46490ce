import msgspec
import pytest
from openai.types import ModerationCreateResponse

from llmgw_simulator.openai.moderations import moderate
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal


def answer(given, **more):
    return msgspec.json.decode(moderate(incoming_of("/v1/moderations", {"input": given, **more})).body)


def test_a_text_is_flagged_for_what_it_says():
    """Each text by itself."""
    found = answer(["lovely", "so much violence"])
    ModerationCreateResponse.model_validate(found, strict=True)
    assert [False, True] == [result["flagged"] for result in found["results"]]
    assert ["violence"] == [name for name, flag in found["results"][1]["categories"].items() if flag]
    assert found["results"][1]["category_scores"]["violence"] > 0.9


def test_parts_are_judged_together():
    """A picture is looked at for some categories only."""
    found = answer([{"type": "text", "text": "hate"}, {"type": "image_url", "image_url": {"url": "https://x"}}])
    (result,) = found["results"]
    assert result["categories"]["hate"]
    assert (["text", "image"], ["text"]) == tuple(
        result["category_applied_input_types"][n] for n in ("violence", "hate")
    )


@pytest.mark.parametrize("given", [None, [], 5, [{"type": "audio"}]])
def test_what_is_no_input_is_refused(given):
    """And unknown fields."""
    with pytest.raises(Refusal):
        answer(given)
    with pytest.raises(Refusal, match="Unknown parameter: 'x'"):
        answer("x", x=1)
