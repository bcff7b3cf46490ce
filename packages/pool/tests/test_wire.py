import pytest

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.errors import BadRequest, UpstreamUnreachable
from llmgw_pool import wire
from llmgw_relay.ports import UpstreamRequest


def request(base="http://h:1", **fields):
    account = Account(id="a", provider=Provider.ANTHROPIC, base_url=base, credential=Secret("k"), pool="p")
    return UpstreamRequest(**{"account": account, "path": "/p", "body": b"", **fields})


@pytest.mark.parametrize(
    ("base", "path", "query", "expected"),
    [
        ("https://h/v1/", "/chat", "", "https://h/v1/chat"),
        ("https://h/v1//", "/chat", "a=b", "https://h/v1/chat?a=b"),
        ("http://[::1]:8000", "/m/a%2Fb:gen", "alt=sse&k=%20", "http://[::1]:8000/m/a%2Fb:gen?alt=sse&k=%20"),
        ("http://h", "/a/../b/%41", "q='x'", "http://h/a/../b/%41?q='x'"),
    ],
)
def test_addresses_are_joined_and_not_rewritten(base, path, query, expected):
    """Base, path and query are put together as they are written."""
    assert expected == str(wire.address(request(base, path=path, query=query)))


@pytest.mark.parametrize("path", ["/a b", "/a\nb", "/ä", "/a#b", "/a\0"])
def test_a_path_that_no_url_holds_is_a_bad_request(path):
    """What would end the request line, or be cut off it, is the request's fault."""
    with pytest.raises(BadRequest):
        wire.address(request(path=path))


@pytest.mark.parametrize("base", ["", "h", "ftp://h", "http://", "http://u@h", "http://h:x", "http://h/?q=1"])
def test_a_base_address_that_is_none_is_unreachable(base):
    """A base address that can't be one is the account's fault, and the error names the account, not the address."""
    with pytest.raises(UpstreamUnreachable) as caught:
        wire.address(request(base))
    assert caught.value.detail == "account a: base_url is not a valid http(s) address"


def test_framing_and_credentials_of_a_caller_are_left_out():
    """Only the transport frames messages, and only signers authenticate; all else goes through, repeats too."""
    theirs = [("Host", "evil"), ("Transfer-Encoding", "chunked"), ("Authorization", "Bearer x"), ("X-Api-Key", "x")]
    theirs += [("X-Amz-Date", "x"), ("X-Amz-Security-Token", "x"), ("X-Goog-User-Project", "x")]
    theirs += [("Cookie", "c"), ("Accept-Encoding", "gzip"), ("X-A", "1"), ("X-A", "2\t3"), ("User-Agent", "me")]
    got = wire.headers(request(headers=tuple(theirs)), "llmgw/0.1")
    expected = [("X-A", "1"), ("X-A", "2\t3"), ("User-Agent", "me")]
    assert [*expected, ("accept-encoding", "identity")] == list(got.items())


def test_a_body_has_a_content_type():
    """A body without a declared type is JSON; a declared type stands."""
    assert wire.headers(request(body=b"{}"), "u")["content-type"] == "application/json"
    declared = request(body=b"x", headers=(("Content-Type", "text/plain"),))
    assert wire.headers(declared, "u").getall("content-type") == ["text/plain"]


@pytest.mark.parametrize(("name", "value"), [("a", "b\r\nc: d"), ("a", "b\0"), ("a\r\n", "b"), ("", "b"), ("a:", "b")])
def test_headers_that_break_their_line_are_refused(name, value):
    """A header that would become two is refused."""
    with pytest.raises(BadRequest):
        wire.headers(request(headers=((name, value),)), "u")
