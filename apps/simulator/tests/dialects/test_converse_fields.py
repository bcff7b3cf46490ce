import pytest
from botocore.session import get_session

from llmgw_simulator.dialects._converse_fields import CONVERSE, CONVERSE_STREAM, COUNT_TOKENS
from llmgw_simulator.dialects.coral import Blob, Document, Fields, Flag, Many, Number, Pairs, Text

MODEL = get_session().get_service_model("bedrock-runtime")


def agree(theirs, ours, path):
    """Compare botocore's shape with the table's, level by level."""
    data = theirs.metadata
    kind = theirs.type_name
    if kind == "structure" and getattr(theirs, "is_document_type", False):
        assert isinstance(ours, Document), path
    elif kind == "structure":
        assert isinstance(ours, Fields), path
        members = {name: m for name, m in theirs.members.items() if "location" not in m.serialization}
        assert sorted(members) == sorted(ours.members), path
        assert sorted(n for n in theirs.required_members if n in members) == sorted(ours.required), path
        assert getattr(theirs, "is_tagged_union", False) == bool(ours.union), path
        assert ours.union in ("", theirs.name), path
        for name, member in members.items():
            agree(member, ours.members[name], f"{path}.{name}")
    elif kind == "list":
        assert isinstance(ours, Many), path
        assert (data.get("min", 0), data.get("max")) == (ours.least, ours.most), path
        agree(theirs.member, ours.member, f"{path}[]")
    elif kind == "map":
        assert isinstance(ours, Pairs), path
        assert (data.get("min", 0), data.get("max")) == (ours.least, ours.most), path
        agree(theirs.key, ours.key, f"{path}<key>")
        agree(theirs.value, ours.value, f"{path}<value>")
    elif kind == "string":
        assert isinstance(ours, Text), path
        assert sorted(theirs.enum) == sorted(ours.enum), path
        assert (data.get("min", 0), data.get("max")) == (ours.least, ours.most), path
    elif kind == "blob":
        assert (Blob, data.get("min", 0)) == (type(ours), ours.least), path
    elif kind == "boolean":
        assert isinstance(ours, Flag), path
    else:
        assert isinstance(ours, Number), path
        assert (data.get("min"), data.get("max"), kind == "integer") == (ours.least, ours.most, ours.whole), path


@pytest.mark.parametrize(
    ("operation", "shape"), [("Converse", CONVERSE), ("ConverseStream", CONVERSE_STREAM), ("CountTokens", COUNT_TOKENS)]
)
def test_the_tables_are_those_of_aws(operation, shape):
    """Every member, type, bound, enumeration and union of AWS's own model is there, and no other."""
    agree(MODEL.operation_model(operation).input_shape, shape, operation)
