from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from llmgw_gateway.verbs.client import Place, Wrong
from llmgw_gateway.verbs.where import add_options, find


def place(arguments: str, environ: dict[str, str]) -> Place:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return find(parser.parse_args(arguments.split()), {"HOME": "/nowhere", **environ})


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the owner's token, and an empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "owner.token").write_text("gwa-owner\n")
    return tmp_path / "data"


def test_the_command_line_is_heard_before_the_environment_before_the_file(data: Path) -> None:
    """The address is the first one that is given."""
    (data.parent / "gateway.toml").write_text('[server]\nadmin_bind = "0.0.0.0:9"\n')
    assert [
        "http://a:1",
        "http://e:2/gw",
        "http://127.0.0.1:9",
    ] == [
        place("--admin-url http://a:1/", {"GATEWAY_ADMIN_URL": "http://e:2"}).url,
        place("", {"GATEWAY_ADMIN_URL": "http://e:2/gw/"}).url,
        place("", {}).url,
    ]


def test_the_default_address(data: Path) -> None:
    """Where a gateway without any configuration listens."""
    assert "http://127.0.0.1:8081" == place("", {}).url


def test_the_token_of_the_environment_comes_first(data: Path) -> None:
    """Then that of the data folder."""
    found = [place(f"--data-dir {data}", environ).token for environ in ({"GATEWAY_ADMIN_TOKEN": "t"}, {})]
    assert ["t", "gwa-owner"] == found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", "gwa-owner"),
        ("http://localhost:1", "gwa-owner"),
        ("http://[::1]:1", "gwa-owner"),
        ("http://10.0.0.7:1", None),
        ("https://gateway.example", None),
        ("http://localhost.evil.example:1", None),
    ],
)
def test_the_owners_token_stays_on_this_machine(data: Path, url: str, expected: str | None) -> None:
    """It is this machine's gateway's, and sent to no other."""
    found = place(f"--data-dir {data} --admin-url {url}", {})
    assert (expected, True) == (found.token, "owner.token" in found.source)


def test_without_a_token_it_is_said_where_it_was_looked_for(tmp_path: Path) -> None:
    """The file that there is not, or that can't be read, is named."""
    assert f"there is no {tmp_path}/owner.token" in place(f"--data-dir {tmp_path}", {}).source
    (tmp_path / "owner.token").mkdir()
    assert "can't be read" in place(f"--data-dir {tmp_path}", {}).source


@pytest.mark.parametrize("bind", ["fd://3", "nonsense"])
def test_an_address_that_nobody_can_connect_to_is_refused(data: Path, bind: str) -> None:
    """An inherited socket has no address that is known here."""
    with pytest.raises(Wrong, match="--admin-url"):
        place("", {"GATEWAY_SERVER__ADMIN_BIND": bind})


def test_a_place_does_not_show_its_token() -> None:
    """Neither in a repr nor in words."""
    assert "gwa-1" not in repr(Place("http://x", "gwa-1", "the value of GATEWAY_ADMIN_TOKEN"))
