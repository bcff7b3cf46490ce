import msgspec
import pytest

from llmgw_domain import Account, Catalog, Provider, Secret
from llmgw_domain.errors import AccountRejected, InvalidField, UpstreamMalformed
from llmgw_protocols.resources import resource_at
from llmgw_relay.lists import Lists
from llmgw_relay.objects import Owned
from llmgw_relay.parts import Parts
from llmgw_relay.testing import MemoryFacts, Script, ScriptedUpstream

FILES = resource_at("GET", "/files")


def lists(*pages, query=None, status=200):
    upstream = ScriptedUpstream(*(Script([msgspec.json.encode(p)], status=status) for p in pages))
    accounts = [
        Account(id=i, provider=Provider.OPENAI, base_url="", credential=Secret("k"), pool="p") for i in ("a", "b")
    ]
    catalog = Catalog.of(version="v", accounts=accounts)
    parts = Parts.of(
        current=lambda: catalog,
        upstream=upstream,
        facts=MemoryFacts(),
        clock=lambda: 0.0,
        wall=lambda: 0.0,
        rand=lambda: 0.0,
    )
    return Lists(parts, catalog, query or {}), upstream


def owned(account, *ids):
    return [Owned(id=i, kind="files", tenant="t", account=account) for i in ids]


def page(*items, more=False):
    return {"data": [{"id": i, "created_at": at} for i, at in items], "has_more": more}


async def shown(lists, owned):
    got = msgspec.json.decode(await lists.page(FILES, owned))
    return [item["id"] for item in got["data"]], got["has_more"]


async def test_the_lists_of_all_accounts_are_one():
    """The latest first, or the oldest if that is asked for."""
    for query, expected in (({}, ["z", "y", "x"]), ({"order": "asc"}, ["x", "y", "z"])):
        asked, upstream = lists(page(("x", 1), ("z", 3)), page(("y", 2), ("other", 9)), query=query)
        assert (expected, False) == await shown(asked, owned("a", "x", "z") + owned("b", "y"))
        assert 2 == len(upstream.asked)


async def test_a_provider_s_list_is_read_page_by_page():
    """Until everything that the tenant owns was seen."""
    asked, upstream = lists(page(("o1", 1), more=True), page(("x", 2), more=True), page(("never", 3)))
    assert (["x"], False) == await shown(asked, owned("a", "x"))
    assert ["limit=100", "limit=100&after=o1"] == [r.query for r in upstream.asked]


async def test_a_list_has_pages_of_its_own():
    """By the cursor of OpenAI's SDKs."""
    everything = page(("x", 3), ("y", 2), ("z", 1))
    mine = owned("a", "x", "y", "z")
    assert (["x", "y"], True) == await shown(lists(everything, query={"limit": "2"})[0], mine)
    assert (["z"], False) == await shown(lists(everything, query={"limit": "2", "after": "y"})[0], mine)


async def test_an_account_that_is_gone_is_left_out():
    """Nothing can be read there any more."""
    asked, upstream = lists(page())
    assert ([], False) == await shown(asked, owned("gone", "x"))
    assert [] == upstream.asked


async def test_what_goes_wrong_is_told():
    """A list with holes would look like the whole."""
    with pytest.raises(InvalidField, match="limit"):
        await shown(lists(page(), query={"limit": "x"})[0], owned("a", "x"))
    with pytest.raises(UpstreamMalformed):
        await shown(lists({"odd": 1})[0], owned("a", "x"))
    asked, _ = lists({"error": {"message": "no"}}, status=401)
    with pytest.raises(AccountRejected):
        await shown(asked, owned("a", "x"))


async def test_objects_of_one_second_keep_their_places():
    """Whichever account was used last, and the other way round if the order is."""
    seen = []
    for query, order in (({}, "ab"), ({}, "ba"), ({"order": "asc"}, "ab")):
        asked, _ = lists(page(("x", 1), ("y", 1)), page(("z", 1)), query=query)
        mine = {"a": owned("a", "x", "y"), "b": owned("b", "z")}
        ids, _ = await shown(asked, [o for account in order for o in mine[account]])
        seen.append("".join(ids))
    assert ["xyz", "xyz", "zyx"] == seen


async def test_files_that_a_listed_batch_has_written_are_remembered():
    """With its tenant and account."""
    batch = {"id": "batch_1", "object": "batch", "created_at": 1, "status": "completed", "output_file_id": "file-9"}
    asked, _ = lists({"data": [batch], "has_more": False})
    await asked.page(resource_at("GET", "/batches"), [Owned(id="batch_1", kind="batches", tenant="t", account="a")])
    expected = Owned(id="file-9", kind="files", tenant="t", account="a")
    assert expected == await asked._parts.objects.find("file-9", "t")


async def test_an_account_out_of_use_is_not_asked():
    """What it holds is not shown as long."""
    asked, upstream = lists(page(("x", 1)))
    asked._catalog.accounts["b"] = msgspec.structs.replace(asked._catalog.accounts["b"], enabled=False)
    assert (["x"], False) == await shown(asked, owned("a", "x") + owned("b", "y"))
    assert ["a"] == [request.account.id for request in upstream.asked]
