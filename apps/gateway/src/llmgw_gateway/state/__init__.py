"""The state of a node at work: what is administered becomes the catalog that is served, what happens becomes events.

`served` turns changes into catalogs at their pace; `recorder` writes calls to the spool, `feeder` brings spools to
the database; `steward` keeps the control process's replica, `follower` a worker's; `hub` is control's side of their
links.
"""
