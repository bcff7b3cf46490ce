"""The first page: which accounts there are and what they are doing, and which models lead to them."""

from __future__ import annotations

from importlib.resources import files

import jinja2
import msgspec

from llmgw_admin.status import Status
from llmgw_domain import Account, Catalog, Model


class AccountRow(msgspec.Struct, frozen=True):
    """`limit` is the text of the concurrency limit; `tone` the colour of the state: good, warn or off."""

    id: str
    provider: str
    pool: str
    state: str
    tone: str
    in_flight: int
    limit: str


class ModelRow(msgspec.Struct, frozen=True):
    name: str
    targets: tuple[str, ...]


def account_rows(catalog: Catalog, status: Status) -> list[AccountRow]:
    return [_account_row(account, status) for account in catalog.accounts.values()]


def model_rows(catalog: Catalog) -> list[ModelRow]:
    """Exact names first, then patterns, as they are looked up."""
    return [_model_row(model) for model in (*catalog.models.values(), *catalog.patterns)]


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `2 min 5 s`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def overview(catalog: Catalog, status: Status) -> str:
    """The page as HTML. Nothing of a credential or key is in what the template is given."""
    return _TEMPLATES.get_template("overview.html").render(
        accounts=account_rows(catalog, status),
        models=model_rows(catalog),
        keys=len(catalog.keys),
        catalog_version=catalog.version,
        status=status,
        uptime=duration(status.uptime),
    )


def _package_text(name: str) -> str | None:
    source = files("llmgw_admin") / "templates" / name
    return source.read_text("utf-8") if source.is_file() else None


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FunctionLoader(_package_text),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def _account_row(account: Account, status: Status) -> AccountRow:
    in_flight = status.in_flight.get(account.id, 0)
    state, tone = _state(account, status, in_flight)
    limit = str(account.max_concurrency) if account.max_concurrency is not None else "no limit"
    return AccountRow(account.id, account.provider.value, account.pool, state, tone, in_flight, limit)


def _state(account: Account, status: Status, in_flight: int) -> tuple[str, str]:
    if not account.enabled:
        return "disabled", "off"
    if account.id in status.states:
        return status.states[account.id], "warn"
    if account.max_concurrency is not None and in_flight >= account.max_concurrency:
        return "full", "warn"
    return "ready", "good"


def _model_row(model: Model) -> ModelRow:
    ordered = sorted(model.targets, key=lambda target: target.priority)
    tiered = len({target.priority for target in ordered}) > 1
    texts = (f"{t.pool} / {t.model}" + (f" (priority {t.priority})" if tiered else "") for t in ordered)
    return ModelRow(model.name, tuple(texts))
