"""Reading a client's object by either spelling of its names, value by value.

Google's API takes `functionDeclarations` and `function_declarations` alike, and real clients send both, even mixed in
one request. So requests are not decoded into one typed tree: each level is split into raw values under their
camelCase names and read through typed getters. Values that nobody looks into (arguments, schemas) stay the client's
own bytes, unknown names survive, and every refusal names the path of the field.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from llmgw_domain.errors import InvalidField

T = TypeVar("T")

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])
_FLAG = msgspec.json.Decoder(bool)
_NUMBER = msgspec.json.Decoder(int | float)
_WORD = msgspec.json.Decoder(str | int)
# Proto JSON writes 64-bit integers as strings, and some clients write 40.0 for 40.
_INTEGER = msgspec.json.Decoder(int | float | str)

_HUMP = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")


def camel(name: str) -> str:
    """The camelCase spelling of a name; one that has none is returned as it is."""
    return _HUMP.sub(lambda found: found[1].upper(), name) if "_" in name else name


class Fields:
    """One object of a request. Getters give None for what is absent or null, and raise `InvalidField` with the path."""

    __slots__ = ("_values", "where")

    def __init__(self, values: Mapping[str, msgspec.Raw], where: str = "") -> None:
        self.where = where
        self._values: dict[str, msgspec.Raw] = {}
        for name, value in values.items():
            known = camel(name)
            if known in self._values:
                raise InvalidField(f"{self.path(known)} stands twice, in two spellings.", param=self.path(known))
            if bytes(value) != b"null":
                self._values[known] = value

    @classmethod
    def of(cls, raw: msgspec.Raw, where: str) -> Fields:
        """The fields of a raw JSON object. Raises `InvalidField` if it is none."""
        return cls(decoded(_OBJECT, raw, where, "an object"), where)

    def path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def raw(self, name: str) -> msgspec.Raw | None:
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        return self._get(_TEXT, name, "a string")

    def texts(self, name: str) -> list[str] | None:
        return self._get(_TEXTS, name, "an array of strings")

    def flag(self, name: str) -> bool | None:
        return self._get(_FLAG, name, "true or false")

    def number(self, name: str) -> float | None:
        return self._get(_NUMBER, name, "a number")

    def word(self, name: str) -> str | int | None:
        """An enum's value: its name in upper case, or its number."""
        value = self._get(_WORD, name, "a string")
        return value.upper() if isinstance(value, str) else value

    def integer(self, name: str) -> int | None:
        value = self._get(_INTEGER, name, "an integer")
        if value is None or type(value) is int:
            return value
        try:
            number = float(value)
            if number == int(number):
                return int(number)
        except (ValueError, OverflowError):
            pass
        raise InvalidField(f"{self.path(name)} must be an integer.", param=self.path(name))

    def object(self, name: str) -> Fields | None:
        raw = self._values.get(name)
        return None if raw is None else Fields.of(raw, self.path(name))

    def objects(self, name: str) -> list[Fields]:
        """The items of an array of objects; none where it is absent."""
        raw = self._values.get(name)
        return [] if raw is None else objects(raw, self.path(name))

    def rest(self, known: Collection[str]) -> dict[str, msgspec.Raw]:
        """What has another name than the known ones."""
        return {name: value for name, value in self._values.items() if name not in known}

    def _get(self, decoder: msgspec.json.Decoder[T], name: str, kind: str) -> T | None:
        raw = self._values.get(name)
        return None if raw is None else decoded(decoder, raw, self.path(name), kind)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"<Fields {self.where or '(top)'}: {', '.join(self._values)}>"


def objects(raw: msgspec.Raw, where: str) -> list[Fields]:
    """The items of a raw array of objects. Raises `InvalidField` if it is another value."""
    items = decoded(_ITEMS, raw, where, "an array of objects")
    return [Fields.of(item, f"{where}[{number}]") for number, item in enumerate(items)]


def decoded(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, where: str, kind: str) -> Any:
    """A raw value, decoded. Raises `InvalidField` that says what it must be."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidField(f"{where} must be {kind}.", param=where) from None
