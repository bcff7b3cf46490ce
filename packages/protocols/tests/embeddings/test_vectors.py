import base64
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.errors import UpstreamMalformed
from llmgw_protocols.embeddings.vectors import as_base64, as_numbers, counted, is_base64

FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20)


@given(FLOATS)
def test_a_vector_survives_the_way_to_base64_and_back(numbers):
    """32-bit floats lose nothing in either form."""
    there = as_base64(msgspec.Raw(msgspec.json.encode(numbers)))
    assert numbers == msgspec.json.decode(as_numbers(there))


def test_base64_is_little_endian():
    """As OpenAI's SDKs unpack it on every machine."""
    packed = msgspec.json.decode(as_base64(msgspec.Raw(b"[1, -0.5]")))
    assert struct.pack("<2f", 1.0, -0.5) == base64.b64decode(packed)


def test_a_form_that_fits_is_left_as_it_is():
    """Not a digit of the provider's changes unless the form has to."""
    numbers, text = msgspec.Raw(b"[0.1000000000000000001]"), msgspec.Raw(b'"AACAPw=="')
    assert (numbers, text) == (as_numbers(numbers), as_base64(text))
    assert (False, True) == (is_base64(numbers), is_base64(text))


@pytest.mark.parametrize("raw", [b'[1,"x"]', b"{}", b"7", b"[1e300]"])
def test_what_is_no_vector_is_the_provider_s_fault(raw):
    """Nothing but an array of numbers can be packed."""
    with pytest.raises(UpstreamMalformed):
        as_base64(msgspec.Raw(raw))


@pytest.mark.parametrize("raw", [b'"AAA"', b'"AAAA"', b'"!!!!"'])
def test_what_is_no_packed_vector_is_the_provider_s_fault(raw):
    """Neither broken base64 nor half a float."""
    with pytest.raises(UpstreamMalformed):
        as_numbers(msgspec.Raw(raw))


def test_an_unsaid_count_is_estimated_and_marked():
    """A reported one is taken as it is."""
    assert ("reported", 7) == (counted(7, ["x"]).provenance, counted(7, ["x"]).input)
    assert ("estimated", 3) == (counted(None, ["12345", "1"]).provenance, counted(None, ["12345", "1"]).input)
