"""What the words of recorded choices mean, in sentences for people.

The words are stable, for programs; they are those of `llmgw_affinity` and `llmgw_balancer`. One that is not known here
was written by another release, and stands for itself.
"""

from __future__ import annotations

from collections.abc import Mapping

DECISIONS: Mapping[str, str] = {
    "new": "a new session is placed freely",
    "stay": "it stays where it was",
    "wait": "its account was waited for",
    "move": "it goes to another account, and keeps its home",
    "home": "it returns to its home",
    "rehome": "it is given another home",
    "fail": "only certain accounts may serve it, and none of them could",
}

REASONS: Mapping[str, str] = {
    "unknown": "nothing was known of the session",
    "free": "its account could serve at once",
    "cold": "nothing of it was cached anywhere any more",
    "gone": "its accounts will not serve it again",
    "waiting_costs_less": "waiting cost less than reading the prompt anew elsewhere",
    "leaving_costs_less": "reading the prompt anew elsewhere cost less than waiting",
    "waits_too_long": "its account had to be waited for longer than a request may wait",
    "home_is_warm": "home could serve again, and held the better part of the prompt",
    "home_is_cold": "home had nothing of it cached any more",
    "home_costs_more": "home had missed too much of it",
    "away_costs_less": "home would have had to be waited for",
    "only_there": "no other account can read what the request holds",
}

TROUBLES: Mapping[str, str] = {
    "cooldown": "it was pausing, or suspected",
    "full": "it had no free place or allowance",
    "herd": "it was starting slowly after an absence",
    "failed": "it had failed this very request",
    "drain": "it is draining",
    "removed": "it is not configured any more",
    "disabled": "it is disabled",
    "unfit": "it may not serve this model",
}

PLACEMENTS: Mapping[str, str] = {
    "new": "the session was bound there",
    "home": "the session's home",
    "away": "where the session went before",
    "moved": "another account than before",
    "none": "the request belongs to no session",
}

EXCLUSIONS: Mapping[str, str] = {
    "tried": "this request had been there already",
    "unfit": "the request needs what only other accounts have",
    "disabled": "an operator has switched it off",
    "draining": "an operator lets it run empty",
    "rejected": "its provider refuses its key, its credit or its right to the model",
    "exhausted": "its allowance of hours or days was used up",
    "paused": "its provider's limit by the minute was reached",
    "overloaded": "its provider had too much to do",
    "open": "its last calls had failed",
    "proving": "its last calls had failed, and those that try it again were under way",
    "starting": "it was starting slowly after an absence",
    "full": "it had as many calls in flight as it may",
    "requests": "its requests of that minute were used up",
    "tokens": "its tokens of that minute were used up",
}

CAUSES: Mapping[str, str] = {
    "cooldown": "the account paused, was suspected, or failed this very request",
    "full": "the account had no free place or allowance",
    "drain": "an operator drains the account",
    "herd": "the account was starting slowly after an absence",
    "expiry": "the provider had dropped it",
    "removal": "the account was removed, disabled, or may not serve the model any more",
    "return": "home had missed what was said while the session was away",
}

FALLBACKS: Mapping[str, str] = {
    "context_too_long": "the prompt is too long for it",
    "refused": "it refuses the request",
    "overloaded": "none of its accounts could serve",
}


def said(words: Mapping[str, str], word: str) -> str:
    """The sentence for a word; the word itself where it is not known."""
    return words.get(word, word)
