"""The smaller questions of the SDKs for Node, which decide on the shape of the one list of models by their headers."""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).parent / "node" / "questions.mjs"
MODELS = ["sim/claude", "sim/gemini", "sim/gpt"]


async def test_models_tokens_and_vectors(node, run, open_stack):
    """Each SDK reads the list in its own shape, and gets a number of tokens for a model of another provider.

    Vectors are the same for OpenAI's SDK, which asks for base64, and for Google's, whoever makes them.
    """
    async with open_stack() as stack:
        ran = await run([node, str(SCRIPT)], {"GATEWAY_BASE": stack.base, "GATEWAY_KEY": stack.key})
        told = ran.json()
        assert 0 < told.pop("messages") < 20
        assert 0 < told.pop("gemini") < 20
        assert {
            "openai": MODELS,
            "anthropic": MODELS,
            "google": [f"models/{name}" for name in MODELS],
            "one": "sim/claude",
            "vectors": [True, True],
        } == told
