"""LiteLLM's hook for keys of one's own: without a database it has but its master key, and this workload has tenants."""

from __future__ import annotations

from typing import Any

from litellm.proxy._types import UserAPIKeyAuth, hash_token  # type: ignore[import-not-found]


async def one_key_for_each_tenant(request: Any, api_key: str) -> UserAPIKeyAuth:
    """Every key is good, and counts as one of its own."""
    return UserAPIKeyAuth(api_key=hash_token(api_key), user_id=api_key[:24])
