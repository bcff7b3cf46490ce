"""Where the gateway's admin listener is, and which token opens it, as far as this machine knows.

The address is that of the command line, of `GATEWAY_ADMIN_URL`, or of `server.admin_bind`. The token is that of
`GATEWAY_ADMIN_TOKEN`, or the owner's, which a gateway keeps in its data folder: that is for the gateway of this
machine, and is sent to no other.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from llmgw_gateway.bind import Bind, bind_problem
from llmgw_gateway.config import Settings, read
from llmgw_gateway.verbs.client import Place, Wrong

OWNER_FILE = "owner.token"
"""In the data folder, mode 0600."""

URL_VARIABLE = "GATEWAY_ADMIN_URL"
OPENED_BY = "GATEWAY_ADMIN_TOKEN"


def add_options(command: argparse.ArgumentParser) -> None:
    """The options by which a command finds its gateway."""
    command.add_argument(
        "--admin-url",
        metavar="URL",
        help="where the gateway's admin listener is (default $GATEWAY_ADMIN_URL, then server.admin_bind)",
    )
    command.add_argument(
        "--config", metavar="FILE", type=Path, help="configuration file (default $GATEWAY_CONFIG, then ./gateway.toml)"
    )
    command.add_argument(
        "--data-dir", metavar="DIR", help="data folder, which has the owner's token (default as for serve)"
    )


def find(options: argparse.Namespace, environ: Mapping[str, str]) -> Place:
    """The place that a command is for. Raises `Wrong`, and `Unreadable` for a configuration that can't be read."""
    flags = {} if options.data_dir is None else {"server.data_dir": options.data_dir}
    settings, _ = read(options.config, environ, flags)
    given = options.admin_url or environ.get(URL_VARIABLE)
    url = (given or _of_configuration(settings)).rstrip("/")
    if environ.get(OPENED_BY):
        return Place(url, environ[OPENED_BY].strip(), f"the value of {OPENED_BY}")
    path = settings.data_dir / OWNER_FILE
    if given and not _on_this_machine(url):
        return Place(url, None, f"none: {OPENED_BY} is not set, and {path} is for the gateway of this machine")
    return _with_owner_token(url, path)


def _of_configuration(settings: Settings) -> str:
    bind = settings.config.server.admin_bind
    if bind_problem(bind) or Bind.parse(bind).fd is not None:
        raise Wrong(f"server.admin_bind is {bind!r}, which is no address to connect to: give --admin-url")
    return Bind.parse(bind).url()


def _on_this_machine(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return Bind.parse(f"[{host}]:1" if ":" in host else f"{host}:1").is_loopback
    except ValueError:
        return False


def _with_owner_token(url: str, path: Path) -> Place:
    try:
        return Place(url, path.read_text("utf-8").strip(), f"the one in {path}")
    except FileNotFoundError:
        return Place(url, None, f"none: {OPENED_BY} is not set, and there is no {path}")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        return Place(url, None, f"none: {OPENED_BY} is not set, and {path} can't be read: {reason}")
