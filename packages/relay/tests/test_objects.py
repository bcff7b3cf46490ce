from llmgw_relay.objects import MemoryObjects, Owned


def owned(id: str, tenant: str = "t", kind: str = "files") -> Owned:
    return Owned(id=id, kind=kind, tenant=tenant, account="a")


async def test_an_object_is_found_by_its_id():
    """Whoever's it is; what is forgotten is not."""
    objects = MemoryObjects(lambda: 0.0)
    objects.add(owned("x"))
    assert owned("x") == await objects.find("x")
    objects.forget("x")
    assert await objects.find("x") is None


async def test_a_tenant_s_objects_come_latest_first():
    """Of one kind, and nobody else's."""
    objects = MemoryObjects(lambda: 0.0)
    for one in (owned("x"), owned("y"), owned("z", "other"), owned("b", kind="batches")):
        objects.add(one)
    assert ["y", "x"] == [o.id for o in await objects.of("t", "files")]


async def test_memory_is_bounded():
    """The longest unused goes first."""
    objects = MemoryObjects(lambda: 0.0, limit=2)
    objects.add(owned("x"))
    objects.add(owned("y"))
    await objects.find("x")
    objects.add(owned("z"))
    assert [True, False, True] == [await objects.find(i) is not None for i in "xyz"]


async def test_each_kind_has_its_own_bound():
    """Many responses do not drive out a file."""
    objects = MemoryObjects(lambda: 0.0, limit=2)
    objects.add(owned("f"))
    for one in "xyz":
        objects.add(owned(one, kind="responses"))
    assert owned("f") == await objects.find("f")
    assert ["z", "y"] == [o.id for o in await objects.of("t", "responses")]


async def test_an_object_expires_after_its_last_use():
    """Using it keeps it."""
    now = 0.0
    objects = MemoryObjects(lambda: now, ttl=10.0)
    objects.add(owned("x"))
    objects.add(owned("y"))
    now = 8.0
    await objects.find("x")
    now = 12.0
    assert [True, False] == [await objects.find(i) is not None for i in "xy"]
    assert ["x"] == [o.id for o in await objects.of("t", "files")]
