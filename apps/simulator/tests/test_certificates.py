"""Certificates for the occasion."""

import asyncio
import ssl

import pytest

from llmgw_simulator import certificates


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "api.example.test"])
async def test_a_client_that_trusts_the_authority_is_content(name):
    """For each of the names, and for no other."""
    identity = certificates.make((*certificates.NAMES, "api.example.test"))
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=identity.context(["h2"]))
    trusting = ssl.create_default_context(cadata=identity.authority.decode())
    port = server.sockets[0].getsockname()[1]
    async with server:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="other.test")
