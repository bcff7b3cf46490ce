import pytest
from anthropic.types import ModelInfo
from google.genai.types import Model as GeminiModel
from openai.types import Model

from llmgw_simulator.models import anthropic_models, gemini_models, openai_models
from llmgw_simulator.wire import Refusal

NAMES = ("a", "b/c")


def test_lists_hold_every_model_in_the_shape_of_the_sdk():
    """Each provider's own type takes each entry."""
    assert ["a", "b/c"] == [Model.model_validate(one).id for one in openai_models(NAMES, None)["data"]]
    listed = anthropic_models(NAMES, None)
    assert ["a", "b/c"] == [ModelInfo.model_construct(**one).id for one in listed["data"]]
    assert (False, "a", "b/c") == (listed["has_more"], listed["first_id"], listed["last_id"])
    names = [GeminiModel.model_validate(one, extra="ignore").name for one in gemini_models(NAMES, None)["models"]]
    assert ["models/a", "models/b/c"] == names


def test_one_model_can_be_asked_for():
    """By its name."""
    assert ("b/c", "b/c") == (openai_models(NAMES, "b/c")["id"], anthropic_models(NAMES, "b/c")["id"])
    assert "models/b/c" == gemini_models(NAMES, "b/c")["name"]


@pytest.mark.parametrize("listing", [openai_models, anthropic_models, gemini_models])
def test_an_unknown_model_is_not_found(listing):
    """With 404."""
    with pytest.raises(Refusal) as caught:
        listing(NAMES, "x")
    assert 404 == caught.value.status


def test_lists_have_pages():
    """Anthropic's by ids, Google's by tokens."""
    names = tuple(f"m{number}" for number in range(5))
    page = anthropic_models(names, None, {"limit": "2", "after_id": "m1"})
    assert (["m2", "m3"], True, "m2", "m3") == (
        [model["id"] for model in page["data"]],
        page["has_more"],
        page["first_id"],
        page["last_id"],
    )
    before = anthropic_models(names, None, {"limit": "2", "before_id": "m1"})
    assert (["m0"], False) == ([model["id"] for model in before["data"]], before["has_more"])
    assert [] == anthropic_models((), None)["data"]
    first = gemini_models(names, None, {"pageSize": "3"})
    rest = gemini_models(names, None, {"pageSize": "3", "pageToken": first["nextPageToken"]})
    assert (3, 2, False) == (len(first["models"]), len(rest["models"]), "nextPageToken" in rest)


@pytest.mark.parametrize(
    ("listing", "query", "status"),
    [
        (anthropic_models, {"limit": "0"}, 400),
        (anthropic_models, {"limit": "x"}, 400),
        (anthropic_models, {"after_id": "x"}, 404),
        (gemini_models, {"pageSize": "2000"}, 400),
        (gemini_models, {"pageToken": "x"}, 400),
    ],
)
def test_wrong_pages_are_refused(listing, query, status):
    """Before anything is listed."""
    with pytest.raises(Refusal) as caught:
        listing(NAMES, None, query)
    assert status == caught.value.status
