"""The products that are compared: how each is configured and started in front of the same two upstreams.

All get the same names: `gpt` is an OpenAI account at the canned upstream, `claude` an Anthropic account there, and
`sim-gpt` an OpenAI account at the simulator. All check a client key and run as one process without a database.

What could put LiteLLM at a disadvantage is seen to: it has the settings of its production page (which turn off its line
for each request; the gateway writes its own, as by default), names instead of patterns, models that are in its price
list, and neither retries nor cooldowns, which would only cost time here.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path
from subprocess import run
from typing import NamedTuple

KEY = "sk-bench-0123456789abcdefghijklmnopqrst"

_GATEWAY = """
[server]
data_bind = "127.0.0.1:{port}"
admin_bind = "127.0.0.1:{admin}"
engine = "{engine}"
workers = 0
[database]
url = "none"
[[accounts]]
id = "a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "http://127.0.0.1:{canned}/v1"
pool = "chat"
[[accounts]]
id = "b"
provider = "anthropic"
credential = "env:UP_KEY"
base_url = "http://127.0.0.1:{canned}"
pool = "messages"
[[accounts]]
id = "c"
provider = "openai"
credential = "env:UP_KEY"
base_url = "http://127.0.0.1:{simulator}/v1"
pool = "simulated"
[[models]]
name = "gpt"
targets = [{{ pool = "chat", model = "gpt-4o" }}]
[[models]]
name = "claude"
targets = [{{ pool = "messages", model = "claude-sonnet-4-5" }}]
[[models]]
name = "sim-gpt"
targets = [{{ pool = "simulated", model = "gpt-4o" }}]
[[keys]]
id = "bench"
hash = "sha256:{hash}"
"""

_LITELLM = """
model_list:
  - model_name: gpt
    litellm_params: {{model: openai/gpt-4o, api_base: "http://127.0.0.1:{canned}/v1", api_key: sk-up}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "http://127.0.0.1:{canned}", api_key: sk-up}}
  - model_name: sim-gpt
    litellm_params: {{model: openai/gpt-4o, api_base: "http://127.0.0.1:{simulator}/v1", api_key: sk-up}}
general_settings:
  master_key: {key}
router_settings:
  num_retries: 0
  disable_cooldowns: true
litellm_settings:
  telemetry: false
  num_retries: 0
"""

# No network but loopback.
_LITELLM_ENVIRON = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
}


class Ports(NamedTuple):
    """Where everything listens; `admin` is only used by products that have a second listener."""

    port: int
    admin: int
    canned: int
    simulator: int


class Product(NamedTuple):
    """A name to print, and what starts it."""

    name: str
    command: list[str]
    environ: dict[str, str]


def gateway(engine: str, ports: Ports, folder: Path) -> Product:
    file = folder / "gateway.toml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    file.write_text(_GATEWAY.format(**ports._asdict(), engine=engine, hash=digest))
    command = [str(Path(sys.executable).parent / "gateway"), "serve", "--config", str(file), "--data-dir", str(folder)]
    return Product(f"llmgw {version('llmgw-gateway')}, {engine}", command, {"UP_KEY": "sk-up"})


def litellm(home: Path, ports: Ports, folder: Path) -> Product:
    """`home` is its virtual environment."""
    file = folder / "litellm.yaml"
    file.write_text(_LITELLM.format(**ports._asdict(), key=KEY))
    command = [str(home / "bin" / "litellm"), "--config", str(file), "--host", "127.0.0.1", "--port", str(ports.port)]
    asked = [str(home / "bin" / "python"), "-c", "from importlib.metadata import version; print(version('litellm'))"]
    found = run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return Product(f"LiteLLM {found}", [*command, "--num_workers", "1"], _LITELLM_ENVIRON)
