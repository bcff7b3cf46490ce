"""The OpenAI Responses dialect.

As a client's dialect: `envelope` checks and passes through, `parse` reads items into turns, `encode` writes answers as
typed events or a body, `state` continues conversations that the gateway keeps for its clients.
"""
