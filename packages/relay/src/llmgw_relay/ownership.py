"""Which account a request is bound to by the objects that it names."""

from __future__ import annotations

from collections.abc import Sequence

from llmgw_domain import Account
from llmgw_domain.errors import BadRequest, NoAccount, NotFound, StoreUnavailable
from llmgw_relay.call import Admission
from llmgw_relay.objects import Objects, Owned


class Ownership:
    """The objects of one caller's tenant. To a tenant, another's object is not there.

    An id that is not remembered may still be an object from before the gateway was there, or one that was forgotten.
    While all keys belong to one tenant it can't be anybody else's, so the provider is left to say whether it exists.
    """

    def __init__(self, objects: Objects, admission: Admission) -> None:
        self._objects = objects
        self._catalog = admission.catalog
        self._tenant = admission.key.tenant

    async def account_of(self, ids: Sequence[str]) -> Account | None:
        """The account that holds these objects; None where none of them is bound to one.

        Raises `NotFound`, `BadRequest` for objects of several accounts, `NoAccount` if theirs is gone,
        `StoreUnavailable` where it can't be known now whose one is.
        """
        held: dict[str, str] = {}
        for named in ids:
            owned = await self._find(named)
            if owned is None and self._alone:
                continue
            if owned is None or owned.tenant != self._tenant:
                raise missing(named)
            held[owned.account] = named
        if len(held) > 1:
            raise BadRequest(f"The objects {sorted(held.values())} are at different accounts of the provider.")
        return self._account(next(iter(held))) if held else None

    async def _find(self, id: str) -> Owned | None:
        try:
            return await self._objects.find(id, self._tenant)
        except StoreUnavailable:
            if self._alone:
                return None
            raise

    def _account(self, id: str) -> Account:
        account = self._catalog.accounts.get(id)
        if account is None:
            raise NoAccount("The account that holds this object is not configured any more.")
        return account

    @property
    def _alone(self) -> bool:
        return {key.tenant for key in self._catalog.keys.values()} <= {self._tenant}


def missing(named: str) -> NotFound:
    """What is told of an object that is not there, or not for this tenant."""
    return NotFound(f"No such object: {named[:100]!r}.", param="id")
