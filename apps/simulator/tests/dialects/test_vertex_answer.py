from llmgw_simulator.dialects.vertex_answer import on_vertex

USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5, "cachedContentTokenCount": 0}


def made(*candidates):
    return {"candidates": list(candidates), "usageMetadata": USAGE}


def test_counts_come_with_the_end():
    """Before it only how traffic is billed."""
    assert {"trafficType": "ON_DEMAND"} == on_vertex(made({"index": 0}), 1)["usageMetadata"]
    usage = on_vertex(made({"index": 0, "finishReason": "STOP"}), 1)["usageMetadata"]
    assert ("ON_DEMAND", 5, [{"modality": "TEXT", "tokenCount": 2}]) == (
        usage["trafficType"],
        usage["totalTokenCount"],
        usage["candidatesTokensDetails"],
    )
    assert "cachedContentTokenCount" not in usage


def test_a_candidate_alone_has_no_index():
    """Several have."""
    assert [{}] == on_vertex(made({"index": 0}), 1)["candidates"]
    assert [{"index": 1}] == on_vertex(made({"index": 1}), 2)["candidates"]
