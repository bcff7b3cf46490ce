"""The rules that the facts about an OpenAI-compatible server keep."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from llmgw_control import _checks as checks
from llmgw_control._report import Report
from llmgw_control.refusal import Reason
from llmgw_domain import Provider
from llmgw_domain.servers import Server, Variant

_HEADER = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PATTERN = re.compile(r"[!-~]{1,200}")
_CREDENTIALS = frozenset(
    ("authorization", "api-key", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie", "x-amz-security-token")
)
_TRANSPORT = frozenset(
    ("content-length", "content-type", "transfer-encoding", "connection", "host", "accept-encoding", "upgrade", "te")
)
_KINDS = ("requests", "tokens", "input_tokens", "output_tokens")


def server_problems(server: Server) -> Sequence[Reason]:
    """All that is wrong with a server, by the path below it."""
    report = Report()
    check_server(report, server)
    return report.reasons


def check_server(report: Report, server: Server) -> None:
    checks.name(report.at("name"), server.name)
    if server.base_url is not None:
        checks.base_url(report.at("base_url"), Provider.OPENAI_COMPATIBLE, server.base_url, None)
    _header_name(report.at("credential_header"), server.credential_header)
    for name, value in server.headers.items():
        _header(report.at(f"headers.{name}"), name, value)
    for kind, seconds in server.rate_windows.items():
        _window(report.at(f"rate_windows.{kind}"), kind, seconds)
    for i, variant in enumerate(server.variants):
        _variant(report.at(f"variants[{i}]"), variant)


def _header_name(report: Report, name: str) -> None:
    if not _HEADER.fullmatch(name):
        report.add(f"must be a header's name in small letters, not {name!r}")
    elif name in _TRANSPORT:
        report.add(f"{name!r} is set by the transport")


def _header(report: Report, name: str, value: str) -> None:
    _header_name(report, name)
    if name in _CREDENTIALS:
        # The value is not quoted: it may well be a secret.
        report.add("a credential belongs into the account, which is not shown; name its header in credential_header")
    elif not value or any(not " " <= c <= "~" for c in value) or value != value.strip():
        report.add("must be a text of visible ASCII characters")


def _window(report: Report, kind: str, seconds: float) -> None:
    if kind not in _KINDS:
        report.add(f"there is no such kind of limit; there are {checks.listed(_KINDS)}")
    if not (math.isfinite(seconds) and seconds > 0):
        report.add(f"must be a number of seconds above 0, not {seconds}")


def _variant(report: Report, variant: Variant) -> None:
    if not variant.models:
        report.at("models").add('none: say which models it is for, e.g. ["grok-4*"]')
    for i, pattern in enumerate(variant.models):
        if not _PATTERN.fullmatch(pattern):
            report.at(f"models[{i}]").add(f"must be 1 to 200 visible ASCII characters, not {pattern!r}")
