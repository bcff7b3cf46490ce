from llmgw_gateway.check import summary
from llmgw_gateway.config import read
from llmgw_gateway.later import leave_out
from llmgw_gateway.locate import Lines
from llmgw_gateway.problems import Origins

FILE = """\
[[accounts]]
id = "z"
provider = "azure"
deployments = { a = "b" }
pool = "azure"

[[accounts]]
id = "o"
provider = "openai"
credential = "env:KEY"
pool = "openai"
weight = -1.0

[[accounts]]
id = "s"
provider = "openai"
credential = "env:KEY"
pool = "spare"

[[models]]
name = "gone"
targets = [{ pool = "azure", model = "m" }]

[[models]]
name = "half"
targets = [{ pool = "azure", model = "m" }, { pool = "spare", model = "m" }, { pool = "openai", model = "m" }]
"""


def settings(tmp_path, text: str):
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return read(file, {"KEY": "sk-key", "GATEWAY_DATA_DIR": str(tmp_path)})


def test_what_a_later_version_serves_is_left_out(tmp_path):
    """The account, the model that only leads to it, and one target of the other model go; the rest stays."""
    made, _ = settings(tmp_path, FILE)
    assert [a.id for a in made.config.accounts] == ["o", "s"]
    assert [(m.name, [t.pool for t in m.targets]) for m in made.config.models] == [("half", ["spare", "openai"])]


def test_each_is_noted_with_its_line(tmp_path):
    """`gateway check` says what was left out, where it is written, and why."""
    made, problems = settings(tmp_path, FILE.replace("weight = -1.0\n", ""))
    assert problems == []
    assert [(note.line, note.path) for note in made.notes] == [
        (3, "accounts[0].provider"),
        (19, "models[0]"),
        (23, "models[1]"),
    ]
    assert "note: " in summary(made)
    assert "'azure' is not available in this version" in summary(made)


def test_problems_of_the_rest_keep_their_numbers_and_lines(tmp_path):
    """A wrong value behind a left-out table is told with the number and the line that it was written with."""
    made, _ = settings(tmp_path, FILE)
    problem = made.origins.problem("accounts[0].weight", "wrong")
    assert (problem.path, problem.line) == ("accounts[1].weight", 12)
    target = made.origins.problem("models[0].targets[0].pool", "wrong")
    assert (target.path, target.line) == ("models[1].targets[1].pool", 26)


def test_a_target_that_needs_another_api_is_left_out():
    """A target with `api = "responses"` goes, and the model with its last one."""
    raw = {"models": [{"name": "m", "targets": [{"pool": "p", "model": "*", "api": "responses"}]}]}
    notes = leave_out(raw, Origins("gateway.toml", Lines.of("")))
    assert (raw["models"], [note.path for note in notes]) == ([], ["models[0]"])


def test_a_file_of_which_nothing_is_left_is_refused(tmp_path):
    """A gateway that was given accounts never falls back to the simulator because it can serve none of them."""
    _, problems = settings(tmp_path, FILE[: FILE.index("[[accounts]]", 5)])
    assert [(p.path, p.message) for p in problems] == [("accounts", "none of them can be served by this version")]


def test_what_is_not_a_table_is_left_to_others():
    """Values of a wrong type are reported where types are checked, and change nothing here."""
    for raw in ({}, {"accounts": 5, "models": "x"}, {"accounts": [1], "models": [{"targets": 3}]}):
        before = repr(raw)
        assert leave_out(raw, Origins("f", Lines.of(""))) == []
        assert repr(raw) == before
