"""Output in a form that the client set."""

import msgspec
import pytest

from llmgw_domain.chat import OutputFormat
from llmgw_protocols.messages.structured import closed_schema, demand

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{}}')
WANTED = OutputFormat(kind="json_schema", schema=SCHEMA)


def test_a_field_for_models_that_have_one() -> None:
    """The schema is closed, and only for models that can be held to it."""
    closed = closed_schema(WANTED, structured=True)
    assert closed is not None
    assert False is msgspec.json.decode(closed)["additionalProperties"]
    assert None is closed_schema(WANTED, structured=False)


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        OutputFormat(kind="text"),
        OutputFormat(kind="json_object"),
        OutputFormat(kind="json_schema"),
        OutputFormat(kind="json_schema", schema=msgspec.Raw(b'{"type":"object","additionalProperties":true}')),
    ],
)
def test_no_field(wanted: OutputFormat | None) -> None:
    """Free text, JSON of any form, and objects that must stay open have none."""
    assert None is closed_schema(wanted, structured=True)


def test_words() -> None:
    """A form is asked for with its schema, where it has one; free text with no word."""
    assert [None, None] == [demand(None), demand(OutputFormat(kind="text"))]
    assert "Schema" not in str(demand(OutputFormat(kind="json_object")))
    assert bytes(SCHEMA).decode() in str(demand(WANTED))
