"""The `gateway` application: it knows every package and holds none of their logic.

`config` nests the settings of a start and says where each came from; `first_start` fills in what is not configured;
`secrets` and `sealing` turn references into credentials; `serving` runs an ASGI application on sockets that the process
owns, on either engine; `build` puts everything together; `cli` is what a person calls.
"""
