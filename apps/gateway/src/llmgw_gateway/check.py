"""Everything that can be known to be wrong before a start, without starting."""

from __future__ import annotations

from collections.abc import Iterator

from llmgw_control import Refused, compile_catalog
from llmgw_domain import Catalog
from llmgw_domain.accounts import ServiceAccount
from llmgw_gateway import first_start
from llmgw_gateway.bind import Bind
from llmgw_gateway.config import Settings
from llmgw_gateway.private_keys import key_problem
from llmgw_gateway.problems import Problem
from llmgw_gateway.secrets import Secrets
from llmgw_gateway.serving.tls import BadCertificate, Certificate

# Stands for the address that the simulator is going to have.
_SOME_SIMULATOR = "http://127.0.0.1:9"


def examine(settings: Settings, known: list[Problem] | None = None) -> list[Problem]:
    """All problems of these settings: `known` ones of reading them, and what only shows when they are put together.

    What stands at or below the path of a known problem is not reported again: there it is a default that is wrong.
    """
    problems = list(known or [])
    said = [problem.path for problem in problems if problem.path]
    for problem in (*_exposure(settings), *_certificate(settings), *_compile(settings)[1]):
        if not any(problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")) for path in said):
            problems.append(problem)
    return problems


def summary(settings: Settings) -> str:
    """One line on a valid configuration, and one for what is missing from a useful one."""
    catalog = _compile(settings)[0]
    source = str(settings.file) if settings.file else "no configuration file"
    if catalog is None:
        return f"{source}: not valid"
    models = len(catalog.models) + len(catalog.patterns)
    lines = [f"ok: {source}: {len(catalog.accounts)} accounts, {models} models, {len(catalog.keys)} keys"]
    if first_start.needs_simulator(settings.config, settings.environ):
        lines.append(
            "note: no accounts are configured, so the built-in simulator will serve sim/gpt, sim/claude, sim/gemini"
        )
    if not models:
        lines.append("note: no models are configured, so no request can be served")
    if not catalog.keys:
        lines.append(f"note: no keys are configured, so one will be kept in {settings.data_dir / first_start.KEY_FILE}")
    return "\n".join(lines)


def _compile(settings: Settings) -> tuple[Catalog | None, list[Problem]]:
    records = first_start.complete(settings.config, settings.environ, _SOME_SIMULATOR)
    try:
        catalog = compile_catalog(records, Secrets.of(settings).reveal)
    except Refused as refused:
        return None, [settings.origins.problem(reason.path, reason.message) for reason in refused.reasons]
    return catalog, list(_unusable_keys(settings, catalog))


def _unusable_keys(settings: Settings, catalog: Catalog) -> Iterator[Problem]:
    for i, record in enumerate(settings.config.accounts):
        credential = catalog.accounts[record.id].credential
        problem = key_problem(credential.private_key.reveal()) if isinstance(credential, ServiceAccount) else None
        if problem:
            yield settings.origins.problem(f"accounts[{i}].credential", f"account {record.id!r}: {problem}")


def _certificate(settings: Settings) -> Iterator[Problem]:
    if settings.tls_files is not None:
        try:
            Certificate(*settings.tls_files)
        except BadCertificate as error:
            yield settings.origins.problem("server.tls", str(error))


def _exposure(settings: Settings) -> list[Problem]:
    """The admin pages beyond this machine need a token; without one the gateway would not bind there."""
    try:
        bind = Bind.parse(settings.config.server.admin_bind)
    except ValueError:
        return []
    if bind.is_loopback or settings.admin_token:
        return []
    message = f"{bind} can be reached from other machines, so the environment variable GATEWAY_ADMIN_TOKEN must be set"
    return [settings.origins.problem("server.admin_bind", message)]
