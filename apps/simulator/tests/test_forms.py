import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_simulator.forms import BadForm, FormReader, boundary_of

BODY = (
    b'--mark\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--mark\r\ncontent-disposition: form-data; name="file"; filename="a \\"b\\".jsonl"\r\n'
    b"Content-Type: application/jsonl\r\n\r\none\r\n--mar\r\n\r\ntwo\r\n"
    b'--mark\r\nContent-Disposition: form-data; name="empty"; filename="none"\r\n\r\n\r\n'
    b"--mark--\r\n"
)


def read(*pieces):
    reader = FormReader("mark")
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def checked(form):
    assert {"purpose": ["batch"]} == form.fields
    file, empty = form.uploads
    assert ("file", 'a "b".jsonl', "application/jsonl") == (file.field, file.filename, file.media_type)
    assert b"one\r\n--mar\r\n\r\ntwo" == b"".join(file.blob.blocks())
    assert ("empty", "application/octet-stream", 0) == (empty.field, empty.media_type, empty.blob.size)


def test_it_is_the_same_wherever_it_is_cut():
    """At every byte, and byte by byte."""
    for at in range(len(BODY) + 1):
        checked(read(BODY[:at], BODY[at:]))
    checked(read(*(BODY[at : at + 1] for at in range(len(BODY)))))


@given(st.binary(max_size=300))
def test_any_content_comes_through(content):
    """Unless it holds the mark, which a client does not choose then."""
    head = b'--a mark\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    reader = FormReader("a mark")
    reader.feed(head + content + b"\r\n--a mark--")
    if b"\r\n--a mark" not in content:
        assert content == b"".join(reader.finish().uploads[0].blob.blocks())


@pytest.mark.parametrize(
    "body", [b"", BODY[:-8], b"--mark\r\nContent-Type: text/plain\r\n\r\nx\r\n--mark--", b"--mark\r\n" + b"x" * 70_000]
)
def test_what_is_no_form_is_told(body):
    """Without an end, or with a part that has no name."""
    with pytest.raises(BadForm):
        read(body)


def test_fields_are_kept_in_memory_only_so_far():
    """A file's bytes are not counted."""
    field = b'--mark\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    with pytest.raises(BadForm):
        read(field, *[b"x" * 100_000] * 11)


def test_boundaries():
    """Quoted or not; other types have none."""
    assert "a b" == boundary_of('multipart/form-data; boundary="a b"')
    assert "ab" == boundary_of("Multipart/Form-Data; boundary=ab; charset=utf-8")
    assert None is boundary_of("application/json; boundary=x")


def test_the_log_sees_names_and_sizes():
    """Not the bytes."""
    summary = b'{"purpose":"batch","files":[{"name":"file","filename":"a \\"b\\".jsonl",'
    assert read(BODY).summary().startswith(summary + b'"content_type":"application/jsonl","size":17}')
