import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_eventstore import Cursor, Unreadable
from llmgw_eventstore.memory import MemoryStore
from llmgw_eventstore.projection import Projection, Projector, Rollup, Tables, differences, project
from llmgw_eventstore.testing import make_event


class Score(msgspec.Struct, frozen=True):
    """The highest of a name's numbers."""

    best: int
    team: str = "red"


def fold(row, event):
    body = msgspec.json.decode(event.body)
    if "best" not in body:
        raise Unreadable("no best")
    score = Score(**{"team": "red", **{name: body[name] for name in ("best", "team") if name in body}})
    return max(row or score, score, key=lambda one: one.best)


SCORES = Projection(
    name="scores",
    version=1,
    log="fact",
    row=Score,
    key=lambda event: None if event.kind == "other" else event.tenant,
    fold=fold,
    rollups=(Rollup("teams", lambda row: ((row.team,), {"best": row.best, "names": 1}) if row.best else None),),
)


def scored(number, name, **body):
    return msgspec.structs.replace(make_event(number, kind="score", body=body), tenant=name)


EVENTS = [scored(1, "ann", best=3), scored(2, "bob", best=5, team="blue"), scored(3, "ann", best=7, team="blue")]


def test_rows_are_folded_and_their_sums_follow():
    """A row that changes its group leaves the old one, and a group that nobody is in is gone."""
    tables = project(SCORES, EVENTS[:2])
    assert {("red",): {"best": 3, "names": 1}, ("blue",): {"best": 5, "names": 1}} == tables.sums["teams"]
    assert tables.apply(EVENTS[2])
    assert {("blue",): {"best": 12, "names": 2}} == tables.sums["teams"]
    assert "<Tables scores=2 teams=1 unreadable=0>" == repr(tables)


def test_what_changes_nothing_says_so():
    """A repeat, another kind, and what can't be read change nothing; the last is kept with its reason."""
    tables = project(SCORES, EVENTS)
    other = make_event(8, kind="other")
    assert [False] * 3 == [tables.apply(event) for event in (EVENTS[0], other, scored(9, "cid"))]
    assert {scored(9, "cid").id: "no best"} == tables.unreadable


def test_a_dump_is_the_tables():
    """Rows and sums come back; a dump of another shape is refused."""
    tables = project(SCORES, EVENTS)
    again = Tables.load(SCORES, tables.dump())
    assert (tables.rows, tables.sums) == (again.rows, again.sums)
    with pytest.raises(msgspec.MsgspecError):
        Tables.load(SCORES, b'{"ann": {"worst": 1}}')


async def caught_up(store, projector=None):
    projector = projector or Projector(store, SCORES)
    await projector.resume()
    while await projector.advance(2):
        pass
    return projector


@given(st.lists(st.integers(0, 3), max_size=8), st.integers(1, 4))
async def test_a_crash_at_any_moment_doubles_nothing(plan, limit):
    """However pages, checkpoints and crashes alternate, the rows are those of one reading."""
    store = MemoryStore()
    await store.append("fact", EVENTS)
    projector = Projector(store, SCORES)
    for step in plan:
        if step == 0:
            await projector.checkpoint()
        elif step == 1:
            projector = Projector(store, SCORES)
            await projector.resume()
        else:
            await projector.advance(limit)
    while await projector.advance(limit):
        pass
    expected = project(SCORES, EVENTS)
    assert (expected.rows, expected.sums) == (projector.tables.rows, projector.tables.sums)


async def test_a_checkpoint_is_where_the_next_life_begins():
    """Rows and cursor come back together; another version begins at the beginning."""
    store = MemoryStore()
    await store.append("fact", EVENTS[:2])
    projector = await caught_up(store)
    await projector.checkpoint()
    await store.append("fact", EVENTS[2:])
    again = Projector(store, SCORES)
    await again.resume()
    assert (Cursor(1, 2), 3) == (again.cursor, again.tables.rows["ann"].best)
    assert 1 == await again.advance()
    later = Projector(store, msgspec.structs.replace(SCORES, version=2))
    await later.resume()
    assert Cursor() == later.cursor
    assert "<Projector scores.1 at 1:3 <Tables scores=2 teams=1 unreadable=0>>" == repr(again)
    assert "<Projection scores version 1 of the fact log>" == repr(SCORES)


async def test_a_new_timeline_is_read_from_its_beginning():
    """What was lost and is offered again, at positions that were had before, is not passed over."""
    store = MemoryStore()
    await store.append("fact", EVENTS)
    projector = await caught_up(store)
    store.fail_over("fact", 1)
    await store.append("fact", [scored(4, "dan", best=9)])
    while await projector.advance(2):
        pass
    assert Cursor(2, 2) == projector.cursor
    assert {"ann", "bob", "dan"} == projector.tables.rows.keys()


async def test_a_rebuild_says_what_was_wrong_and_mends_it():
    """The former rows are held against the log, up to its end; afterwards there is no difference."""
    store = MemoryStore()
    await store.append("fact", EVENTS)
    projector = await caught_up(store)
    projector.tables.rows["ann"] = Score(99)
    projector.tables.rows["eve"] = Score(1)
    del projector.tables.rows["bob"]
    await store.append("fact", [scored(4, "dan", best=9)])
    assert [
        "ann: best is 99, should be 7, team is 'red', should be 'blue'",
        "bob: missing",
        "eve: should not be there",
    ] == await projector.rebuild(limit=2)
    assert [] == await projector.rebuild()
    assert (project(SCORES, [*EVENTS, scored(4, "dan", best=9)]).sums, Cursor(1, 4)) == (
        projector.tables.sums,
        projector.cursor,
    )


async def test_a_rebuild_forgets_what_the_log_has_lost():
    """After a change of the timeline a rebuild has only the rows of what is there."""
    store = MemoryStore()
    await store.append("fact", EVENTS)
    projector = await caught_up(store)
    store.fail_over("fact", 1)
    assert ["ann: best is 7, should be 3, team is 'blue', should be 'red'", "bob: should not be there"] == (
        await projector.rebuild()
    )


def test_no_differences():
    """Equal rows have nothing to say."""
    assert [] == differences({"a": Score(1)}, {"a": Score(1)})
