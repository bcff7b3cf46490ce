import msgspec
import pytest

from llmgw_simulator.openai.page import as_json, page_of, sse
from llmgw_simulator.wire import Refusal

ROWS = [{"id": f"id-{number}"} for number in range(5)]


def ids(**query):
    page = page_of(ROWS, query, 20, 100)
    return [row["id"][3:] for row in page["data"]], page["has_more"]


def test_the_newest_come_first():
    """Unless they shall not."""
    assert (list("43210"), False) == ids()
    assert (list("01234"), False) == ids(order="asc")


def test_pages():
    """Each begins after the last of the one before."""
    assert (list("43"), True) == ids(limit="2")
    assert (list("21"), True) == ids(limit="2", after="id-3")
    assert (list("0"), False) == ids(limit="2", after="id-1")
    page = page_of(ROWS, {"limit": "2"}, 20, 100)
    assert ("list", "id-4", "id-3") == (page["object"], page["first_id"], page["last_id"])
    assert (None, None) == (page_of([], {}, 20, 100)["first_id"], page_of([], {}, 20, 100)["last_id"])


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"limit": "0"}, 400, "limit"),
        ({"limit": "101"}, 400, "limit"),
        ({"limit": "x"}, 400, "limit"),
        ({"order": "x"}, 400, "order"),
        ({"after": "id-9"}, 404, "after"),
    ],
)
def test_what_is_refused(query, status, param):
    """Limits out of bounds, unknown orders and places."""
    with pytest.raises(Refusal) as found:
        page_of(ROWS, query, 20, 100)
    assert (status, param) == (found.value.status, found.value.param)


def test_answers():
    """JSON whole and as an event."""
    product = as_json({"a": 1}, 3)
    assert (b'{"a":1}', 3, "application/json") == (product.body, product.tokens, product.headers["content-type"])
    assert {"a": 1} == msgspec.json.decode(sse({"a": 1})[6:-2])
