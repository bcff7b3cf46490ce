import pytest

from llmgw_domain import Account, Catalog, ClientKey, Policy, Provider, Secret
from llmgw_domain.errors import BadRequest, NoAccount, NotFound, StoreUnavailable
from llmgw_relay.call import Admission
from llmgw_relay.objects import MemoryObjects, Owned
from llmgw_relay.ownership import Ownership


class Away(MemoryObjects):
    async def find(self, id, tenant):
        raise StoreUnavailable


def ownership(*tenants: str, objects: MemoryObjects | None = None) -> Ownership:
    keys = [ClientKey(id=t, tenant=t, digest=t.encode()) for t in tenants]
    accounts = [
        Account(id=i, provider=Provider.OPENAI, base_url="", credential=Secret("k"), pool="p") for i in ("a", "b")
    ]
    objects = objects or MemoryObjects(lambda: 0.0)
    for name, tenant, account in (("mine", "t", "a"), ("mine2", "t", "b"), ("theirs", "u", "a"), ("lost", "t", "gone")):
        objects.add(Owned(id=name, kind="files", tenant=tenant, account=account))
    catalog = Catalog.of(version="v", accounts=accounts, keys=keys)
    return Ownership(objects, Admission(catalog=catalog, key=keys[0], policy=Policy()))


async def test_an_object_binds_to_its_account():
    """What names none is free."""
    assert "a" == (await ownership("t", "u").account_of(["mine"])).id
    assert await ownership("t", "u").account_of([]) is None


@pytest.mark.parametrize("name", ["theirs", "unheard-of"])
async def test_another_s_object_is_not_there(name):
    """Nor is one that nobody knows of, while there are others whose it could be."""
    with pytest.raises(NotFound):
        await ownership("t", "u").account_of([name])


async def test_a_lone_tenant_may_name_what_was_made_before_the_gateway():
    """It can be nobody else's, so the provider says whether it exists. What is remembered as another's stays that."""
    assert await ownership("t").account_of(["unheard-of"]) is None
    with pytest.raises(NotFound):
        await ownership("t").account_of(["theirs"])


async def test_objects_of_two_accounts_can_t_be_used_together():
    """No provider could see both."""
    with pytest.raises(BadRequest, match="different accounts"):
        await ownership("t").account_of(["mine", "mine2"])


async def test_an_object_whose_account_is_gone():
    """It is said, instead of a puzzling answer from another account."""
    with pytest.raises(NoAccount, match="not configured"):
        await ownership("t").account_of(["lost"])


async def test_what_can_t_be_looked_up_is_not_said_to_be_missing():
    """A lone tenant's provider can still be asked."""
    away = Away(lambda: 0.0)
    with pytest.raises(StoreUnavailable):
        await ownership("t", "u", objects=away).account_of(["mine"])
    assert await ownership("t", objects=away).account_of(["mine"]) is None
