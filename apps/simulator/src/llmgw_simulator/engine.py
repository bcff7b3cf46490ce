"""Decides what the simulated model answers. Pure: the same request and seed give the same answer.

The rules, first that applies:
0. The user's text holds the word REFUSE: a refusal, as a text.
1. Tools are offered, the choice is not `none`, and the last user turn holds no tool result (or the choice forces a
   call): tool calls, with arguments made from the tool's schema. The tool that the user's text names is called,
   otherwise the first. A text with the word "parallel", or with "both" and at least two tools, gets two calls.
   A JSON object directly behind the tool's name in the text is its arguments: `get_weather {"city": "Oslo"}`.
2. A schema (or JSON mode): a JSON text that is valid for it.
3. The last user turn holds tool results: a text that quotes them.
4. It holds attachments: a text that says their kind, type and decoded size.
5. Otherwise the user's text comes back, with some sentences after it.
Calls that the user dictates (see `dictation`) go before all but a forced choice.
A request for thinking puts reasoning in front. Stop sequences cut the text, then the token limit cuts the whole.
"""

from __future__ import annotations

import hashlib
import re
from random import Random
from typing import Any

import msgspec

from llmgw_simulator.ask import Answer, Answers, Ask, Finish, Media, Part, Tool, Turn
from llmgw_simulator.dictation import dictated
from llmgw_simulator.schema import make
from llmgw_simulator.tokens import count, pieces

ECHO_LIMIT = 4000
"""How much of the user's text comes back, in characters: a test wants to see its text, a benchmark not a megabyte."""

_SENTENCES = (
    "The tide turns twice a day and the harbour keeps the time.",
    "A lamp on the far shore blinks three times, then rests.",
    "Boats with blue sails carry letters between the islands.",
    "Every bridge in the valley has a name and a keeper.",
    "The old clock runs seven minutes fast, and all agree on it.",
    "Rain is counted in cups, and the cups are counted at dusk.",
    "Two roads meet at the mill; the shorter one is steeper.",
    "The library lends maps only to those who return them folded.",
)
_THOUGHTS = (
    "The request is short, so the answer can be short too.",
    "First the facts, then the order in which to tell them.",
    "Nothing here needs a guess; the text itself says what is wanted.",
    "One check more: the answer must fit the form that was asked for.",
)
_MEDIA_TOKENS = 85
_REFUSAL = "I'm sorry, but I can't help with that request."


def decide(ask: Ask, seed: int, least_tokens: int = 0) -> Answers:
    """The answer to `ask`. `least_tokens` lengthens texts (not calls, not JSON) to at least that many tokens."""
    digest = hashlib.sha256(b"%d/" % seed + msgspec.json.encode(ask)).hexdigest()
    choices = tuple(_choice(ask, f"{digest}{index}", least_tokens) for index in range(ask.n))
    return Answers(digest, prompt_tokens(ask), choices)


def prompt_tokens(ask: Ask) -> int:
    """Input tokens: texts and tools at four characters each, three for a turn, 85 for an attachment."""
    total = 0
    for turn in ask.turns:
        total += 3 + count(turn.text) + _MEDIA_TOKENS * len(turn.media)
        total += sum(3 + count(result.text) for result in turn.results)
    if ask.tools:
        total += count(msgspec.json.encode(ask.tools).decode())
    return total


def _choice(ask: Ask, digest: str, least_tokens: int) -> Answer:
    rand = Random(int(digest[:16], 16) + int(digest[64:]))
    parts = [_reasoning(rand)] if ask.thinking else []
    stop = None
    told = dictated(ask, digest)
    calls = _calls(ask, digest, rand) if told is None else told
    if not calls:
        text, stop = _stopped(_text(ask, rand, least_tokens), ask.stop)
        parts += [Part("text", text)] if text else []
    return _fitted([*parts, *calls], ask.limit, "calls" if calls else "stop_sequence" if stop else "stop", stop)


def _reasoning(rand: Random) -> Part:
    return Part("reasoning", " ".join(rand.sample(_THOUGHTS, rand.randint(2, len(_THOUGHTS)))))


def _calls(ask: Ask, digest: str, rand: Random) -> list[Part]:
    user = ask.last_user()
    if ask.refuses or ask.choice.mode == "none" or (user.results and ask.choice.mode == "auto"):
        return []
    called = _called(ask, user)
    return [_call(tool, f"{digest}/{index}", rand, user.text) for index, tool in enumerate(called)]


def _called(ask: Ask, user: Turn) -> list[Tool]:
    """The tools to call, in order; one tool is called twice when calls in parallel are wanted and no other is there."""
    offered = [tool for tool in ask.tools if not ask.choice.names or tool.name in ask.choice.names]
    if not offered:
        return []
    words = set(re.findall(r"\w+", user.text.lower()))
    if ask.choice.parallel and ("parallel" in words or ("both" in words and len(offered) > 1)):
        return (offered * 2)[:2]
    return [next((tool for tool in offered if tool.name.lower() in words), offered[0])]


def _call(tool: Tool, key: str, rand: Random, text: str) -> Part:
    made = given_arguments(text, tool.name)
    if made is None:
        made = make(tool.schema or {"type": "object"}, rand)
    arguments = made if isinstance(made, dict) else {}
    return Part("call", msgspec.json.encode(arguments).decode(), tool.name, hashlib.sha256(key.encode()).hexdigest())


def given_arguments(text: str, name: str) -> dict[str, Any] | None:
    """The JSON object that directly follows `name` in `text`, with or without a bracket before it, or None."""
    found = re.search(rf"\b{re.escape(name)}\s*\(?\s*(?={{)", text)
    rest = text[found.end() :][:ECHO_LIMIT] if found else ""
    for end in re.finditer("}", rest):
        try:
            value: dict[str, Any] = msgspec.json.decode(rest[: end.end()], type=dict[str, Any])
        except msgspec.DecodeError:
            continue
        return value
    return None


def _text(ask: Ask, rand: Random, least_tokens: int) -> str:
    if ask.refuses:
        return _REFUSAL
    if ask.schema is not None:
        return msgspec.json.encode(make(ask.schema, rand)).decode()
    said = _said(ask.last_user())
    if ask.json_mode:
        return msgspec.json.encode({"answer": said}).decode()
    sentences = rand.choices(_SENTENCES, k=rand.randint(2, 4))
    text = said + "\n" + " ".join(sentences)
    return text if least_tokens <= 0 else _lengthened(text, least_tokens, rand)


def _lengthened(text: str, least_tokens: int, rand: Random) -> str:
    """More sentences until there are enough tokens; counted sentence by sentence, not over the whole each time."""
    chunks, total = [text], len(pieces(text))
    while total < least_tokens:
        chunks.append(rand.choice(_SENTENCES))
        total += len(pieces(" " + chunks[-1]))
    return " ".join(chunks)


def _said(user: Turn) -> str:
    if user.results:
        quoted = "; ".join(f"error: {result.text}" if result.error else result.text for result in user.results)
        return f"The tools said: {quoted[:ECHO_LIMIT]}."
    seen = [_seen(user.media, kind) for kind in ("image", "document", "audio", "video")]
    return " ".join([*filter(None, seen), f"You said: {user.text[:ECHO_LIMIT]}"])


def _seen(media: tuple[Media, ...], kind: str) -> str:
    """For instance "I see 1 image of image/png, 68 bytes."."""
    found = [item for item in media if item.kind == kind]
    if not found:
        return ""
    each = "; ".join(item.uri if item.uri else f"{item.media_type}, {item.size} bytes" for item in found)
    return f"I see {len(found)} {kind}{'s' if len(found) > 1 else ''} of {each}."


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the stop sequence that comes first, and that sequence."""
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _fitted(parts: list[Part], limit: int | None, finish: Finish, stop: str | None) -> Answer:
    """Cut `parts` to `limit` tokens and count them."""
    kept: list[Part] = []
    tokens: dict[str, int] = {"reasoning": 0, "text": 0, "call": 0}
    left: float = float("inf") if limit is None else limit
    cut = False
    for part in parts:
        cut = cut or left <= 0
        if cut:
            break
        words = pieces(part.text)
        if len(words) > left:
            words, cut = words[: int(left)], True
            part = msgspec.structs.replace(part, text="".join(words), cut=True)
        kept.append(part)
        tokens[part.kind] += len(words)
        left -= len(words)
    return Answer(
        parts=tuple(kept),
        finish="length" if cut else finish,
        stop_sequence=None if cut else stop,
        tokens=sum(tokens.values()),
        reasoning_tokens=tokens["reasoning"],
    )


def object_or_empty(text: str) -> Any:
    """Arguments as an object; those that the token limit cut are an empty one, where a dialect cannot send text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
