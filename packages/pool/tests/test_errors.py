import errno
import ssl
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from llmgw_domain.errors import (
    UpstreamMalformed,
    UpstreamReset,
    UpstreamSilent,
    UpstreamStalled,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llmgw_pool import errors

KEY = ConnectionKey("secret.host", 1, True, True, None, None, None)
REFUSED = OSError(errno.ECONNREFUSED, "no")
INFO = Mock(real_url="http://h/p?key=SECRET")


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (aiohttp.ClientConnectorError(KEY, REFUSED), UpstreamUnreachable, "connect: ECONNREFUSED"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(None, "SECRET")), UpstreamUnreachable, "dns: OSError"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "x")), UpstreamUnreachable, "tls: SSLError"),
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("x")),
            UpstreamUnreachable,
            "tls: SSLCertVerificationError",
        ),
        (aiohttp.InvalidURL("http://SECRET"), UpstreamUnreachable, "request can't be sent: InvalidURL"),
        (aiohttp.ServerDisconnectedError(), UpstreamReset, "headers: connection closed before an answer"),
        (aiohttp.ClientOSError(errno.EPIPE, "http://h/?SECRET"), UpstreamReset, "headers: EPIPE"),
        (aiohttp.ClientConnectionError("http://h/?SECRET"), UpstreamReset, "headers: ClientConnectionError"),
        (
            aiohttp.ClientResponseError(INFO, (), message="bad\n  line"),
            UpstreamMalformed,
            "response head: bad line",
        ),
        (TimeoutError(), UpstreamReset, "headers: TimeoutError"),
    ],
)
def test_errors_before_the_headers(error, kind, detail):
    """Each foreign error becomes one of ours, and its detail repeats no address."""
    mapped = errors.while_opening(error)
    assert (kind, detail) == (type(mapped), mapped.detail)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (aiohttp.ClientPayloadError("x"), "body ended before its framing said so, after 7 bytes"),
        (aiohttp.ClientOSError(errno.ETIMEDOUT, "x"), "ETIMEDOUT after 7 bytes"),
        (aiohttp.ServerDisconnectedError(), "ServerDisconnectedError after 7 bytes"),
    ],
)
def test_errors_inside_the_body(error, detail):
    """A body that breaks is a reset that says how much had come."""
    mapped = errors.while_reading(error, 7)
    assert (UpstreamReset, detail, 7) == (type(mapped), mapped.detail, mapped.bytes_received)


def test_our_own_errors_pass():
    """An error that is already ours stays the same object."""
    mine = UpstreamStalled()
    assert (mine, mine) == (errors.while_opening(mine), errors.while_reading(mine, 3))
    assert mine.bytes_received == 3


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        ("connect", UpstreamSilent),
        ("headers", UpstreamSilent),
        ("first_event", UpstreamSilent),
        ("gap", UpstreamStalled),
        ("total", UpstreamTimeout),
    ],
)
def test_each_phase_has_its_timeout(phase, kind):
    """A deadline's error names its phase; only the gap is a stall."""
    error = errors.timed_out(phase, 1.5)
    assert (kind, True) == (type(error), error.detail.startswith(phase + ": "))
