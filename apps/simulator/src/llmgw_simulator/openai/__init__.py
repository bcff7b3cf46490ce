"""The rest of OpenAI's API: what is not a model's text, or is kept. All state belongs to one simulator.

Each module is one resource of the API, as a class or functions that answer an `Incoming` with a `Product` or raise a
`Refusal`. `api` knows the paths.
"""
