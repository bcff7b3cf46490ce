"""A request on its way."""

import pytest

from llmgw_domain import Deadlines
from llmgw_domain.errors import UpstreamTimeout
from llmgw_pool import ConnectionPool
from llmgw_pool.testing import RawServer
from llmgw_pool.testing_http2 import Http2Server
from llmgw_relay.ports import UpstreamRequest


@pytest.mark.parametrize("transport", ["http1", "http2"])
async def test_each_phase_has_its_deadline_on_both_transports(transport):
    """No headers in time is a timeout that names the phase, and nothing is left leased."""

    async def quiet(peer) -> None:
        await peer.silence()

    async with (RawServer if transport == "http1" else Http2Server)(quiet) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}", deadlines=Deadlines(headers=0.1))
        with pytest.raises(UpstreamTimeout) as caught:
            async with pool.open(request):
                pass
        assert "headers: no progress in 0.1 s" == caught.value.detail
        assert 0 == pool.counters().leased
