"""The commands of administrators: one function each, from what is asked to what is served.

A command is judged whole before anything happens: the role, the record's version, the types of its fields, and their
meaning by a trial compile, which refuses whatever would break something that is whole now. Then, in this order: its
events go to the journal, the replica merges them, the catalog is published. Where the journal can't take them nothing
has happened. Everything is synchronous, so no reader sees a command half done.

Credentials given in plain are sealed first, before any of it; keys and tokens are kept as hashes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from typing import Any

import msgspec

from llmgw_control import _concealing as concealing
from llmgw_control import _texts as texts
from llmgw_control._drafting import Drafting
from llmgw_control._report import Report
from llmgw_control.compiler import Compiler, Trial
from llmgw_control.ports import ClockTrouble, Journal, Publish, Sealing
from llmgw_control.records import AccountRecord, KeyRecord, TokenRecord
from llmgw_control.refusal import Forbidden, NotWritable, Reason, Refused, UnknownRecord
from llmgw_control.replica import DELETED, WRITTEN, Draft, Replica
from llmgw_control.sources import Ref, Source
from llmgw_control.views import KINDS, Actor, Committed, Diff, Difference, Kind, Proposal, View
from llmgw_crdt import Clock, Delta
from llmgw_domain import Event, Secret, uuid7
