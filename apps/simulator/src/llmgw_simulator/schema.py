"""Makes a value that is valid for a JSON Schema, for tool arguments and structured output.

It covers what providers accept in those places: object, array, string, number, integer, boolean, null, enum, const,
anyOf, oneOf, allOf, local `$ref`, required, nullable, type lists, the usual bounds and formats, and Gemini's upper-case
type names. `pattern` and `not` are not looked at. Optional properties are filled near the root and left out further
down, which is also what ends a recursive schema.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

_DEEP = 3
"""From this depth on only what is required is made."""

_DEEPEST = 24
"""A schema that requires itself has no finite value; its makers are told null here."""

_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:26:53Z",
    "time": "09:26:53Z",
    "duration": "PT15M",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uri": "https://example.com/page",
    "uuid": "3f0c2a51-8d7e-4b69-9a14-5c2e7d801b36",
}
_WORDS = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven")


def make(schema: Any, rand: Random, name: str = "value") -> Any:
    """A value for `schema`; the same state of `rand` gives the same value. `name` colours strings."""
    return _Maker(schema, rand).value(schema, name, 0)


class _Maker:
    def __init__(self, root: Any, rand: Random) -> None:
        self._root = root
        self._rand = rand

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None if depth > _DEEPEST else f"{name} {self._word()}"
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._rand.choice(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                rest = {key: value for key, value in schema.items() if key != union}
                return self.value({**rest, **self._resolve(self._branch(schema[union], depth))}, name, depth + 1)
        return self._typed(schema, name, depth)

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Follow `$ref` and fold `allOf`, so that the rest sees one plain schema."""
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                found = self._lookup(str(schema["$ref"]))
                schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
            elif "allOf" in schema:
                schema = self._fold(schema)
            else:
                break
        return schema

    def _lookup(self, ref: str) -> dict[str, Any]:
        found = self._root
        for step in ref.removeprefix("#").strip("/").split("/"):
            if step and isinstance(found, dict):
                found = found.get(step.replace("~1", "/").replace("~0", "~"), {})
        return found if isinstance(found, dict) else {}

    def _fold(self, schema: dict[str, Any]) -> dict[str, Any]:
        folded = {key: value for key, value in schema.items() if key != "allOf"}
        for branch in schema["allOf"]:
            branch = self._resolve(branch)
            properties = {**folded.get("properties", {}), **branch.get("properties", {})}
            required = [*folded.get("required", []), *branch.get("required", [])]
            folded = {**folded, **branch}
            if properties:
                folded |= {"properties": properties, "required": required}
        return folded

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """Prefer a branch with content near the root, and null where a recursion should end."""
        null = [branch for branch in branches if _kind(branch) == "null"]
        if null and depth > _DEEP:
            return null[0]
        return next((branch for branch in branches if branch not in null), branches[0])

    def _typed(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return self._rand.random() < 0.5
        return None if kind == "null" else self._string(schema, name)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required") or []
        properties = schema.get("properties") or {}
        wanted = [key for key in properties if key in required or depth < _DEEP]
        made = {key: self.value(properties[key], key, depth + 1) for key in wanted}
        return made | {key: self._word() for key in required if key not in properties}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems") or []
        least = int(schema.get("minItems") or 0)
        length = max(least, len(fixed), 1 if depth < _DEEP else 0)
        if schema.get("maxItems") is not None:
            length = max(least, min(length, int(schema["maxItems"])))
        kinds = [*fixed, *[schema.get("items", {})] * length][:length]
        return [self.value(kind, name, depth + 1) for kind in kinds]

    def _number(self, schema: dict[str, Any], kind: str) -> float | int:
        step = schema.get("multipleOf") or (1 if kind == "integer" else 0.5)
        low, high = _bounds(schema, step)
        first = (
            math.ceil(low / step) if low is not None else 0 if high is None or high >= 0 else math.floor(high / step)
        )
        last = math.floor(high / step) if high is not None else first + 40
        value = step * self._rand.randint(first, max(first, min(last, first + 40)))
        return int(value) if kind == "integer" else value

    def _string(self, schema: dict[str, Any], name: str) -> str:
        text = _FORMATS.get(str(schema.get("format")), "") or f"{name} {self._word()}"
        text = text.ljust(int(schema.get("minLength") or 0), "x")
        most = schema.get("maxLength")
        return text if most is None else text[: int(most)]

    def _word(self) -> str:
        return self._rand.choice(_WORDS)


def _bounds(schema: dict[str, Any], step: float) -> tuple[float | None, float | None]:
    """The inclusive bounds; an exclusive one is moved inwards by a step."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema.get("exclusiveMinimum") is not None:
        low = schema["exclusiveMinimum"] + step
    if schema.get("exclusiveMaximum") is not None:
        high = schema["exclusiveMaximum"] - step
    return low, high


def _kind(schema: Any) -> str:
    """The type to make: the first that is not null of a type list, or what the other keywords imply."""
    if not isinstance(schema, dict):
        return "string"
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind).lower()
