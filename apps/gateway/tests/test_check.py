from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from llmgw_gateway.check import examine, summary
from llmgw_gateway.config import read

EXAMPLE = Path(__file__).parents[3] / "gateway.example.toml"
NAMES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CI_GATEWAY_KEY")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a gateway.toml of the folder that the tests happen to run in."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def found(tmp_path: Path, text: str, **environ: str) -> list[str]:
    path = tmp_path / "g.toml"
    path.write_text(text)
    settings, problems = read(path, {"HOME": str(tmp_path), **environ})
    return [str(p).replace(f"{tmp_path}/", "") for p in examine(settings, problems)]


def test_the_example_is_valid() -> None:
    """The example file passes with its variables set, and names each that is not."""
    environ = {name: f"key-of-{name}" for name in NAMES}
    settings, problems = read(EXAMPLE, environ)
    assert [] == examine(settings, problems)
    settings, problems = read(EXAMPLE, {})
    missing = [str(problem).rpartition(": ")[2] for problem in examine(settings, problems)]
    assert [f"the environment variable {name} is not set" for name in NAMES] == missing


def test_what_the_example_leaves_commented_is_valid(tmp_path: Path) -> None:
    """Accounts in clouds, once the '#' is taken off and a service account's file is there."""
    lines = [line.removeprefix("# ") for line in _clouds()]
    (tmp_path / "service-account.json").write_bytes(robot(generated()))
    text = "\n".join(lines)
    environ = {"AZURE_OPENAI_API_KEY": "k", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}
    assert (3, []) == (text.count("[[accounts]]"), found(tmp_path, text, **environ))


def test_a_private_key_that_can_t_sign_is_refused(tmp_path: Path) -> None:
    """It is known before a call needs it, and no piece of it is shown."""
    (tmp_path / "robot.json").write_bytes(robot("-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----\n"))
    text = '[[accounts]]\nid = "v"\nprovider = "vertex"\ncredential = "file:robot.json"\nlocation = "eu"\npool = "p"\n'
    said = "g.toml:4: accounts[0].credential: account 'v': the service account's private_key can't be read"
    assert [said] == found(tmp_path, text)


def robot(private_key: str) -> bytes:
    """A service account's file."""
    fields = {"type": "service_account", "project_id": "p", "client_email": "e", "private_key": private_key}
    return msgspec.json.encode(fields)


def generated() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()).decode()


def _clouds() -> list[str]:
    """The example's lines from its first commented table on, up to the models."""
    text = EXAMPLE.read_text()
    return text[text.index("# [[accounts]]") : text.index("# --- models")].splitlines()


def test_refusals_have_their_lines(tmp_path: Path) -> None:
    """What only shows when records are put together is told by line as well."""
    text = '[[accounts]]\nid = "a"\nprovider = "openai"\ncredential = "env:A"\npool = "p"\nmax_concurrency = -1\n'
    text += '[[models]]\nname = "m"\ntargets = [\n  { pool = "q", model = "x" },\n]\n'
    expected = [
        "g.toml:6: accounts[0].max_concurrency: must be a positive integer, not -1",
        "g.toml:4: accounts[0].credential: account 'a': the environment variable A is not set",
        "g.toml:10: models[0].targets[0].pool: no account is in pool 'q'",
    ]
    assert expected == found(tmp_path, text)


def test_a_problem_is_told_once(tmp_path: Path) -> None:
    """Where reading has found a problem, the default in its place is not found wrong a second time."""
    text = '[[accounts]]\nid = 7\nprovider = "openai"\ncredential = "env:A"\npool = "p"\n[[keys]]\nid = "k"\n'
    assert ["g.toml:2: accounts[0].id: must be a string, not an integer"] == [
        line for line in found(tmp_path, text, A="x") if "accounts" in line
    ]


def test_a_literal_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    """A credential that is written out is an error that says what to do, without repeating it."""
    text = '[[accounts]]\nid = "a"\nprovider = "openai"\ncredential = "sk-live-1"\npool = "p"\n'
    problems = found(tmp_path, text)
    assert 1 == len(problems)
    assert problems[0].startswith("g.toml:4: accounts[0].credential: account 'a': a secret is never written out")
    assert "sk-live-1" not in problems[0]


@pytest.mark.parametrize(
    ("bind", "token", "expected"),
    [
        ("127.0.0.1:1", "", 0),
        ("[::1]:1", "", 0),
        ("0.0.0.0:1", "", 1),
        ("0.0.0.0:1", "t", 0),
        ("fd://3", "", 1),
        ("nonsense", "", 1),
    ],
)
def test_open_admin_pages_need_a_token(bind: str, token: str, expected: int, tmp_path: Path) -> None:
    """Beyond loopback the admin pages need GATEWAY_ADMIN_TOKEN, and the check says so."""
    assert expected == len(found(tmp_path, f'server.admin_bind = "{bind}"', GATEWAY_ADMIN_TOKEN=token))


def test_the_summary_counts() -> None:
    """A valid configuration is summed up in a line, without notes when nothing is missing."""
    settings, _ = read(EXAMPLE, {name: "key-of-" + name for name in NAMES})
    assert f"ok: {EXAMPLE}: 4 accounts, 3 models, 1 keys" == summary(settings)


def test_the_summary_says_what_the_first_start_will_do() -> None:
    """Without configuration the summary names the simulator and the key file."""
    text = summary(read(None, {"HOME": "/home/a"})[0])
    wanted = ["no configuration file", "sim/gpt", "/home/a/.local/share/llmgw/client-key"]
    assert [] == [word for word in wanted if word not in text]
