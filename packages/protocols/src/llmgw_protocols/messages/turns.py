"""Turns as Anthropic takes them: user and assistant in alternation, every tool call answered in the turn after it.

Clients of other dialects write histories that Anthropic refuses: results in any order or none at all, ids used twice,
empty texts, an assistant who speaks first. The steps have a fixed order: system text out, results to their calls, empty
blocks away, neighbours merged, answers put in front, ends made good. Nothing here writes JSON.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

import msgspec

from llmgw_domain.chat import (
    Block,
    ChatRequest,
    Opaque,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.models import Capabilities
from llmgw_protocols.placeholders import NO_RESULT, orphan, system_note

FAMILY = "anthropic"
_FILLER = Text(".")
_LEGAL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SIGNATURE = re.compile(r"E[A-Za-z0-9+/_-]{16,}={0,2}")


class TurnRules(msgspec.Struct, frozen=True):
    """What differs between the APIs that take turns in this order. The defaults are Anthropic's own.

    `signed_by` are the families whose reasoning is taken back, `opaque_of` is the one whose other opaque blocks are.
    """

    signed_by: tuple[str, ...] = (FAMILY,)
    opaque_of: str = FAMILY
    legal_id: re.Pattern[str] = _LEGAL_ID


_ANTHROPIC = TurnRules()

_Place = tuple[int, int]
"""A block's turn and its number there. Blocks are told apart by place: equal ones may stand in several."""


class WireTurn(msgspec.Struct):
    """A turn on its way out; `role` is user, assistant, or system where the model takes that."""

    role: str
    blocks: list[Block]

    @property
    def calls(self) -> list[ToolCall]:
        return [b for b in self.blocks if isinstance(b, ToolCall)]


class Conversation(msgspec.Struct, frozen=True):
    """System texts, turns, and whether the last turn is one that the model is to continue."""

    system: list[Text]
    turns: list[WireTurn]


class _Slot(msgspec.Struct):
    """A tool call and the result that answers it."""

    place: _Place
    call: ToolCall
    wire_id: str
    result: ToolResult | None = None
    result_place: _Place | None = None


def normalise(
    request: ChatRequest, model: Capabilities, losses: Losses, *, may_prefill: bool, rules: TurnRules = _ANTHROPIC
) -> Conversation:
    """The conversation in Anthropic's order. Raises `InvalidField` if there is nothing to say."""
    lead = _leading(request)
    system = [t for turn in request.turns[:lead] for t in _system_texts(turn.content, losses)]
    slots = _slots(request, rules)
    turns = _merged(_Speech(request, slots, rules, losses).turns(lead, native_system=model.inline_system))
    _answer(turns, slots)
    turns = _alternating(turns)
    if not turns:
        turns = [WireTurn("user", [_last_system(system)])]
    if turns[0].role != "user":
        turns.insert(0, WireTurn("user", [_FILLER]))
    _end(turns, model.prefill and may_prefill, losses)
    return Conversation(system, turns)


def _leading(request: ChatRequest) -> int:
    at = 0
    while at < len(request.turns) and request.turns[at].role in ("system", "developer"):
        at += 1
    return at


def _system_texts(blocks: Iterable[Block], losses: Losses) -> list[Text]:
    texts = []
    for block in blocks:
        if isinstance(block, Text):
            texts.append(block)
        else:
            losses.add("messages.system")
    return [t for t in texts if t.text.strip()]


def _last_system(system: list[Text]) -> Text:
    if not system:
        raise InvalidField("messages: at least one message with content is required.", param="messages")
    return system.pop()


# --- calls and their results ------------------------------------------------------------------------------------------


def _slots(request: ChatRequest, rules: TurnRules) -> list[_Slot]:
    """Every call with its result, wherever that stands behind it, and with an id that is legal and used once."""
    slots: list[_Slot] = []
    seen: dict[str, int] = {}
    for place, block in _placed(request):
        if isinstance(block, ToolCall):
            times = seen[block.id] = seen.get(block.id, -1) + 1
            slots.append(_Slot(place, block, wire_id(block.id, times, rules.legal_id)))
        elif isinstance(block, ToolResult) and (slot := _open_slot(slots, block.call_id)):
            slot.result, slot.result_place = block, place
    return slots


def _placed(request: ChatRequest) -> Iterator[tuple[_Place, Block]]:
    for at, turn in enumerate(request.turns):
        for number, block in enumerate(turn.content):
            yield (at, number), block


def _open_slot(slots: list[_Slot], call_id: str) -> _Slot | None:
    """The call that a result answers: of those open, the first one in the latest turn."""
    found: _Slot | None = None
    for slot in reversed(slots):
        if slot.call.id == call_id and slot.result is None:
            if found is not None and slot.place[0] != found.place[0]:
                break
            found = slot
    return found


def wire_id(id: str, times: int = 0, legal: re.Pattern[str] = _LEGAL_ID) -> str:
    """The id for the provider: unchanged if legal and new, else a hash, the same in every request of a conversation."""
    if times == 0 and legal.fullmatch(id):
        return id
    return "toolu_" + hashlib.sha256(f"{times}:{id}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _answer(turns: list[WireTurn], slots: list[_Slot]) -> None:
    """Puts the results of each assistant turn in front of the next user turn, in the order of the calls."""
    by_id = {slot.wire_id: slot for slot in slots}
    at = 0
    while at < len(turns):
        results: list[Block] = [_result(by_id[call.id]) for call in turns[at].calls]
        at += 1
        if not results:
            continue
        if at == len(turns) or turns[at].role != "user":
            turns.insert(at, WireTurn("user", []))
        turns[at].blocks[:0] = results


def _result(slot: _Slot) -> ToolResult:
    if slot.result is None:
        return ToolResult(slot.wire_id, (Text(NO_RESULT),), error=True)
    return msgspec.structs.replace(slot.result, call_id=slot.wire_id)


# --- one turn after the other -----------------------------------------------------------------------------------------


class _Speech:
    """The turns after the leading system text, without what can't be sent, results left out, calls under their ids."""

    def __init__(self, request: ChatRequest, slots: list[_Slot], rules: TurnRules, losses: Losses) -> None:
        self._request = request
        self._matched = {slot.result_place for slot in slots}
        self._ids = {slot.place: slot.wire_id for slot in slots}
        self._rules = rules
        self._losses = losses

    def turns(self, lead: int, *, native_system: bool) -> list[WireTurn]:
        inline = _Inline(native_system)
        for at, turn in enumerate(self._request.turns[lead:], lead):
            if turn.name:
                self._losses.add("messages.name")
            if turn.role in ("system", "developer"):
                inline.system(_system_texts(turn.content, self._losses))
            else:
                inline.speak(turn.role, self._blocks(at, turn))
        return inline.turns()

    def _blocks(self, at: int, turn: Turn) -> list[Block]:
        placed = [((at, n), b) for n, b in enumerate(turn.content) if (at, n) not in self._matched]
        return [own for place, block in placed if self._is_sendable(block) for own in self._own(block, place)]

    def _own(self, block: Block, place: _Place) -> list[Block]:
        if isinstance(block, ToolCall):
            return [msgspec.structs.replace(block, id=self._ids[place])]
        if isinstance(block, ToolResult):
            said = "".join(part.text for part in block.content if isinstance(part, Text))
            # Pictures and files of the result have their own form outside of it too.
            return [Text(orphan(block.call_id, said)), *(p for p in block.content if not isinstance(p, Text))]
        return [block]

    def _is_sendable(self, block: Block) -> bool:
        rules = self._rules
        match block:
            case Text(text=text) | Refusal(text=text):
                return bool(text.strip())
            case Thinking(signature=signature, origin=origin):
                if not signature:
                    return False
                if origin is None:
                    return FAMILY in rules.signed_by and bool(_SIGNATURE.fullmatch(signature))
                return origin.family in rules.signed_by
            case RedactedThinking(origin=origin):
                return origin is not None and origin.family in rules.signed_by
            case Opaque(family=family, kind=kind):
                if family != rules.opaque_of:
                    self._losses.add(f"messages.{kind}")
                return family == rules.opaque_of
        return True


class _Inline:
    """System text between the turns: in its own role where the model takes that, else as marked user text.

    A system message may stand only before an assistant's or at the end, so it waits for the user turns behind it.
    """

    def __init__(self, native: bool) -> None:
        self._native = native
        self._turns: list[WireTurn] = []
        self._waiting: list[Block] = []

    def system(self, texts: list[Text]) -> None:
        if self._native:
            self._waiting += texts
        elif texts:
            self._turns.append(WireTurn("user", [_wrapped(t) for t in texts]))

    def speak(self, role: str, blocks: list[Block]) -> None:
        if role == "assistant":
            if not blocks:
                return
            self._flush()
        self._turns.append(WireTurn(role, blocks))

    def turns(self) -> list[WireTurn]:
        self._flush()
        return self._turns

    def _flush(self) -> None:
        if not self._waiting:
            return
        after_user = bool(self._turns) and self._turns[-1].role == "user" and bool(self._turns[-1].blocks)
        if after_user:
            self._turns.append(WireTurn("system", self._waiting))
        else:
            self._turns.append(WireTurn("user", [_wrapped(t) for t in self._waiting if isinstance(t, Text)]))
        self._waiting = []


def _wrapped(text: Text) -> Text:
    return Text(system_note(text.text), text.cache)


def _merged(turns: list[WireTurn]) -> list[WireTurn]:
    merged: list[WireTurn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1].blocks += turn.blocks
        else:
            merged.append(turn)
    return merged


def _alternating(turns: list[WireTurn]) -> list[WireTurn]:
    """Without empty turns; behind an assistant's one stays, with a full stop, or the roles would not alternate."""
    kept: list[WireTurn] = []
    for turn in turns:
        if not turn.blocks:
            # The only turn stays too: the client did say something, if only white space.
            if len(turns) > 1 and (not kept or kept[-1].role != "assistant"):
                continue
            turn.blocks.append(_FILLER)
        kept.append(turn)
    return kept


def _end(turns: list[WireTurn], prefill: bool, losses: Losses) -> None:
    """An assistant turn at the end is continued by models that can; others are told to go on."""
    last = turns[-1]
    if last.role != "assistant":
        return
    if not prefill:
        losses.add("messages")
        turns.append(WireTurn("user", [Text("Continue.")]))
        return
    last.blocks = [b for b in last.blocks if not isinstance(b, Thinking | RedactedThinking)]
    if last.blocks and isinstance(last.blocks[-1], Text):
        text = last.blocks[-1]
        last.blocks[-1] = Text(text.text.rstrip(), text.cache)
    if not last.blocks:
        turns.pop()
