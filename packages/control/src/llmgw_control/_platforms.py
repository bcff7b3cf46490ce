"""Where in a cloud an account is: which keys a provider has for it, which it needs, and the address that follows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llmgw_control import _checks as checks
from llmgw_control._report import Report
from llmgw_control.records import AccountRecord
from llmgw_domain import Provider, Secret
from llmgw_domain.accounts import Credential, Platform, ServiceAccount
from llmgw_domain.servers import GENERIC, Server

_OWNERS = {
    "region": Provider.BEDROCK,
    "project": Provider.VERTEX,
    "location": Provider.VERTEX,
    "api_version": Provider.AZURE,
    "deployments": Provider.AZURE,
    "server": Provider.OPENAI_COMPATIBLE,
}
"""The one kind of provider that each key means something to."""

_ADDRESSES = {
    Provider.OPENAI: "https://api.openai.com/v1",
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.GOOGLE: "https://generativelanguage.googleapis.com",
}
"""Where each provider's own SDK goes."""

# These become a part of a host's name, or one segment of a path.
_PLACE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z0-9-]+")
_API_VERSION = re.compile(r"v1|preview|latest|\d{4}-\d{2}-\d{2}(-preview)?")
_AWS_HOST = re.compile(r"//(?:[^/]*\.)?bedrock[a-z-]*\.([a-z0-9-]+)\.[^/]*(?:amazonaws|api\.aws)")


def platform(report: Report, record: AccountRecord, provider: Provider, credential: Credential | None) -> Platform:
    """The account's place. What the credential decides is not asked for where that is wrong itself."""
    for key, owner in _OWNERS.items():
        if getattr(record, key) is not None and provider is not owner:
            report.at(key).add(f"means nothing to {provider.value!r}; only accounts of {owner.value!r} have it")
    match provider:
        case Provider.AZURE:
            return _azure(report, record)
        case Provider.VERTEX:
            return _vertex(report, record, credential)
        case Provider.BEDROCK:
            return _bedrock(report, record, credential)
    return Platform()


def address(provider: Provider, place: Platform, server: Server = GENERIC) -> str | None:
    """The base address of accounts that name none; None where only the operator can know it."""
    match provider:
        case Provider.OPENAI_COMPATIBLE:
            return server.base_url.rstrip("/") if server.base_url else None
        case Provider.VERTEX:
            return f"https://{_vertex_host(place.location or 'global')}"
        case Provider.BEDROCK:
            # A missing region is told by itself; the address that hangs on it is not missed as well.
            region = place.region or "region"
            ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            return f"https://bedrock-runtime.{region}.{ending}"
    return _ADDRESSES.get(provider)


def server(report: Report, value: str | None, servers: Mapping[str, Server]) -> Server:
    """What is known of the OpenAI-compatible server that an account names."""
    if value is None:
        return GENERIC
    checks.known(report, value, servers, "there is no server")
    return servers.get(value, GENERIC)


# --- each provider ----------------------------------------------------------------------------------------------------


def _azure(report: Report, record: AccountRecord) -> Platform:
    version = record.api_version if record.api_version is not None else "v1"
    if not _API_VERSION.fullmatch(version):
        report.at("api_version").add(f"must be 'v1', 'preview', or a date such as '2024-10-21', not {version!r}")
    deployments = record.deployments or {}
    for model, deployment in deployments.items():
        checks.target_model(report.at(f"deployments.{model}"), deployment, model)
    return Platform(api_version=version, deployments=deployments)


def _vertex(report: Report, record: AccountRecord, credential: Credential | None) -> Platform:
    _shaped(report.at("location"), record.location, _PLACE, "'global', 'eu' or 'us-central1'")
    _shaped(report.at("project"), record.project, _PROJECT, "'my-project'")
    found = credential.project if isinstance(credential, ServiceAccount) else None
    project = record.project or found
    # An API key may be all that there is (express mode); where a project is named, its location has to be as well.
    express = isinstance(credential, Secret) and project is None
    if credential is not None and project is None and not express:
        report.at("project").add("missing: the credential names no project, so say which one is billed")
    if record.location is None and not express:
        report.at("location").add("missing: say where the models run, e.g. 'global', 'eu' or 'us-central1'")
    return Platform(project=project, location=record.location)


def _bedrock(report: Report, record: AccountRecord, credential: Credential | None) -> Platform:
    _shaped(report.at("region"), record.region, _PLACE, "'us-east-1'")
    host = _AWS_HOST.search(record.base_url or "")
    region = record.region or (host[1] if host else None)
    # An API key is sent as it is; everything else signs, and a signature names the region.
    if region is None and not (isinstance(credential, Secret) and record.base_url):
        report.at("region").add("missing: say which region's models are meant, e.g. 'us-east-1'")
    return Platform(region=region)


def _vertex_host(location: str) -> str:
    """By location, as Google's own SDK has it: the multi-regions keep data inside of them."""
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _shaped(report: Report, value: str | None, shape: re.Pattern[str], example: str) -> None:
    if value is not None and not shape.fullmatch(value):
        report.add(f"must be a name such as {example}, not {value!r}")
