import msgspec
import pytest

from llmgw_protocols.resources import Made, made, methods_at, references, resource_at, used


@pytest.mark.parametrize(
    ("method", "path", "kind", "aim", "body", "id"),
    [
        ("POST", "/files", "files", "create", "multipart", None),
        ("GET", "/files", "files", "list", "none", None),
        ("GET", "/files/file-1", "files", "object", "none", "file-1"),
        ("DELETE", "/files/file-1", "files", "object", "none", "file-1"),
        ("GET", "/files/file-1/content", "files", "object", "none", "file-1"),
        ("POST", "/batches", "batches", "create", "json", None),
        ("POST", "/batches/batch_1/cancel", "batches", "object", "json", "batch_1"),
        ("POST", "/images/generations", "images", "model", "json", None),
        ("POST", "/images/edits", "images", "model", "multipart", None),
        ("POST", "/audio/speech", "audio", "model", "json", None),
        ("POST", "/audio/transcriptions", "audio", "model", "multipart", None),
        ("GET", "/responses/resp_1/input_items", "responses", "object", "none", "resp_1"),
    ],
)
def test_what_stands_at_a_path(method, path, kind, aim, body, id):
    """Kind, whom to ask, what body it has, and the object that is named."""
    found = resource_at(method, path)
    assert (kind, aim, body, id) == (found.kind, found.aim, found.body, found.id)
    assert method in methods_at(path)


@pytest.mark.parametrize("path", ["/files/a/b", "/images", "/audio/speech/x", "/files/../x", "/fine_tuning/jobs"])
def test_what_is_not_served_is_not_there(path):
    """Neither other paths nor ids that are none."""
    assert ((), None) == (methods_at(path), resource_at("GET", path))


def test_a_method_that_a_path_does_not_take():
    """The ones that it takes are known."""
    assert resource_at("DELETE", "/files") is None
    assert ("POST", "GET") == methods_at("/files")


def test_the_objects_that_a_body_names():
    """Wherever they stand, each once; a text that looks like one is none."""
    body = {
        "input_file_id": "file-1",
        "input": [{"content": [{"file_id": "file-2"}, {"file_id": "file-1"}]}],
        "previous_response_id": "resp_1",
        "text": 'say "file_id": "file-3"',
        "tools": [{"container": {"type": "auto", "file_ids": ["file-4", "file-5"]}}],
    }
    assert {"file-1", "file-2", "resp_1", "file-4", "file-5"} == set(references(msgspec.json.encode(body)))


@pytest.mark.parametrize("name", ["file_id", "input_file_id", "previous_response_id"])
def test_escapes_hide_no_object(name):
    """What JSON reads as a name or an id is one, whichever of its characters are escaped, in either case of hex."""
    written = ["".join(f"\\u{ord(c):0{4}{form}}" for c in text) for text in (name, "file-A1._z") for form in "xX"]
    for field, value in zip(written[:2], written[2:], strict=True):
        assert ("file-A1._z",) == references(f'{{"{field}" : "{value}"}}'.encode())


def test_both_values_of_a_name_that_stands_twice():
    """A provider may take the last one."""
    assert ("file-1", "file-2") == references(b'{"file_id": "file-1", "file_id": "file-2"}')


def test_escapes_in_texts_make_no_object():
    """Quotes of a text stay escaped, and so does a backslash before a letter's escape."""
    assert () == references(rb'{"text": "\"file\u005fid\": \"file-1\""}')
    assert () == references(rb'{"\\u0066ile_id": "file-1"}')


OWN = {"file_id": "mine", "file_ids": ["m1", "m2"], "previous_response_id": "mine", "deep": [{"input_file_id": "m3"}]}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"content": [{"type": "tool_use", "input": OWN}]}]},
        {"contents": [{"parts": [{"functionCall": {"args": OWN}}, {"functionResponse": {"response": OWN}}]}]},
        {"metadata": OWN},
        {"tools": [{"function": {"parameters": {"properties": {"file_id": {"type": "string"}}, "default": OWN}}}]},
    ],
)
def test_what_tools_call_so_is_no_object(body):
    """Arguments, results, schemas and labels are the client's own."""
    assert () == references(msgspec.json.encode(body))


def test_an_object_is_one_though_a_tool_names_it_too():
    """Every occurrence is judged by where it stands, whichever of a doubled name's values a provider takes."""
    tool = {"input": {"file_id": "file-1"}}
    body = {"content": [tool, {"source": {"type": "file", "file_id": "file-1"}}]}
    assert ("file-1",) == references(msgspec.json.encode(body))
    assert {"file-1", "file-2"} == set(
        references(b'{"metadata":{"file_id":"file-1"},"x":{"file_id":"file-1","file_id":"file-2"}}')
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "file-1", "object": "file"}, [Made("file-1", "files")]),
        (
            {"id": "b", "object": "batch", "status": "completed", "output_file_id": "o", "error_file_id": "e"},
            [Made("b", "batches", True), Made("o", "files"), Made("e", "files")],
        ),
        ({"id": "b", "object": "batch", "status": "in_progress"}, [Made("b", "batches")]),
        ({"id": "r", "object": "response", "status": "completed"}, [Made("r", "responses", True)]),
        ({"id": "x", "object": "list"}, []),
        ({"id": 7}, []),
        ([], []),
    ],
)
def test_the_objects_that_an_answer_makes(body, expected):
    """Itself, and what a batch has written."""
    assert expected == made(msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"usage": {"input_tokens": 3, "output_tokens": 4}}, (3, 4)),
        ({"usage": {"prompt_tokens": 3}}, (3, 0)),
        ({"usage": None}, None),
        ({}, None),
        ("x", None),
    ],
)
def test_the_usage_of_an_answer(body, expected):
    """In either pair of names; None where it is not said."""
    assert expected == used(msgspec.json.encode(body))
