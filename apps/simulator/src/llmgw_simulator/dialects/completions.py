"""OpenAI's legacy completions: prompts instead of messages, several of them at once if need be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answer, Answers, Ask, Turn
from llmgw_simulator.dialects._checks import is_integer, is_texts
from llmgw_simulator.dialects._rules import json_body
from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.dialects.chat_messages import called, invalid
from llmgw_simulator.dialects.chat_request import (
    check_exists,
    check_known,
    check_numbers,
    count_of,
    limit_of,
    model_of,
    stops_of,
)
from llmgw_simulator.engine import decide
from llmgw_simulator.opaque import token
from llmgw_simulator.tokens import pieces
from llmgw_simulator.wire import Frame, Incoming, Parsed, Refusal

_EPOCH = 1_790_000_000
_USUAL_LIMIT = 16
_HIGHEST_TOKEN = 100_257
_LOGPROB = -0.105
_FIELDS = frozenset(
    {
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "model",
        "n",
        "presence_penalty",
        "prompt",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "suffix",
        "temperature",
        "top_p",
        "user",
    }
)
_CHAT_ONLY = ("gpt-4", "gpt-5", "o1", "o3", "o4")


class _Wish(msgspec.Struct, frozen=True):
    """What the answer needs of the request: its prompts, what each is asked as, and how it is written."""

    prompts: list[str]
    asks: list[Ask]
    echo: bool
    logprobs: int | None
    usage: bool


class Completions(Chat):
    """The dialect `completions`."""

    name = "completions"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def parse(self, incoming: Incoming) -> Parsed:
        """Check the request. Raises `Refusal`."""
        body = json_body(incoming.body)
        model = _checked_model(body)
        prompts = _prompts(body.get("prompt"))
        limit = limit_of(body, model)
        asks = [
            Ask(
                model=model,
                turns=(Turn("user", prompt),),
                limit=_USUAL_LIMIT if limit is None else limit,
                stop=stops_of(body),
                n=count_of(body),
            )
            for prompt in prompts
        ]
        options = body.get("stream_options") or {}
        if options and not body.get("stream"):
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            invalid(message, "stream_options")
        wish = _Wish(
            prompts, asks, body.get("echo") is True, body.get("logprobs"), options.get("include_usage") is True
        )
        return Parsed(ask=asks[0], stream=body.get("stream") is True, context=wish)

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """A `text_completion`."""
        choices = [
            _choice(index, _text(parsed.context, prompt, answer), _finish(answer), parsed.context.logprobs)
            for index, prompt, answer in self._choices(parsed, answers)
        ]
        usage = self._usage(parsed, answers)
        return msgspec.json.encode({**_envelope(parsed, answers), "choices": choices, "usage": usage})

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """A chunk for each token of each choice, one with its finish reason, usage if asked for, and `[DONE]`."""
        wish: _Wish = parsed.context
        envelope, tail = _envelope(parsed, answers), {"usage": None} if wish.usage else {}
        for index, prompt, answer in self._choices(parsed, answers):
            for piece in pieces(_text(wish, prompt, answer)):
                choice = _choice(index, piece, None, wish.logprobs)
                yield Frame(_data({**envelope, "choices": [choice], **tail}), 1)
            yield Frame(_data({**envelope, "choices": [_choice(index, "", _finish(answer), None)], **tail}))
        if wish.usage:
            yield Frame(_data({**envelope, "choices": [], "usage": self._usage(parsed, answers)}))
        yield Frame(b"data: [DONE]\n\n")

    def _choices(self, parsed: Parsed, answers: Answers) -> Iterator[tuple[int, str, Answer]]:
        """Every choice with its index and prompt; those of a prompt are neighbours."""
        index = 0
        for prompt, of_prompt in zip(parsed.context.prompts, self._all(parsed, answers), strict=True):
            for answer in of_prompt.choices:
                yield index, prompt, answer
                index += 1

    def _all(self, parsed: Parsed, answers: Answers) -> list[Answers]:
        return [answers, *(decide(ask, self._seed) for ask in parsed.context.asks[1:])]

    def _usage(self, parsed: Parsed, answers: Answers) -> dict[str, int]:
        every = self._all(parsed, answers)
        asked, said = sum(one.prompt_tokens for one in every), sum(one.tokens for one in every)
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _checked_model(body: dict[str, Any]) -> str:
    model = model_of(body)
    check_known(body, _FIELDS)
    check_exists(model)
    if model.startswith(_CHAT_ONLY):
        message = (
            "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
            "v1/chat/completions?"
        )
        raise Refusal(404, message, param="model")
    check_numbers(body)
    logprobs = body.get("logprobs")
    if logprobs is not None and (not is_integer(logprobs) or not 0 <= logprobs <= 5):
        message = f"Invalid value for 'logprobs': expected an integer from 0 to 5, but got {logprobs} instead."
        invalid(message, "logprobs", "invalid_value")
    return model


def _prompts(given: Any) -> list[str]:
    """One text, texts, tokens, or lists of tokens; no prompt is the end of a text. Raises `Refusal`."""
    if given is None:
        return ["<|endoftext|>"]
    if isinstance(given, str):
        return [given]
    if is_texts(given) and given:
        return given
    many = [given] if _is_tokens(given) else given
    if not isinstance(many, list) or not many or not all(_is_tokens(one) for one in many):
        wanted = "one of a string, array of strings, array of integers, or array of integer arrays"
        message = f"Invalid type for 'prompt': expected {wanted}, but got {called(given)} instead."
        invalid(message, "prompt", "invalid_type")
    return [_of_tokens(one) for one in many]


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(is_integer(one) for one in value)


def _of_tokens(tokens: list[int]) -> str:
    for one in tokens:
        if not 0 <= one <= _HIGHEST_TOKEN:
            bounds = f"Minimum value is 0, maximum value is {_HIGHEST_TOKEN} (inclusive)."
            invalid(f"Invalid token in prompt: {one}. {bounds}")
    return "".join(f"<|{one}|>" for one in tokens)


def _envelope(parsed: Parsed, answers: Answers) -> dict[str, Any]:
    return {
        "id": f"cmpl-{token(answers.id, 29)}",
        "object": "text_completion",
        "created": _EPOCH + int(answers.id[:5], 16),
        "model": parsed.ask.model,
    }


def _text(wish: _Wish, prompt: str, answer: Answer) -> str:
    text = "".join(part.text for part in answer.parts)
    return prompt + text if wish.echo else text


def _finish(answer: Answer) -> str:
    return "length" if answer.finish == "length" else "stop"


def _choice(index: int, text: str, finish: str | None, logprobs: int | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": _logprobs(text, logprobs), "finish_reason": finish}


def _logprobs(text: str, most: int | None) -> dict[str, Any] | None:
    if most is None or not text:
        return None
    words, offsets, at = pieces(text), [], 0
    for word in words:
        offsets.append(at)
        at += len(word)
    return {
        "text_offset": offsets,
        "token_logprobs": [_LOGPROB] * len(words),
        "tokens": words,
        "top_logprobs": [{word: _LOGPROB} for word in words] if most else None,
    }


def _data(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
