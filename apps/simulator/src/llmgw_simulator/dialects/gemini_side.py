"""Gemini beside generateContent, on AI Studio and on Vertex: counts of tokens and embeddings."""

from __future__ import annotations

from typing import Any

from llmgw_simulator.dialects._checks import is_integer, is_object, is_objects
from llmgw_simulator.dialects._fields import PART_FIELDS
from llmgw_simulator.dialects.gemini_request import invalid, known, parse_gemini, refuse_model
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.tokens import count
from llmgw_simulator.vectors import vector

_SIZE = 3072
_MOST = 100
_TASKS = frozenset(
    {
        "TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION",
        "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY",
    }
)  # fmt: skip
_EMBED_FIELDS = frozenset({"content", "taskType", "title", "outputDimensionality", "model", "embedContentConfig"})
_CONFIG_FIELDS = frozenset(
    {"taskType", "title", "outputDimensionality", "autoTruncate", "documentOcr", "audioTrackExtraction"}
)
_INSTANCE_FIELDS = frozenset({"content", "taskType", "title", "mimeType"})
_COUNT_FIELDS = frozenset({"contents", "generateContentRequest", "model"})
_VERTEX_COUNT_FIELDS = frozenset({"contents", "systemInstruction", "tools", "generationConfig", "model", "instances"})


def count_gemini(body: dict[str, Any], model: str, resource: str = "") -> dict[str, Any]:
    """The answer to countTokens; `resource` is the model's name on Vertex. Raises `Refusal`."""
    refuse_model(model, resource, "countTokens")
    if resource:
        request, texts = known(body, _VERTEX_COUNT_FIELDS, ""), _characters(body)
        request = {name: value for name, value in request.items() if name not in ("model", "instances")}
    else:
        request = _studio_request(known(body, _COUNT_FIELDS, ""), model)
    total = prompt_tokens(parse_gemini(request, model, stream=False, array=False, resource=resource).ask)
    made: dict[str, Any] = {"totalTokens": total}
    if resource:
        made["totalBillableCharacters"] = texts
    return made | {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}


def _studio_request(body: dict[str, Any], model: str) -> dict[str, Any]:
    """AI Studio counts contents alone, or a whole request."""
    whole = body.get("generateContentRequest")
    if whole is None:
        return {"contents": body.get("contents")}
    if body.get("contents"):
        invalid("* CountTokensRequest: only one of contents and generate_content_request may be set.\n")
    if not is_object(whole):
        invalid("Invalid value at 'generate_content_request' (type.googleapis.com/google.protobuf.Message)")
    if whole.get("model") != f"models/{model}":
        invalid("* CountTokensRequest.generate_content_request.model: the model must be that of the endpoint.\n")
    return whole


def _characters(body: dict[str, Any]) -> int:
    """Characters but for white space in the texts of a request, which Vertex bills."""
    contents = [*(body.get("contents") or []), body.get("systemInstruction") or {}]
    parts = [part for content in contents if is_object(content) for part in content.get("parts") or []]
    return sum(len("".join(str(part.get("text", "")).split())) for part in parts if is_object(part))


def embed_one(body: dict[str, Any], model: str, resource: str = "") -> dict[str, Any]:
    """The answer to embedContent. Raises `Refusal`."""
    refuse_model(model, resource, "embedContent")
    values, tokens = _embedded(body, model, "", resource)
    return {"embedding": {"values": values}} | _usage(model, tokens, resource)


def embed_many(body: dict[str, Any], model: str, resource: str = "") -> dict[str, Any]:
    """The answer to batchEmbedContents. Raises `Refusal`."""
    refuse_model(model, resource, "embedContent")
    requests = known(body, frozenset({"requests"}), "").get("requests")
    if not is_objects(requests) or not requests:
        invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n")
    if len(requests) > _MOST:
        invalid(f"* BatchEmbedContentsRequest.requests: at most {_MOST} requests can be in one batch\n")
    for index, request in enumerate(requests):
        if not resource and request.get("model") != f"models/{model}":
            at = f"BatchEmbedContentsRequest.requests[{index}].model"
            invalid(f"* {at}: the model must be specified, and be that of the endpoint: models/{model}\n")
    made = [_embedded(request, model, f"requests[{index}]", resource) for index, request in enumerate(requests)]
    tokens = sum(tokens for _, tokens in made)
    return {"embeddings": [{"values": values} for values, _ in made]} | _usage(model, tokens, resource)


def predict(body: dict[str, Any], model: str, resource: str) -> dict[str, Any]:
    """The answer of an embedding model to Vertex's predict. Raises `Refusal`."""
    refuse_model(model, resource, "predict")
    fields = known(body, frozenset({"instances", "parameters", "labels"}), "")
    instances = fields.get("instances")
    if not is_objects(instances) or not instances:
        invalid("Empty instances.")
    most = 1 if "gemini-embedding" in model else 250
    if len(instances) > most:
        invalid(f"{len(instances)} instance(s) is not allowed for this model. Max allowed: {most}")
    parameters = fields.get("parameters") or {}
    options = known(parameters, frozenset({"outputDimensionality", "autoTruncate"}), "parameters")
    predictions = [_prediction(instance, options, model, f"instances[{at}]") for at, instance in enumerate(instances)]
    characters = sum(len("".join(str(instance["content"]).split())) for instance in instances)
    return {"predictions": predictions, "metadata": {"billableCharacterCount": characters}}


def _prediction(instance: dict[str, Any], options: dict[str, Any], model: str, where: str) -> dict[str, Any]:
    fields = known(instance, _INSTANCE_FIELDS, where)
    text = fields.get("content")
    if not isinstance(text, str) or not text:
        invalid("The text content is empty." if not text else f"Invalid value at '{where}.content' (TYPE_STRING)")
    _check_task(fields.get("taskType"), where)
    statistics = {"token_count": count(text), "truncated": False}
    return {"embeddings": {"values": vector(text, model, _size(options)), "statistics": statistics}}


def _embedded(body: dict[str, Any], model: str, where: str, resource: str) -> tuple[list[float], int]:
    fields = known(body, _EMBED_FIELDS, where)
    at = f"{where}." if where else ""
    config = known(fields.get("embedContentConfig") or {}, _CONFIG_FIELDS, f"{at}embed_content_config")
    options = {name: value for name, value in fields.items() if name in _CONFIG_FIELDS} | config
    _check_task(options.get("taskType"), where)
    text = _text(fields.get("content"), f"{at}content")
    return vector(text, model, _size(options)), count(text)


def _text(content: Any, where: str) -> str:
    if not is_object(content) or not is_objects(content.get("parts")) or not content["parts"]:
        invalid("* EmbedContentRequest.content: contents is not specified\n")
    parts = [known(part, PART_FIELDS, f"{where}.parts[{index}]") for index, part in enumerate(content["parts"])]
    texts = [part["text"] if "text" in part else str(part.get("inlineData") or part.get("fileData")) for part in parts]
    if not all(isinstance(text, str) for text in texts):
        invalid(f"Invalid value at '{where}.parts[0].text' (TYPE_STRING)")
    if not any(texts):
        invalid("* EmbedContentRequest.content.parts: text must not be empty\n")
    return "\n".join(texts)


def _check_task(task: Any, where: str) -> None:
    if task is not None and task not in _TASKS:
        at = f"{where}.task_type" if where else "task_type"
        invalid(
            f"Invalid value at '{at}' (type.googleapis.com/google.ai.generativelanguage.v1beta.TaskType), \"{task}\""
        )


def _size(options: dict[str, Any]) -> int:
    size = options.get("outputDimensionality")
    if size is None:
        return _SIZE
    if not is_integer(size):
        invalid(f"Invalid value at 'output_dimensionality' (TYPE_INT32), {size!r}")
    if not 1 <= size <= _SIZE:
        invalid(f"* EmbedContentRequest.output_dimensionality: must be between 1 and {_SIZE}\n")
    return size


def _usage(model: str, tokens: int, resource: str) -> dict[str, Any]:
    """Newer models tell what they read; the two services do not name the details alike."""
    if "embedding-001" in model or "embedding-004" in model:
        return {}
    details = [{"modality": "TEXT", "tokenCount": tokens}]
    if resource:
        return {
            "usageMetadata": {"promptTokenCount": tokens, "promptTokensDetails": details, "totalTokenCount": tokens}
        }
    return {"usageMetadata": {"promptTokenCount": tokens, "promptTokenDetails": details}}
