"""Fields of a request as tables: which are known, of which type, within which bounds, in the words of OpenAI's 400.

The newer endpoints of OpenAI (responses, embeddings, images, files, ...) report with one voice, which is this module's;
chat completions has older words of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from llmgw_simulator.dialects._checks import is_integer, json_object
from llmgw_simulator.dialects.chat_messages import called, invalid

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "decimal": (int, float),
    "integer": (int,),
}
_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)


class Rule(msgspec.Struct, frozen=True):
    """What a field may be: one of the JSON kinds (`any` for no check), one of `values`, within `low` and `high`."""

    kind: str = "any"
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False


ANY, TEXT, FLAG, LIST, OBJECT = Rule(), Rule("string"), Rule("boolean"), Rule("array"), Rule("object")
NEEDED_TEXT = Rule("string", required=True)


def one_of(*values: str) -> Rule:
    """A string that is one of `values`."""
    return Rule("string", values)


def json_body(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises `Refusal`."""
    body = json_object(raw)
    if body is None:
        invalid(_NOT_JSON)
    return body


def check(body: Mapping[str, Any], rules: Mapping[str, Rule], where: str = "") -> None:
    """Refuse unknown and missing fields and wrong values; null counts as absent. Raises `Refusal`.

    `where` is what comes before a field's name in messages: `reasoning.`, `input[0].`.
    """
    for name in body:
        if name not in rules:
            invalid(f"Unknown parameter: '{where}{name}'.", f"{where}{name}", "unknown_parameter")
    for name, rule in rules.items():
        value = body.get(name)
        if value is not None:
            check_value(value, rule, where + name)
        elif rule.required:
            missing(where + name)


def missing(param: str) -> NoReturn:
    """Refuse for a field that is not there."""
    invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def check_value(value: Any, rule: Rule, param: str) -> None:
    """Refuse a value that `rule` does not allow. Raises `Refusal`."""
    kinds = _KINDS.get(rule.kind)
    if kinds is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        article = "an" if rule.kind[0] in "aio" else "a"
        expected = f"{article} {rule.kind}"
        message = f"Invalid type for '{param}': expected {expected}, but got {called(value)} instead."
        invalid(message, param, "invalid_type")
    if rule.values and value not in rule.values:
        invalid(f"Invalid value: '{value}'. Supported values are: {listed(rule.values)}.", param, "invalid_value")
    for bound, side, sign, wrong in (
        (rule.low, "below minimum", ">=", rule.low is not None and value < rule.low),
        (rule.high, "above maximum", "<=", rule.high is not None and value > rule.high),
    ):
        if wrong:
            kind = "integer" if rule.kind == "integer" and is_integer(value) else "decimal"
            message = (
                f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
            )
            invalid(
                message,
                param,
                f"{kind}_{side.replace('minimum', 'min').replace('maximum', 'max').replace(' ', '_')}_value",
            )


def listed(values: tuple[str, ...]) -> str:
    """`'a', 'b', and 'c'`."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
