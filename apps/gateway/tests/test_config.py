from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_control import AccountRecord
from llmgw_domain import Deadlines, StreamErrors
from llmgw_gateway.config import Config, ServerConfig, load, read
from llmgw_gateway.convert import is_struct, items_of, struct_of
from llmgw_gateway.environment import env_name
from llmgw_gateway.problems import ConfigError, Unreadable

REFERENCE = Path(__file__).parents[3] / "docs" / "configuration.md"

GOOD = """\
[server]
engine = "uvicorn"
drain_seconds = 5
stream_errors = "raise"

[[accounts]]
id = "a"
provider = "openai"
credential = "env:A"
pool = "p"

[[models]]
name = "m"
targets = [{ pool = "p", model = "x" }]

[[keys]]
id = "k"
value = "env:K"

[[policies]]
id = "q"
models = ["m"]
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a gateway.toml of the folder that the tests happen to run in."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def written(tmp_path: Path, text: str, name: str = "gateway.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, **environ: str) -> list[str]:
    """Every problem as text, with the file's folder left out."""
    found = read(written(tmp_path, text), environ)[1]
    return [str(p).replace(f"{tmp_path}/", "") for p in found]


def test_a_file_becomes_settings(tmp_path: Path) -> None:
    """Tables of every kind are read, with defaults for what is not said."""
    settings = load(written(tmp_path, GOOD), {})
    expected = ServerConfig(engine="uvicorn", drain_seconds=5.0, stream_errors=StreamErrors.RAISE)
    assert expected == settings.config.server
    assert (AccountRecord(id="a", provider="openai", credential="env:A", pool="p"),) == settings.config.accounts
    assert ("m", "k", "q") == (
        settings.config.models[0].name,
        settings.config.keys[0].id,
        settings.config.policies[0].id,
    )
    assert settings.config.accounts == settings.config.records().accounts


def test_no_file_is_the_defaults() -> None:
    """Without a file and variables everything has its default."""
    settings = load(None, {"HOME": "/home/a"})
    config = msgspec.structs.replace(settings.config, servers=())
    assert (Config(), None, Path("/home/a/.local/share/llmgw")) == (config, settings.file, settings.data_dir)


def test_where_the_file_comes_from(tmp_path: Path) -> None:
    """--config wins over GATEWAY_CONFIG, which wins over ./gateway.toml."""
    paths = [
        written(tmp_path, f'server.log_level = "{level}"', f"{level}.toml") for level in ("error", "warning", "debug")
    ]
    Path("gateway.toml").write_text(paths[2].read_text())
    environ = {"GATEWAY_CONFIG": str(paths[1])}
    levels = [
        load(path, env).config.server.log_level for path, env in ((paths[0], environ), (None, environ), (None, {}))
    ]
    assert ["error", "warning", "debug"] == levels


def test_the_command_line_wins(tmp_path: Path) -> None:
    """Flags come before the environment, which comes before the file; a wrong flag is told as a flag."""
    path = written(tmp_path, 'server.data_bind = "127.0.0.1:1"\nserver.admin_bind = "127.0.0.1:1"')
    environ = {"GATEWAY_SERVER__DATA_BIND": "127.0.0.1:2", "GATEWAY_SERVER__ADMIN_BIND": "127.0.0.1:2"}
    settings, wrong = read(path, environ, {"server.data_bind": "nowhere"})
    assert ("nowhere", "127.0.0.1:2") == (settings.config.server.data_bind, settings.config.server.admin_bind)
    assert ["--data-bind: server.data_bind"] == [str(p).partition(": must")[0] for p in wrong]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server.worker = 1", "gateway.toml:1: server.worker: there is no such key; did you mean 'workers'?"),
        ("\n\n[sever]", "gateway.toml:3: sever: there is no such key; did you mean 'server'?"),
        ("[server]\nworkers = 257", "gateway.toml:2: server.workers: must be 0 to 256, not 257"),
        ("[server]\nworkers = -1", "gateway.toml:2: server.workers: must be 0 to 256, not -1"),
        ("[server]\ndrain_seconds = -1", "gateway.toml:2: server.drain_seconds: must be 0 or more seconds"),
        ("[server]\ndrain_seconds = nan", "gateway.toml:2: server.drain_seconds: must be 0 or more seconds"),
        ("[server]\nmax_body_bytes = 0", "gateway.toml:2: server.max_body_bytes: must be a positive integer, not 0"),
        ("[server]\nmax_buffered_bytes = 0", "gateway.toml:2: server.max_buffered_bytes: must be a positive"),
        ('[server]\ndata_bind = "8080"', "gateway.toml:2: server.data_bind: must be HOST:PORT"),
        ('[server]\nadmin_bind = "x:y"', "gateway.toml:2: server.admin_bind: must be HOST:PORT"),
        ("[fetch]\nenabled = true", "gateway.toml:1: fetch.allowed_hosts: must name the hosts to fetch from"),
        ("[fetch]\nmax_urls = 0", "gateway.toml:2: fetch.max_urls: must be a positive integer, not 0"),
        ('[fetch]\nallowed_hosts = ["10.0.0.1"]', "gateway.toml:2: fetch.allowed_hosts[0]: must be a host name"),
        ("server = 1", "gateway.toml:1: server: must be a table, not an integer"),
        ("[model_lists]\nhours = 0", "gateway.toml:2: model_lists.hours: must be more than 0 hours"),
        ('[database]\nurl = "postgresql://a:b@c/d"', "gateway.toml:2: database.url: must not hold a password here"),
        ("[spool]\nsegment_bytes = 1", "gateway.toml:2: spool.segment_bytes: must be 65536 or more, not 1"),
        ("#\n[cluster]", "gateway.toml:2: cluster: is not available in this version"),
        ('[[accounts]]\nid = "a"\nprovider = "openai"', "gateway.toml:1: accounts[0].pool: missing"),
    ],
)
def test_a_problem_has_its_line(text: str, expected: str, tmp_path: Path) -> None:
    """Each problem is told with file, line, path and reason."""
    found = problems(tmp_path, text)
    assert 1 == len(found)
    assert expected == found[0][: len(expected)]


def test_all_problems_are_collected(tmp_path: Path) -> None:
    """File and environment are checked to their ends."""
    found = problems(tmp_path, "[server]\nworkers = -7\nx = 1\n[cluster]", GATEWAY_NO="1", GATEWAY_SERVER__ENGINE="x")
    places = [problem.split(": ")[0] for problem in found]
    assert ["gateway.toml:4", "GATEWAY_NO", "gateway.toml:3", "GATEWAY_SERVER__ENGINE", "gateway.toml:2"] == places


def test_load_refuses_what_read_reports(tmp_path: Path) -> None:
    """`load` raises with the same problems that `read` gives."""
    path = written(tmp_path, "[server]\nx = 1\ny = 2")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert read(path, {})[1] == list(caught.value.problems)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[server\n", "gateway.toml:1: is not valid TOML: "),
        (b"a = 1\nb = \n", "gateway.toml:2: is not valid TOML: Invalid value"),
        (b'a = 1\nb = """', "gateway.toml:2: is not valid TOML: "),
        (b"a = 1\na = 2\n", "gateway.toml:2: is not valid TOML: "),
        (b"# fine\n# \xff\n", "gateway.toml:2: is not valid UTF-8"),
        (b"a = " + b"[" * 100_000, "gateway.toml: is nested too deeply"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(content: bytes, expected: str, tmp_path: Path) -> None:
    """A broken file is unreadable, with the line where it breaks."""
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as caught:
        read(path, {})
    assert expected == str(caught.value).replace(f"{tmp_path}/", "")[: len(expected)]


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error, not the defaults."""
    with pytest.raises(Unreadable, match="No such file"):
        read(None, {"GATEWAY_CONFIG": str(tmp_path / "none.toml")})


def test_where_the_data_folder_is(tmp_path: Path) -> None:
    """A relative data folder starts at the file that names it; one of the environment starts where we are."""
    path = written(tmp_path, 'server.data_dir = "data"')
    folders = [
        read(path, {})[0].data_dir,
        read(path, {"GATEWAY_DATA_DIR": "other"})[0].data_dir,
        read(path, {"GATEWAY_DATA_DIR": "other"}, {"server.data_dir": "/flag"})[0].data_dir,
    ]
    assert [tmp_path / "data", Path("other"), Path("/flag")] == folders


def test_settings_do_not_show_the_environment() -> None:
    """The repr has no variable's value, and the admin token is a secret."""
    settings = load(None, {"GATEWAY_ADMIN_TOKEN": "let-me-in"})
    assert "let-me-in" not in repr(settings)
    assert "let-me-in" not in repr(settings.admin_token)
    assert load(None, {"GATEWAY_ADMIN_TOKEN": ""}).admin_token is None


def test_the_master_key_variable_is_no_key() -> None:
    """The variable that --master-key names may begin like ours."""
    assert [] == read(None, {"GATEWAY_MY_KEY": "x"}, master_key="env:GATEWAY_MY_KEY")[1]


# --- the documentation ------------------------------------------------------------------------------------------------


def keys_of(struct: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key as it stands in the reference, with its default; tables are gone into."""
    for field in msgspec.structs.fields(struct):
        name = f"{path}.{field.name}" if path else field.name
        item = items_of(field.type)
        if is_struct(field.type):
            yield from keys_of(field.type, name)
        elif item is not None:
            if path:
                yield name, ()
            yield from keys_of(item, f"{name}[0]")
        else:
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            yield name, default
            struct = struct_of(field.type)
            if struct is not None:
                yield from keys_of(struct, name)


def shown(path: str, default: Any) -> str:
    """A default as the reference writes it."""
    if default is msgspec.NODEFAULT:
        return "required"
    if ".deadlines." in path:
        default = getattr(Deadlines(), path.rpartition(".")[2].removesuffix("_seconds"))
    return "none" if default is None else f"`{msgspec.json.encode(default).decode()}`"


def rows() -> dict[str, list[str]]:
    """The reference's rows by their first cell."""
    lines = [line for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


@pytest.mark.parametrize(("path", "default"), list(keys_of(Config)))
def test_every_key_is_documented(path: str, default: Any) -> None:
    """The reference has each key with its environment name and its default."""
    row = rows().get(path, ["", "", ""])
    assert [f"`{path}`", f"`{env_name(path)}`", shown(path, default)] == row[:3]


def test_no_key_is_documented_that_is_not_there() -> None:
    """The reference has no key that the gateway would refuse."""
    documented = {path for path, row in rows().items() if row[1].startswith("`GATEWAY_")}
    assert set() == documented - {path for path, _ in keys_of(Config)}
