"""What refusals and answers tell of their account. Bodies and headers are shaped as the providers send them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Provider
from llmgw_domain.errors import (
    AccountRejected,
    ClientGone,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamReset,
)
from llmgw_domain.limits import Allowance, RateLimits, Window
from llmgw_domain.servers import GENERIC, Server
from llmgw_domain.signals import Signal
from llmgw_protocols import TargetFacts, dialect_for, ratelimits, signals

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z: midnight in California
HOUR, DAY = 3600.0, 86400.0

ANTHROPIC, OPENAI, AZURE, GOOGLE = Provider.ANTHROPIC, Provider.OPENAI, Provider.AZURE, Provider.GOOGLE
VERTEX, BEDROCK, COMPATIBLE = Provider.VERTEX, Provider.BEDROCK, Provider.OPENAI_COMPATIBLE
GROQ = Server(name="groq", rate_windows={"requests": DAY, "tokens": 60.0})


def told(
    provider: Provider,
    status: int,
    body: Any,
    headers: dict[str, str] | None = None,
    *,
    server: Server = GENERIC,
    model: str = "m",
) -> Signal | None:
    """The signal of a refusal, through what reads one in a call: the provider's dialect, then its rate limits."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = headers or {}
    dialect = dialect_for(TargetFacts(provider=provider, model=model))
    limits = ratelimits.read(headers, raw, NOW, server)
    return signals.read(provider, status, headers, raw, dialect.fault(status, headers, raw), limits)


def pause(reason: str, seconds: float | None = None, *, whole: bool = False) -> Signal:
    return Signal(verdict="pause", whole=whole, seconds=seconds, reason=reason)


def exhausted(reason: str, seconds: float | None = None, *, whole: bool = False) -> Signal:
    return Signal(verdict="exhausted", whole=whole, seconds=seconds, reason=reason)


def overloaded(reason: str, seconds: float | None = None) -> Signal:
    return Signal(verdict="overloaded", whole=False, seconds=seconds, reason=reason)


def disable(reason: str, *, whole: bool = True) -> Signal:
    return Signal(verdict="disable", whole=whole, seconds=None, reason=reason)


def anthropic(type: str, message: str = "", code: str = "") -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": type, "message": message, **details}, "request_id": "req_1"}


def unified(overall: str = "", claim: str = "", **windows: tuple[str, str, float]) -> dict[str, str]:
    """Headers of a subscription: by window its status, its utilization and when it is reset, in seconds from now."""
    prefix = "anthropic-ratelimit-unified"
    headers = {f"{prefix}-status": overall} if overall else {}
    headers |= {f"{prefix}-representative-claim": claim} if claim else {}
    for name, (status, used, reset) in windows.items():
        window = f"{prefix}-{name.removeprefix('w')}"
        parts = {"status": status, "utilization": used, "reset": f"{NOW + reset:.0f}"}
        headers |= {f"{window}-{part}": value for part, value in parts.items() if value}
    return headers


LIMITED = anthropic("rate_limit_error", "This request would exceed your account's rate limit. Please try again later.")
MINUTE = "This request would exceed your organization's rate limit of 20,000 input tokens per minute (model: m)."
OPEN, FULL = ("allowed", "0.41", 2 * HOUR), ("rejected", "1.0", 2 * HOUR)
WEEK_OPEN, WEEK_FULL = ("allowed", "0.69", 3 * DAY), ("rejected", "1.02", 3 * DAY)


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        # subscriptions
        (
            429,
            LIMITED,
            unified("rejected", "five_hour", w5h=FULL, w7d=WEEK_OPEN),
            exhausted("5h", 2 * HOUR, whole=True),
        ),
        (429, LIMITED, unified("rejected", w5h=OPEN, w7d=WEEK_FULL), exhausted("7d", 3 * DAY, whole=True)),
        (429, LIMITED, unified("rejected", w5h=FULL, w7d=WEEK_FULL), exhausted("7d", 3 * DAY, whole=True)),
        (429, LIMITED, unified("rejected", w5h=OPEN, w7d=WEEK_OPEN), exhausted("5h", 2 * HOUR, whole=True)),
        (429, LIMITED, unified(w5h=("", "", HOUR), w7d=("", "", DAY)), exhausted("5h", HOUR, whole=True)),
        (429, LIMITED, unified("rejected", w5h=("", "1.0", 7 * HOUR)), exhausted("5h", whole=True)),
        (
            429,
            LIMITED,
            unified(w7d=("rejected", "", 9 * DAY)) | {"retry-after": "60"},
            exhausted("7d", 60.0, whole=True),
        ),
        (
            429,
            LIMITED,
            unified(w5h=("", "", HOUR)) | {"anthropic-ratelimit-unified-5h-surpassed-threshold": "true"},
            exhausted("5h", HOUR, whole=True),
        ),
        # the window of some models, though it says `retry-after` of all
        (
            429,
            LIMITED,
            unified("rejected", "seven_day_overage_included", w5h=OPEN, w7d=WEEK_OPEN, w7d_oi=("rejected", "1.02", DAY))
            | {"retry-after": "121320"},
            exhausted("7d_oi", DAY),
        ),
        (
            429,
            LIMITED,
            unified("rejected", "seven_day_opus", w5h=OPEN, w7d_opus=("", "0.9", DAY)),
            exhausted("7d_opus", DAY),
        ),
        (
            429,
            LIMITED,
            unified("rejected", w5h=FULL, w7d_oi=("rejected", "1", DAY)),
            exhausted("5h", 2 * HOUR, whole=True),
        ),
        # of a subscription that is open, its server is busy; an overage that is not for sale is no limit
        (429, LIMITED, unified("allowed", "five_hour", w5h=OPEN, w7d=WEEK_OPEN), pause("rate", whole=True)),
        (
            429,
            LIMITED,
            unified("allowed", w5h=("allowed", "1.0", HOUR), overage=("rejected", "", 20 * DAY)) | {"retry-after": "7"},
            pause("rate", 7.0, whole=True),
        ),
        (429, anthropic("rate_limit_error", "Usage credits are required for long context requests."), {}, None),
        (429, anthropic("rate_limit_error", "Extra usage is required for long context requests."), {}, None),
        (429, anthropic("rate_limit_error", "", "credits_required"), {}, exhausted("credit")),
        (429, anthropic("rate_limit_error", "Usage credits are required for this model."), {}, exhausted("credit")),
        (
            429,
            anthropic("rate_limit_error", "", "credits_required"),
            unified("rejected", w5h=OPEN, w7d_oi=("rejected", "1", DAY)),
            exhausted("7d_oi", DAY),
        ),
        # an organization's limits, by the minute and the model
        (429, anthropic("rate_limit_error", MINUTE), {"retry-after": "20"}, pause("input_tokens", 20.0)),
        (429, anthropic("rate_limit_error", "Rate limited"), {}, pause("rate")),
        (429, anthropic("rate_limit_error", "Rate limited"), {"retry-after": "0"}, pause("rate")),
        (
            429,
            anthropic("rate_limit_error", "Number of concurrent connections has exceeded your rate limit."),
            {},
            pause("concurrency", whole=True),
        ),
        (
            429,
            anthropic("rate_limit_error", "Rate limited"),
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2027-01-15T08:00:31Z",
            },
            pause("output_tokens", 31.0),
        ),
        # money
        (402, anthropic("billing_error", "Payment required."), {}, disable("credit")),
        (
            400,
            anthropic("invalid_request_error", "Your credit balance is too low to access the API."),
            {},
            disable("credit"),
        ),
        (429, anthropic("rate_limit_error", "", "enforced_spend_limit_reached"), {}, disable("credit")),
        (429, anthropic("rate_limit_error", "", "linked_organization_spend_limit_reached"), {}, disable("credit")),
        (
            400,
            anthropic(
                "invalid_request_error",
                "You have reached your specified API usage limits. You will regain access on 2027-02-01 at 00:00 UTC.",
            ),
            {},
            exhausted("spend_limit", 16 * DAY + 16 * HOUR, whole=True),
        ),
        # keys
        (401, anthropic("authentication_error", "invalid x-api-key"), {}, disable("key")),
        (400, anthropic("invalid_request_error", "This organization has been disabled."), {}, disable("suspended")),
        (
            403,
            anthropic("permission_error", "Your API key does not have permission."),
            {},
            disable("forbidden", whole=False),
        ),
        (
            403,
            anthropic("permission_error", "OAuth authentication is currently not allowed for this organization."),
            {},
            disable("forbidden"),
        ),
        # the service
        (529, anthropic("overloaded_error", "Overloaded"), {}, overloaded("overloaded")),
        (529, anthropic("overloaded_error", "Overloaded"), {"retry-after": "12"}, overloaded("overloaded", 12.0)),
        (
            529,
            anthropic("overloaded_error", "Overloaded"),
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:31Z",
            },
            overloaded("overloaded"),
        ),
        (500, anthropic("api_error", "Internal server error"), {}, None),
        (504, anthropic("timeout_error", "Timed out"), {}, None),
        # the request
        (400, anthropic("invalid_request_error", "prompt is too long: 3333404 tokens > 200000 maximum"), {}, None),
        (404, anthropic("not_found_error", "model: m"), {}, None),
        (409, anthropic("conflict_error", ""), {}, None),
        (413, anthropic("request_too_large", ""), {}, None),
    ],
)
def test_anthropic(status: int, body: Any, headers: dict[str, str], expected: Signal | None) -> None:
    """Windows and credit are the account's, limits by the minute and overloads the model's, other faults nobody's."""
    assert expected == told(ANTHROPIC, status, body, headers)


def openai(message: str, type: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


def rate(on: str, again: str, used: int = 500, requested: int = 1, model: str = "for m ") -> str:
    return (
        f"Rate limit reached {model}in organization org-1 on {on}: Limit 500, Used {used}, Requested {requested}. "
        f"Please try again in {again}. Visit https://platform.openai.com/account/rate-limits to learn more."
    )


CODEX = {
    "x-codex-active-limit": "premium",
    "x-codex-primary-used-percent": "100",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-after-seconds": "13873",
    "x-codex-secondary-used-percent": "80",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-after-seconds": "316705",
    "x-codex-credits-has-credits": "False",
    "x-codex-credits-unlimited": "False",
}
SPARK = CODEX | {
    "x-codex-primary-used-percent": "20",
    "x-codex-bengalfox-primary-used-percent": "100",
    "x-codex-bengalfox-primary-reset-after-seconds": "900",
}
USAGE = {
    "error": {"type": "usage_limit_reached", "message": "The usage limit has been reached", "resets_in_seconds": 13872}
}


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (
            429,
            openai(rate("tokens per min (TPM)", "18.642s"), "tokens", "rate_limit_exceeded"),
            {},
            pause("tokens", 18.642),
        ),
        (
            429,
            openai(rate("requests per min (RPM)", "120ms"), "requests", "rate_limit_exceeded"),
            {},
            pause("requests", 0.12),
        ),
        (
            429,
            openai(rate("requests per min (RPM)", "2s"), "requests", "rate_limit_exceeded"),
            {"retry-after-ms": "1250", "retry-after": "2"},
            pause("requests", 1.25),
        ),
        (
            429,
            openai(rate("requests per day (RPD)", "7m12s"), "requests", "rate_limit_exceeded"),
            {},
            exhausted("requests", 432.0),
        ),
        (
            429,
            openai(rate("input-images per min", "12s"), "input-images", "rate_limit_exceeded"),
            {},
            pause("images", 12.0),
        ),
        (
            429,
            openai(rate("requests per min", "2s", model="for organization org-1 "), "requests"),
            {},
            pause("requests", 2.0, whole=True),
        ),
        (
            429,
            openai("Too many requests"),
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6s"},
            pause("requests", 6.0),
        ),
        (
            429,
            openai("Slow down"),
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6s"},
            pause("tokens", 6.0),
        ),
        (
            429,
            openai(
                "Request too large for m on tokens per min (TPM): Limit 30000, Requested 30601.",
                "tokens",
                "rate_limit_exceeded",
            ),
            {},
            None,
        ),
        (429, openai("Resource unavailable", code="resource_unavailable"), {}, None),
        (
            429,
            openai("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
            {},
            disable("credit"),
        ),
        (429, openai("Billing hard limit has been reached", code="billing_hard_limit_reached"), {}, disable("credit")),
        (401, openai("Incorrect API key provided: sk-1.", code="invalid_api_key"), {}, disable("key")),
        (401, openai("Your account has been deactivated.", code="account_deactivated"), {}, disable("suspended")),
        (400, openai("Your organization has been disabled."), {}, disable("suspended")),
        (
            403,
            openai(
                "Country, region, or territory not supported",
                "request_forbidden",
                "unsupported_country_region_territory",
            ),
            {},
            disable("region"),
        ),
        (
            403,
            openai("Your organization must be verified to use the model `m`."),
            {},
            disable("verification", whole=False),
        ),
        (
            400,
            openai("Your organization must be verified to stream this model.", code="unsupported_value"),
            {},
            disable("verification", whole=False),
        ),
        (
            400,
            openai("Your organization must be verified to generate reasoning summaries.", code="unsupported_value"),
            {},
            None,
        ),
        (403, openai("Project `p` does not have access to model `m`", code="model_not_found"), {}, None),
        (403, openai("You have insufficient permissions for this operation."), {}, disable("forbidden", whole=False)),
        (
            404,
            openai("The model `m` does not exist or you do not have access to it.", code="model_not_found"),
            {},
            None,
        ),
        (400, openai("The requested model 'm' does not exist.", code="model_not_found"), {}, None),
        (400, openai("Your input exceeds the context window of this model.", code="context_length_exceeded"), {}, None),
        (400, openai("The response was filtered", code="content_filter"), {}, None),
        (500, openai("The server had an error", "server_error"), {}, None),
        (502, b"<html><h1>502 Bad Gateway</h1></html>", {}, None),
        (503, openai("Slow down", "server_error"), {}, overloaded("overloaded")),
        # subscriptions
        (429, USAGE, CODEX, exhausted("primary", 13873.0, whole=True)),
        (429, USAGE, CODEX | {"x-codex-secondary-used-percent": "100"}, exhausted("secondary", 316705.0, whole=True)),
        (429, USAGE, {}, exhausted("usage", 13872.0, whole=True)),
        (429, USAGE, SPARK, exhausted("usage", 13872.0, whole=True)),
        (429, USAGE, SPARK | {"x-codex-active-limit": "codex_bengalfox"}, exhausted("bengalfox-primary", 900.0)),
        (429, openai("Too many requests"), SPARK, pause("requests", whole=True)),
        (
            429,
            openai("Too many requests"),
            CODEX | {"x-codex-credits-has-credits": "True"},
            pause("requests", whole=True),
        ),
    ],
)
def test_openai(status: int, body: Any, headers: dict[str, str], expected: Signal | None) -> None:
    """Limits are by model, unless their words say organization; credit and keys are the whole account's."""
    assert expected == told(OPENAI, status, body, headers)


def google(
    status: int, name: str, message: str = "", *, quota: str = "", value: str = "25", reason: str = "", retry: str = ""
) -> tuple[int, dict[str, Any]]:
    violation = {"quotaMetric": "generativelanguage.googleapis.com/x", "quotaId": quota, "quotaValue": value}
    details: list[dict[str, Any]] = [{"@type": "type.googleapis.com/google.rpc.Help", "links": []}]
    details += [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}] if quota else []
    details += [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    details += [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry}] if retry else []
    return status, {"error": {"code": status, "message": message, "status": name, "details": details}}


OUT = "You exceeded your current quota, please check your plan and billing details."
PER_MINUTE, PER_DAY = (
    "GenerateContentPaidTierInputTokensPerModelPerMinute",
    "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
)


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (google(429, "RESOURCE_EXHAUSTED", OUT, quota=PER_MINUTE, retry="48s"), pause("input_tokens", 48.0)),
        (
            google(429, "RESOURCE_EXHAUSTED", OUT, quota="GenerateRequestsPerMinutePerProjectPerModel", retry="10.5s"),
            pause("requests", 10.5),
        ),
        (google(429, "RESOURCE_EXHAUSTED", OUT, quota=PER_DAY, retry="5s"), exhausted("requests", DAY)),
        (
            google(429, "RESOURCE_EXHAUSTED", OUT, quota=PER_DAY, value="0", retry="45s"),
            disable("no_quota", whole=False),
        ),
        (
            google(
                429, "RESOURCE_EXHAUSTED", f"{OUT}\n* Quota exceeded for metric: x, limit: 0, model: m", retry="45s"
            ),
            disable("no_quota", whole=False),
        ),
        (
            google(429, "RESOURCE_EXHAUSTED", "No capacity available for model m", reason="MODEL_CAPACITY_EXHAUSTED"),
            overloaded("capacity"),
        ),
        (google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."), pause("rate")),
        (google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), disable("credit")),
        (google(400, "FAILED_PRECONDITION", "Please enable billing on your project."), disable("credit")),
        (google(403, "PERMISSION_DENIED", "Billing is off.", reason="BILLING_DISABLED"), disable("credit")),
        (
            google(
                400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason="API_KEY_INVALID"
            ),
            disable("key"),
        ),
        (google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."), disable("key")),
        (
            google(403, "PERMISSION_DENIED", "Consumer 'api_key:1' has been suspended.", reason="CONSUMER_SUSPENDED"),
            disable("suspended"),
        ),
        (google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), disable("key")),
        (
            google(
                403,
                "PERMISSION_DENIED",
                "API has not been used in project 1 before or it is disabled.",
                reason="SERVICE_DISABLED",
            ),
            disable("forbidden"),
        ),
        (
            google(403, "PERMISSION_DENIED", "This service has been disabled in this account for violation of Terms"),
            disable("suspended"),
        ),
        (google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), disable("region")),
        (
            google(403, "PERMISSION_DENIED", "You do not have permission to access the File f1 or it may not exist."),
            None,
        ),
        (
            google(
                400, "INVALID_ARGUMENT", "The input token count (1250074) exceeds the maximum number of tokens allowed."
            ),
            None,
        ),
        (google(404, "NOT_FOUND", "models/m is not found for API version v1beta"), None),
        (google(499, "CANCELLED", "The operation was cancelled."), None),
        (google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), overloaded("overloaded")),
        (google(504, "DEADLINE_EXCEEDED", ""), None),
    ],
)
def test_google(refusal: tuple[int, dict[str, Any]], expected: Signal | None) -> None:
    """A minute's quota is paused, a day's is back at midnight in California, one of nothing never comes."""
    status, body = refusal
    assert expected == told(GOOGLE, status, body)
    assert expected == told(GOOGLE, status, [body])


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (google(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."), overloaded("capacity")),
        (
            google(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded for x/online_prediction_requests_per_base_model with base model: m.",
            ),
            pause("requests"),
        ),
        (
            google(
                429, "RESOURCE_EXHAUSTED", "Quota exceeded for x/embed_content_input_tokens_per_minute_per_base_model"
            ),
            pause("input_tokens"),
        ),
        (
            google(
                403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource 'x/models/m'"
            ),
            disable("forbidden", whole=False),
        ),
        (
            google(
                403, "PERMISSION_DENIED", "Permission 'storage.objects.get' denied on resource (or it may not exist)."
            ),
            None,
        ),
        (google(401, "UNAUTHENTICATED", ""), disable("key")),
        (google(404, "NOT_FOUND", "Publisher Model `m` not found."), None),
    ],
)
@pytest.mark.parametrize("model", ["gemini-2.5-pro", "claude-sonnet-4-5"])
def test_vertex(refusal: tuple[int, dict[str, Any]], expected: Signal | None, model: str) -> None:
    """Capacity that all projects share is the provider's affair, a quota the model's; of Claude too."""
    status, body = refusal
    assert expected == told(VERTEX, status, body, model=model)


@pytest.mark.parametrize(
    ("status", "exception", "message", "expected"),
    [
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", pause("requests")),
        (429, "ThrottlingException", "Too many tokens, please wait before trying again.", pause("tokens")),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", exhausted("tokens")),
        (
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
            exhausted("quota"),
        ),
        (429, "ModelNotReadyException", "The model is not ready.", overloaded("loading")),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", overloaded("overloaded")),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            disable("forbidden", whole=False),
        ),
        (
            403,
            "AccessDeniedException",
            "User: u is not authorized to perform: bedrock:InvokeModel on resource: m",
            disable("forbidden", whole=False),
        ),
        (403, "AccessDeniedException", "User: u is not authorized to perform: s3:GetObject", None),
        (
            403,
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            disable("key"),
        ),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", disable("key")),
        (403, "ExpiredTokenException", "The security token included in the request is expired", disable("key")),
        (403, "InvalidSignatureException", "Signature expired", disable("key")),
        (400, "ValidationException", "The provided model identifier is invalid.", None),
        (404, "ResourceNotFoundException", "", None),
        (408, "ModelTimeoutException", "", None),
        (424, "ModelErrorException", "", None),
        (500, "InternalServerException", "", None),
    ],
)
def test_bedrock(status: int, exception: str, message: str, expected: Signal | None) -> None:
    """The exception decides; a model that may not be used is not a bad credential."""
    headers = {"x-amzn-errortype": f"{exception}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    assert expected == told(BEDROCK, status, {"message": message}, headers)


@pytest.mark.parametrize(
    ("status", "message", "headers", "expected"),
    [
        (
            429,
            "Your requests to m for m in East US 2 have exceeded the token rate limit. Please retry after 60 seconds.",
            {},
            pause("tokens", 60.0),
        ),
        (
            429,
            "Requests have exceeded call rate limit of your current OpenAI S0 pricing tier.",
            {"retry-after": "9"},
            pause("requests", 9.0),
        ),
        (
            429,
            "have exceeded token rate limit of your current tier. Please retry after 86400 seconds.",
            {},
            exhausted("tokens", DAY),
        ),
        (401, "Access denied due to invalid subscription key or wrong API endpoint.", {}, disable("key")),
        (403, "Access denied due to Virtual Network/Firewall rules.", {}, disable("forbidden", whole=False)),
    ],
)
def test_azure(status: int, message: str, headers: dict[str, str], expected: Signal | None) -> None:
    """Each deployment has limits of its own."""
    assert expected == told(AZURE, status, {"error": {"code": str(status), "message": message}}, headers)


ONLY_TPD = rate("tokens per day (TPD)", "9m38.016s") + " Need more tokens? Upgrade to Dev Tier today."


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (
            429,
            openai(rate("tokens per minute (TPM)", "11.455s"), "tokens", "rate_limit_exceeded"),
            {},
            pause("tokens", 11.455),
        ),
        (429, openai(ONLY_TPD, "tokens", "rate_limit_exceeded"), {}, exhausted("tokens", 578.016)),
        (
            429,
            openai("Rate limit reached"),
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m59.56s"},
            exhausted("requests", 179.56),
        ),
        (429, openai(rate("tokens per minute (TPM)", "50.5s", 0, 12903), "tokens"), {}, None),
        (
            413,
            openai("Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 12328", "tokens"),
            {},
            None,
        ),
        (498, openai("Flex tier capacity exceeded"), {}, None),
    ],
)
def test_groq(status: int, body: Any, headers: dict[str, str], expected: Signal | None) -> None:
    """Requests are counted by the day, which only its documentation says, and tokens by the minute and the day."""
    assert expected == told(COMPATIBLE, status, body, headers, server=GROQ)


def openrouter(code: int, message: str, **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "metadata": metadata}, "user_id": "user_1"}


DAY_RESET = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800043200000"}
XAI_SPENT = (
    "Your team t has either used all available credits or reached its monthly spending limit. To continue making API "
    "requests, please purchase more credits or raise your spending limit."
)


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        # OpenRouter
        (
            429,
            openrouter(
                429, "Rate limit exceeded: free-models-per-min.", headers={"X-RateLimit-Reset": "1800000030000"}
            ),
            {},
            pause("requests", 30.0),
        ),
        (
            429,
            openrouter(429, "Rate limit exceeded: free-models-per-day.", headers=DAY_RESET),
            {},
            exhausted("requests", DAY / 2),
        ),
        (
            429,
            openrouter(
                429, "Provider returned error", raw="m is temporarily rate-limited upstream. Please retry shortly."
            ),
            {},
            overloaded("capacity"),
        ),
        (
            402,
            openrouter(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"),
            {},
            disable("credit"),
        ),
        (
            402,
            openrouter(
                402,
                "This request requires more credits, or fewer max_tokens: you can only afford 1775.",
            ),
            {},
            disable("credit", whole=False),
        ),
        (403, openrouter(403, "Key limit exceeded (daily limit)."), {}, exhausted("spend_limit", whole=True)),
        (403, openrouter(403, "Key limit exceeded (total limit)."), {}, disable("credit")),
        (403, openrouter(403, "Your input was flagged", reasons=["violence"]), {}, None),
        (401, openrouter(401, "User not found."), {}, disable("key")),
        # Mistral
        (
            429,
            {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"},
            {},
            pause("rate"),
        ),
        (
            429,
            {"message": "Requests rate limit exceeded"},
            {"x-ratelimit-remaining-req-minute": "0"},
            pause("requests"),
        ),
        (429, {"message": "Rate limit exceeded"}, {"x-ratelimit-remaining-tokens-month": "0"}, exhausted("tokens")),
        (
            429,
            {"object": "error", "message": "Service tier capacity exceeded for this model.", "code": "3505"},
            {},
            overloaded("capacity"),
        ),
        (401, {"detail": "Invalid API Key"}, {}, disable("key")),
        # xAI
        (429, {"code": "resource-exhausted", "error": XAI_SPENT}, {}, disable("credit")),
        (403, {"code": "permission-denied", "error": XAI_SPENT}, {}, disable("credit")),
        (
            403,
            {"code": "permission-denied", "error": "Your newly created team doesn't have any credits or licenses yet."},
            {},
            disable("credit"),
        ),
        (
            403,
            {"code": "permission-denied", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK"},
            {},
            None,
        ),
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, {}, disable("key")),
        (
            429,
            {"error": "Too many requests for team t and model m. Requests per Minute (actual/limit): 61/60"},
            {},
            pause("requests"),
        ),
        # Z.ai
        (429, {"error": {"code": "1302", "message": "Rate limit reached for requests"}}, {}, pause("rate")),
        (
            429,
            {
                "error": {
                    "code": "1308",
                    "message": "Usage limit reached for 5 hour. Your limit will reset at 2027-01-15 19:00:00",
                }
            },
            {},
            exhausted("usage", 3 * HOUR, whole=True),
        ),
        (
            429,
            {
                "error": {
                    "code": "1310",
                    "message": "Weekly limit exhausted. Your limit will reset at 2027-01-17 16:00:00",
                }
            },
            {},
            exhausted("usage", 2 * DAY, whole=True),
        ),
        (429, {"error": {"code": "1309", "message": "Your plan has expired"}}, {}, disable("credit")),
        (
            429,
            {"error": {"code": "1311", "message": "Your plan does not include m"}},
            {},
            disable("forbidden", whole=False),
        ),
        (429, {"error": {"code": "1312", "message": "This model has too many visits"}}, {}, overloaded("capacity")),
        (429, {"error": {"code": "1113", "message": "Your account is in arrears"}}, {}, disable("credit")),
        # others
        (402, openai("Insufficient Balance"), {}, disable("credit")),
        (
            402,
            {"error": "You have exceeded your monthly included credits for Inference Providers."},
            {},
            disable("credit"),
        ),
        (
            429,
            {"message": "You are using a Trial key, which is limited to 40 API calls / minute."},
            {},
            pause("requests", whole=True),
        ),
        (
            429,
            {"message": "You are using a Trial key, which is limited to 1000 API calls / month."},
            {},
            exhausted("requests", whole=True),
        ),
        (
            429,
            {},
            {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"},
            pause("requests", 1.0),
        ),
        (429, b"Too Many Requests", {"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, pause("requests", 60.0)),
        (429, b"", {"retry-after": "7200"}, exhausted("rate", 7200.0)),
        (401, {"error": {"message": "Unauthorized", "type": "api_error"}}, {}, disable("key")),
        (403, b"<html><title>Just a moment...</title></html>", {}, None),
        (403, b"Forbidden", {}, disable("forbidden", whole=False)),
        (402, b"", {}, disable("credit")),
        (503, b"no available server", {"retry-after": "5"}, overloaded("overloaded", 5.0)),
        (400, openai("max_tokens is too large"), {}, None),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, {}, None),
    ],
)
def test_compatible_servers(status: int, body: Any, headers: dict[str, str], expected: Signal | None) -> None:
    """Every server's own way of saying it comes to the same few verdicts."""
    assert expected == told(COMPATIBLE, status, body, headers)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Overloaded(), overloaded("overloaded")),
        (RateLimited(), pause("rate")),
        (AccountRejected(), disable("key")),
        (QuotaExhausted(), exhausted("quota")),
        (QuotaExhausted(upstream_message="The usage limit has been reached"), exhausted("usage", whole=True)),
        (QuotaExhausted(upstream_message="You exceeded your current quota, check your billing."), exhausted("quota")),
        (RateLimited(upstream_message="Too many tokens, please wait."), pause("tokens")),
        (UpstreamReset(), None),
        (ClientGone(), None),
    ],
)
def test_an_error_inside_an_answer(error: GatewayError, expected: Signal | None) -> None:
    """Without a status and a body the error's class says what it can, and its words."""
    assert expected == signals.read(OPENAI, 200, {}, b"", error, None)


def test_waits_that_nobody_means() -> None:
    """A limit of a year is cut to the longest window that anybody counts by."""
    limits = RateLimits(retry_after=300 * DAY)
    signal = signals.read(OPENAI, 429, {}, b"", RateLimited(), limits)
    assert exhausted("rate", 32 * DAY) == signal


# --- good answers -----------------------------------------------------------------------------------------------------


def spent(reset: float | None, limit: int | None = 100) -> Allowance:
    return Allowance(limit=limit, remaining=0, reset=reset)


def window(name: str, used: float, status: str | None = None, reset: float = HOUR) -> Window:
    return Window(name=name, used=used, status=status, reset=reset)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (RateLimits(), None),
        (RateLimits(retry_after=20.0), None),
        (RateLimits(requests=Allowance(limit=100, remaining=1, reset=60.0)), None),
        (RateLimits(requests=spent(60.0)), pause("requests", 0.6)),
        (RateLimits(requests=spent(60.0, None)), pause("requests", 60.0)),
        (RateLimits(requests=spent(DAY, 2)), pause("requests", 300.0)),
        (RateLimits(requests=spent(60.0, 30000)), None),
        (RateLimits(requests=spent(None)), None),
        (RateLimits(requests=spent(60.0), input_tokens=spent(40.0)), pause("input_tokens", 5.0)),
        (RateLimits(windows=(window("5h", 0.99),)), None),
        (RateLimits(windows=(window("5h", 1.0),)), exhausted("5h", HOUR, whole=True)),
        (RateLimits(windows=(window("5h", 1.0), window("7d", 1.0, reset=DAY))), exhausted("7d", DAY, whole=True)),
        # what is beyond the window is served, or not
        (RateLimits(windows=(window("unified", 0, "allowed"), window("5h", 1.0))), None),
        (
            RateLimits(windows=(window("unified", 0, "allowed"), window("overage", 0, "rejected"), window("5h", 1.0))),
            exhausted("5h", HOUR, whole=True),
        ),
        (RateLimits(windows=(window("primary", 1.0),)), exhausted("primary", HOUR, whole=True)),
        (RateLimits(windows=(window("primary", 1.0), window("credits", 0, "allowed"))), None),
        # those of other models
        (RateLimits(windows=(window("7d_oi", 1.0, "rejected"), window("bengalfox-primary", 1.0))), None),
    ],
)
def test_ahead(limits: RateLimits, expected: Signal | None) -> None:
    """A spent window is known before its refusal; a spent bucket is left alone until it has something."""
    assert expected == signals.ahead(limits)


# --- anything ---------------------------------------------------------------------------------------------------------

FIELDS = [
    "error",
    "message",
    "type",
    "code",
    "status",
    "details",
    "violations",
    "quotaId",
    "metadata",
    "headers",
    "raw",
]
FIELDS += ["retryDelay", "resets_in_seconds", "resets_at", "X-RateLimit-Reset", "reason", "innererror", "detail"]
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)),
    max_leaves=12,
)
HEADERS = [
    "retry-after",
    "x-amzn-errortype",
    "anthropic-ratelimit-unified-5h-reset",
    "anthropic-ratelimit-unified-status",
]
HEADERS += [
    "x-codex-primary-used-percent",
    "x-codex-primary-reset-at",
    "anthropic-ratelimit-unified-representative-claim",
]
HEADERS += ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "anthropic-ratelimit-unified-7d_oi-status"]
VALUES = st.one_of(
    st.text(max_size=12), st.sampled_from(["rejected", "allowed", "100", "0", "-1", "nan", "inf", "1e300"])
)


@given(
    st.sampled_from(Provider),
    st.sampled_from([400, 401, 402, 403, 404, 429, 498, 500, 503, 529]),
    st.one_of(JSON.map(msgspec.json.encode), st.binary(max_size=60)),
    st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=5),
)
def test_nothing_raises_and_nothing_is_nonsense(
    provider: Provider, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Whatever comes: seconds are positive and within a window that anybody has, and a reason is a short word."""
    signal = told(provider, status, body, headers)
    if signal is None:
        return
    assert signal.seconds is None or 0 < signal.seconds <= 32 * DAY
    assert 0 < len(signal.reason) <= 40


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"' + b"too much " * 100_000 + b'"}}',
        b'{"error":' * 100_000,
        b"[" * 1_000_000,
        b"super " * 500_000,
        b'{"error":{"details":[' + b'{"violations":[{"quotaId":1}]},' * 50_000 + b"{}]}}",
        b'{"error":{"message":"Limit ' + b"9" * 100_000 + b', Requested 1"}}',
    ],
)
@pytest.mark.parametrize("provider", [OPENAI, GOOGLE, BEDROCK, ANTHROPIC])
def test_absurd_bodies(body: bytes, provider: Provider) -> None:
    """A body of any length and depth is only looked at where it begins."""
    assert pause("rate") == told(provider, 429, body)
