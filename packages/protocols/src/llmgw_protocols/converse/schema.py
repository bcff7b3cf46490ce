"""JSON Schemas for models that don't follow references: these are written out, and names of the schema go.

A definition that holds itself can't be written out; where it comes again it is any object.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.errors import InvalidField

_NAMES = frozenset(("$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "$ref"))
_ANY_OBJECT = {"type": "object"}
_MOST = 20_000
"""The most nodes of a schema that is written out: references of references double with every step."""
_any = msgspec.json.Decoder()


def without_references(schema: msgspec.Raw, param: str) -> msgspec.Raw:
    """The schema without any reference; one that has none comes back as it is.

    Raises `InvalidField` on `param` for a schema that can't be read.
    """
    if b'"$' not in bytes(schema) and b'"definitions"' not in bytes(schema):
        return schema
    try:
        root = _any.decode(schema)
        return msgspec.Raw(msgspec.json.encode(_Writer(root, param).written(root, ())))
    except msgspec.DecodeError as error:
        raise InvalidField(f"{param}: the schema can't be read: {error}.", param=param) from None
    except RecursionError:
        raise InvalidField(f"{param}: the schema is nested too deeply.", param=param) from None


class _Writer:
    def __init__(self, root: Any, param: str) -> None:
        self._root = root
        self._param = param
        self._left = _MOST

    def written(self, node: Any, inside: tuple[str, ...]) -> Any:
        """The node written out; `inside` are the references that led to it."""
        self._left -= 1
        if self._left < 0:
            why = f"{self._param}: the schema is too large once its references are written out, as this model needs it."
            raise InvalidField(why, param=self._param)
        if isinstance(node, list):
            return [self.written(item, inside) for item in node]
        if not isinstance(node, dict):
            return node
        out = {key: self._member(key, value, inside) for key, value in node.items() if key not in _NAMES}
        reference = node.get("$ref")
        return out if not isinstance(reference, str) else self._meant(reference, inside) | out

    def _member(self, key: str, value: Any, inside: tuple[str, ...]) -> Any:
        if key in ("properties", "patternProperties") and isinstance(value, dict):
            # Names of properties may look like keywords.
            return {name: self.written(inner, inside) for name, inner in value.items()}
        return value if key in ("enum", "const", "default", "examples") else self.written(value, inside)

    def _meant(self, reference: str, inside: tuple[str, ...]) -> dict[str, Any]:
        node = None if reference in inside else self._found(reference)
        if not isinstance(node, dict):
            return dict(_ANY_OBJECT)
        written = self.written(node, (*inside, reference))
        return written if isinstance(written, dict) else dict(_ANY_OBJECT)

    def _found(self, reference: str) -> Any:
        node = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if not isinstance(node, dict):
                return None
            node = node.get(step.replace("~1", "/").replace("~0", "~"))
        return node
