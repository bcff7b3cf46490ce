"""Tests of the dialect as a whole."""

import msgspec
import pytest

from llmgw_domain import errors
from llmgw_protocols.dialect import Dialect, EncodeContext, StreamForm, WireRequest
from llmgw_protocols.gemini import GEMINI


def test_it_is_a_dialect() -> None:
    """The object fulfils the contract that the relay relies on."""
    dialect: Dialect = GEMINI
    assert (dialect.name, dialect.family) == ("gemini", "google")


@pytest.mark.parametrize(
    ("stream", "form", "expected"),
    [
        (True, "sse", "text/event-stream"),
        (True, "array", "application/json"),
        (False, "sse", "application/json; charset=UTF-8"),
    ],
)
def test_content_type(stream: bool, form: StreamForm, expected: str) -> None:
    """An answer has the media type that Google's has."""
    assert expected == GEMINI.content_type(stream=stream, form=form)


def test_an_error_to_a_client() -> None:
    """An error before the stream has Google's envelope and its own status."""
    error = errors.UnknownModel("No such model.")
    body = msgspec.json.decode(GEMINI.error_body(error, "req"))
    assert body == {"error": {"code": 404, "message": "No such model.", "status": "NOT_FOUND"}}
    assert GEMINI.status_of(error) == 404


def test_a_fault() -> None:
    """A provider's refusal is read."""
    assert errors.Overloaded is type(GEMINI.fault(503, {}, b""))


def test_decoder_and_encoder_take_the_form() -> None:
    """Both sides of a stream follow the form that the client asked for."""
    encoder = GEMINI.encoder(EncodeContext(model="m", request_id="r", created=1, form="array"))
    frames = GEMINI.decoder(form="array").feed(encoder.end())
    assert [frames[0].raw[:1], frames[-1].raw] == [b"[", b"\r\n]"]


def test_parse_takes_what_envelope_gives() -> None:
    """A request goes from the wire to the canonical form."""
    envelope = GEMINI.envelope(WireRequest(body=b'{"contents":[{"parts":[{"text":"hi"}]}]}', path_model="m"))
    assert GEMINI.parse(envelope).model == "m"
