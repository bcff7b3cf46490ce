"""What outlives a call, over a restart."""

from __future__ import annotations

from llmgw_gateway.keyring import Keyring
from llmgw_gateway.sealing import MasterKey
from llmgw_gateway.state.keeping import kept_forms
from llmgw_relay.conversations import StoredResponse
from llmgw_relay.keep import Put
from llmgw_relay.objects import Owned
from llmgw_relay.testing import MemoryKeep

OLD, NEW = MasterKey(b"1" * 32), MasterKey(b"2" * 32)


async def test_a_new_process_finds_what_the_last_one_kept() -> None:
    """Also after a rotation of the master key; nothing of it is readable in the store."""
    keep = MemoryKeep()
    before = kept_forms(keep, Keyring([OLD]))
    assert before.objects is not None
    assert before.conversations is not None
    before.objects.add(Owned(id="file-1", kind="files", tenant="t", account="a"))
    before.conversations.put(StoredResponse(id="r", tenant="t", body=b'{"id":"r"}', input=(), output=()))
    assert not any(b'"id"' in change.body for change in keep.changes if isinstance(change, Put))
    after = kept_forms(keep, Keyring([NEW, OLD]))
    assert after.objects is not None
    assert after.conversations is not None
    owned = await after.objects.find("file-1", "t")
    assert owned is not None
    assert "a" == owned.account
    stored = await after.conversations.get("t", "r")
    assert stored is not None
    assert b'{"id":"r"}' == stored.body
