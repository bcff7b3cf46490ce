import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.errors import InvalidField
from llmgw_protocols.multipart import Form, boundary_of

FILE = b'--b\r\ncontent-disposition: form-data; name="file"; filename="model"\r\n\r\n' + b"x" * 100 + b"\r\n--c\r\n\r\n"
MODEL = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim/whisper\r\n'
OTHER = b'--b\r\nContent-Disposition: form-data; name="models"\r\n\r\nno\r\n'
END = b"--b--\r\n"


@pytest.mark.parametrize("body", [MODEL + FILE + END, OTHER + MODEL + FILE + END, FILE + MODEL + END])
@given(data=st.data())
def test_the_model_is_found_wherever_the_form_is_cut(body, data):
    """And whatever stands around it; it can be replaced without touching anything else."""
    form, left = Form(b"b"), body
    while form.model is None and left:
        size = data.draw(st.integers(1, len(left)))
        form.feed(left[:size])
        left = left[size:]
    assert "sim/whisper" == form.model
    assert body == form.held + left
    assert body.replace(b"sim/whisper", b"whisper-1") == form.with_model("whisper-1") + left


def test_only_what_stands_before_it_is_held():
    """A file that follows is not waited for."""
    form = Form(b"b")
    form.feed(MODEL + FILE[:80])
    assert "sim/whisper" == form.model


@pytest.mark.parametrize("rest", [MODEL, FILE + MODEL, OTHER + FILE + MODEL + END])
@given(data=st.data())
def test_a_second_model_is_noticed_wherever_the_form_is_cut(rest, data):
    """A reader of forms may take the last one."""
    with pytest.raises(InvalidField, match="twice"):
        watch_in_pieces(MODEL + rest, lambda left: data.draw(st.integers(1, left)))


def watch_in_pieces(left, size):
    form = Form(b"b")
    while left:
        piece = left[: size(len(left))]
        left = left[len(piece) :]
        if form.model is not None:
            form.watch(piece)
            continue
        form.feed(piece)
        if form.model is not None:
            form.watch()


@given(sizes=st.lists(st.integers(1, 60)))
def test_what_follows_the_model_passes(sizes):
    """Files that hold what looks like a model, and what comes behind the end."""
    form, left = Form(b"b"), MODEL + FILE + OTHER + END + MODEL
    form.feed(MODEL + b"--b")
    form.watch()
    left = left[len(MODEL) + 3 :]
    for size in sizes:
        form.watch(left[:size])
        left = left[size:]
    form.watch(left)
    assert form.ended


def test_little_is_held_of_what_follows():
    """However much that is."""
    form = Form(b"b")
    form.feed(MODEL + FILE)
    form.watch()
    for _ in range(100):
        form.watch(b"x" * 10_000)
    assert len(form._tail) < 100


def test_a_form_without_a_model_ends():
    """What follows its end is not looked at."""
    form = Form(b"b")
    form.feed(FILE + END + MODEL)
    assert (None, True) == (form.model, form.ended)


@pytest.mark.parametrize(
    "body",
    [
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n' + b"m" * 2000,
        b"--b\r\n" + b"x" * 20_000,
    ],
)
def test_what_grows_without_end_is_refused(body):
    """Neither a name nor a head is long."""
    with pytest.raises(InvalidField):
        Form(b"b").feed(body)


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
    ],
)
def test_the_boundary_of_a_content_type(text, boundary):
    """Quoted or not."""
    assert boundary == boundary_of(text)


@pytest.mark.parametrize("text", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="])
def test_a_content_type_without_one_is_refused(text):
    """It is said what to send."""
    with pytest.raises(InvalidField, match="boundary"):
        boundary_of(text)
