"""A model's name as a part of a path. Behind a star it is the client's own text, so it may not lead anywhere else."""

from __future__ import annotations

from urllib.parse import quote

from llmgw_domain.errors import InvalidField


def segment(name: str) -> str:
    """A name as one segment of a path. Raises `InvalidField`."""
    return "%2F".join(_steps(name))


def segments(name: str) -> str:
    """A name whose slashes divide segments. Raises `InvalidField`."""
    return "/".join(_steps(name))


def _steps(name: str) -> list[str]:
    steps = name.split("/")
    # A dot needs no quoting, and some servers read a quoted slash as a plain one: these would be steps in the path.
    if any(step in ("", ".", "..") for step in steps):
        raise InvalidField("The model's name can't be a part of its provider's path.", param="model")
    return [quote(step, safe=":@") for step in steps]
