"""Records of the documented format that this version can't serve: left out with a note, while the rest is served.

A configuration is often shared by machines whose versions differ for a while, so an account at a provider that only a
later version knows must not keep the others from starting. What is left out is said by `gateway check` and in the log;
a request for it is answered as one for an unknown model. What would change how everything else behaves (a database, a
cluster) is refused instead.
"""

from __future__ import annotations

from typing import Any

from llmgw_gateway.problems import Origins, Problem

PROVIDERS = ("azure", "bedrock", "vertex")
APIS = ("responses",)


def leave_out(raw: dict[str, Any], origins: Origins) -> list[Problem]:
    """Takes such records out of `raw` and gives a note for each; `origins` goes on to number the rest as written."""
    accounts, models = _tables(raw, "accounts"), _tables(raw, "models")
    notes: list[Problem] = []
    kept = [i for i, account in enumerate(accounts) if account.get("provider") not in PROVIDERS]
    for i, account in enumerate(accounts):
        if i not in kept:
            said = f"{account['provider']!r} is not available in this version, so the account is left out"
            notes.append(origins.problem(f"accounts[{i}].provider", said))
    served = {accounts[i].get("pool") for i in kept}
    gone = {account.get("pool") for account in accounts} - served
    models_kept = [i for i, model in enumerate(models) if _keep_targets(model, i, gone, origins, notes)]
    if len(kept) < len(accounts):
        raw["accounts"] = [accounts[i] for i in kept]
        origins.kept["accounts"] = kept
    if len(models_kept) < len(models):
        raw["models"] = [models[i] for i in models_kept]
        origins.kept["models"] = models_kept
    return notes


def _keep_targets(model: dict[str, Any], i: int, gone: set[Any], origins: Origins, notes: list[Problem]) -> bool:
    """Takes targets out that lead to what is left out; whether the model still leads anywhere."""
    targets = _tables(model, "targets")
    kept = [j for j, target in enumerate(targets) if target.get("pool") not in gone and target.get("api") not in APIS]
    if len(kept) == len(targets):
        return True
    path = f"models[{i}]"
    if kept:
        model["targets"] = [targets[j] for j in kept]
        origins.kept[f"{path}.targets"] = kept
    what = "some of its targets are left out: they need" if kept else "the model is left out: all its targets need"
    notes.append(origins.problem(path, f"{what} what is not available in this version"))
    return bool(kept)


def _tables(raw: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The tables of an array; anything else is somebody else's problem to report."""
    found = raw.get(name)
    return found if isinstance(found, list) and all(isinstance(table, dict) for table in found) else []
