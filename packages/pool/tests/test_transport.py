"""The seam between a lease and its transports."""

import ssl

from multidict import CIMultiDict
from yarl import URL

from llmgw_pool.transport import Outgoing, Way


def test_an_origin_is_scheme_host_and_port():
    """As the metrics name it, without what follows."""
    way = Way(ssl.create_default_context())
    outgoing = Outgoing("POST", URL("https://up.example:8443/v1/x?y=1"), CIMultiDict(), b"", None, way, "a")
    assert "https://up.example:8443" == outgoing.origin
