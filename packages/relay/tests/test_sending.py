import msgspec
import pytest

from llmgw_domain.errors import InvalidField, TooLarge
from llmgw_protocols.multipart import Form
from llmgw_relay.sending import MAX_JSON, Sending
from llmgw_relay.testing import MemoryUpload

HEAD = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nmine\r\n--b\r\n'
TAIL = b'content-disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"x" * 100 + b"\r\n--b--\r\n"
LARGE = 2 * 1024 * 1024


async def streamed(sending, model):
    return b"".join([piece async for piece in sending.rest(model)])


async def test_json_is_held_and_its_model_replaced():
    """Nothing is streamed; where no model is meant it stays as it is."""
    sending = await Sending.of_json(MemoryUpload(b'{"model":"mine",', b'"x":1}'))
    assert "mine" == sending.model()
    assert {"model": "theirs", "x": 1} == msgspec.json.decode(sending.body("theirs"))
    assert (b'{"model":"mine","x":1}', None, None) == (sending.body(""), sending.rest(""), sending.length(""))


async def test_json_is_bounded():
    """It is read no further than the limit."""
    with pytest.raises(TooLarge):
        await Sending.of_json(MemoryUpload(b"x" * MAX_JSON, b"x"))


@pytest.mark.parametrize("names_model", [False, True])
async def test_a_small_form_is_held(names_model):
    """All of it, so that it can be sent again."""
    upload = MemoryUpload(HEAD, TAIL)
    size = len(HEAD + TAIL)
    sending = await Sending.of_form(upload, Form(b"b"), size, names_model=names_model)
    assert (size, None, HEAD + TAIL) == (upload.held, sending.rest(""), sending.body(""))
    assert HEAD.replace(b"mine", b"theirs") + TAIL == sending.body("theirs")


@pytest.mark.parametrize("declared", [len(HEAD) * 2, LARGE])
async def test_a_form_that_names_two_models(declared):
    """The second one is found in what is held and in what is streamed."""

    async def send():
        sending = await Sending.of_form(MemoryUpload(HEAD, HEAD[5:]), Form(b"b"), declared, names_model=True)
        await streamed(sending, "theirs")

    with pytest.raises(InvalidField, match="twice"):
        await send()


@pytest.mark.parametrize("declared", [LARGE, None])
async def test_of_another_form_as_much_as_names_the_model(declared):
    """Then the rest is streamed behind it, once; the length follows the name's."""
    upload = MemoryUpload(HEAD, TAIL)
    sending = await Sending.of_form(upload, Form(b"b"), declared, names_model=True)
    assert (len(HEAD), "mine", b"", False) == (upload.held, sending.model(), sending.body("theirs"), sending.begun)
    assert (declared and declared + 2) == sending.length("theirs")
    assert (HEAD.replace(b"mine", b"theirs") + TAIL, True) == (await streamed(sending, "theirs"), sending.begun)


async def test_a_large_form_without_a_model_is_not_looked_into():
    """It is streamed from its first byte."""
    upload = MemoryUpload(HEAD, TAIL)
    sending = await Sending.of_form(upload, Form(b"b"), LARGE, names_model=False)
    assert (0, LARGE, HEAD + TAIL) == (upload.held, sending.length(""), await streamed(sending, ""))


@pytest.mark.parametrize("declared", [10, None])
async def test_a_form_has_to_name_its_model(declared):
    """Where a model is asked for."""
    with pytest.raises(InvalidField, match="'model'"):
        await Sending.of_form(MemoryUpload(b"--b--\r\n"), Form(b"b"), declared, names_model=True)
