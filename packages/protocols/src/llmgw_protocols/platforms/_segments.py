"""A model's name as a part of a path. Behind a star it is the client's own text, so it may not lead anywhere else."""

from __future__ import annotations

from urllib.parse import quote

from llmgw_domain.errors import InvalidField


def segment(name: str) -> str:
    """A name as one segment of a path. Raises `InvalidField`."""
    return _checked(quote(name, safe=":@"))


def segments(name: str) -> str:
    """A name whose slashes divide segments. Raises `InvalidField`."""
    return "/".join(map(segment, name.split("/")))


def _checked(quoted: str) -> str:
    # A dot needs no quoting, so servers would take these as steps through the path and not as names.
    if quoted in ("", ".", ".."):
        raise InvalidField("The model's name can't be a part of its provider's path.", param="model")
    return quoted
