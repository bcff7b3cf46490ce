from __future__ import annotations

from typing import Any

import pytest

from llmgw_admin.api.resources import RESOURCES

ACCOUNT = {"id": "a", "provider": "openai", "pool": "p", "credential": "env:K"}


def test_an_account_from_its_creation_to_its_deletion(stack: Any) -> None:
    """201 with its place and version; read, changed, switched and deleted there; then there is none."""
    made = stack.owner.post("/api/v1/accounts", json=ACCOUNT)
    assert (201, "/api/v1/accounts/a") == (made.status_code, made.headers["location"])
    assert {**ACCOUNT, "origin": "log", "enabled": True, "drain": False} == {
        name: made.json()[name] for name in (*ACCOUNT, "origin", "enabled", "drain")
    }
    read = stack.viewer.get("/api/v1/accounts/a")
    assert (made.json(), made.headers["etag"], f'"{made.json()["version"]}"') == (
        read.json(),
        read.headers["etag"],
        read.headers["etag"],
    )
    changed = stack.owner.patch("/api/v1/accounts/a", json={"max_concurrency": 7})
    assert (200, 7) == (changed.status_code, changed.json()["max_concurrency"])
    assert made.headers["etag"] != changed.headers["etag"]
    gone = stack.owner.delete("/api/v1/accounts/a")
    assert (204, b"", 404) == (gone.status_code, gone.content, stack.viewer.get("/api/v1/accounts/a").status_code)


@pytest.mark.parametrize(
    ("switch", "expected"),
    [("disable", (False, False)), ("enable", (True, False)), ("drain", (True, True)), ("undrain", (True, False))],
)
def test_each_switch_sets_its_own(stack: Any, switch: str, expected: tuple[bool, bool]) -> None:
    """Switches change what they say and leave the other alone; they need no body."""
    answer = stack.operator.post(f"/api/v1/accounts/filed/{switch}")
    assert (200, expected) == (answer.status_code, (answer.json()["enabled"], answer.json()["drain"]))


def test_a_disabled_account_says_why(stack: Any) -> None:
    """Until it is enabled; the audit trail keeps it. Other switches, and other kinds, take no reason."""
    path = "/api/v1/accounts/filed"
    answer = stack.operator.post(f"{path}/disable", params={"reason": "credit spent"})
    assert (200, "credit spent") == (answer.status_code, answer.json()["disabled_reason"])
    assert "credit spent" == stack.viewer.get(path).json()["disabled_reason"]
    assert stack.operator.post(f"{path}/enable").json()["disabled_reason"] is None
    for refused in (f"{path}/enable", f"{path}/drain", "/api/v1/keys/filed/disable"):
        assert 400 == stack.operator.post(refused, params={"reason": "x"}).status_code
    assert 400 == stack.operator.post(f"{path}/disable", params={"reason": "two\nlines"}).status_code


def test_a_model_name_may_hold_slashes(stack: Any) -> None:
    """Raw and escaped slashes name the same model, and a name that ends like a switch is a name."""
    for name in ("openai/gpt-5", "openai/*", "a/enable"):
        made = stack.owner.post("/api/v1/models", json={"name": name, "targets": [{"pool": "p", "model": "m"}]})
        assert (201, name, name) == (made.status_code, made.json()["id"], made.json()["name"])
        assert name == stack.viewer.get(made.headers["location"]).json()["id"]
        assert name == stack.viewer.get(f"/api/v1/models/{name}").json()["id"]
    assert ["a/enable", "openai/*", "openai/gpt-5"] == [
        m["id"] for m in stack.viewer.get("/api/v1/models").json()["data"]
    ]


@pytest.mark.parametrize(("plural", "prefix"), [("keys", "gw-"), ("tokens", "gwa-")])
def test_a_secret_is_answered_once(stack: Any, plural: str, prefix: str) -> None:
    """The text of a key or a token is in the answer to its creation, and in no other."""
    body = {"name": "ci", **({"role": "viewer"} if plural == "tokens" else {})}
    made = stack.owner.post(f"/api/v1/{plural}", json=body)
    secret = made.json()["secret"]
    assert secret.startswith(prefix)
    path = made.headers["location"]
    texts = [stack.owner.get(p).text for p in (path, f"/api/v1/{plural}")]
    texts.append(stack.owner.patch(path, json={"name": "other"}).text)
    assert [] == [text for text in texts if secret in text]


def test_a_new_token_opens_the_api(stack: Any) -> None:
    """Who was given a token may use it at once, for what its role may."""
    secret = stack.owner.post("/api/v1/tokens", json={"role": "viewer"}).json()["secret"]
    headers = {"authorization": f"Bearer {secret}"}
    assert (200, 403) == (
        stack.nobody.get("/api/v1/accounts", headers=headers).status_code,
        stack.nobody.post("/api/v1/accounts", json=ACCOUNT, headers=headers).status_code,
    )


def test_a_list_comes_in_pages(stack: Any) -> None:
    """Following `next` gives every record once, in order; the last page has none."""
    for n in range(5):
        stack.owner.post("/api/v1/policies", json={"id": f"p{n}"})
    seen, query = [], {"limit": 2}
    for _ in range(3):
        page = stack.viewer.get("/api/v1/policies", params=query).json()
        seen.append([record["id"] for record in page["data"]])
        query = {"limit": 2, "after": page["next"]}
    assert ([["p0", "p1"], ["p2", "p3"], ["p4"]], None) == (seen, page["next"])


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "of=1", "after=a&after=b"])
def test_a_wrong_query_is_refused_by_name(stack: Any, query: str) -> None:
    """A parameter out of its bounds, unknown, or given twice, is 400 and named."""
    answer = stack.viewer.get(f"/api/v1/accounts?{query}")
    assert (400, query.partition("=")[0]) == (answer.status_code, answer.json()["error"]["param"])


@pytest.mark.parametrize("method", ["patch", "delete"])
@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        (None, True),
        ("*", True),
        ("{etag}", True),
        ('"x", {etag}', True),
        ('"x"', 412),
        ('"x", "y"', 412),
        ("W/{etag}", 412),
        ("unquoted", 400),
        ('"open', 400),
        ("", 400),
    ],
)
def test_if_match_is_heeded(stack: Any, method: str, if_match: str | None, expected: bool | int) -> None:
    """A change goes through only on a version that If-Match names; what can't be read is not passed over."""
    etag = stack.owner.post("/api/v1/accounts", json=ACCOUNT).headers["etag"]
    headers = {} if if_match is None else {"if-match": if_match.replace("{etag}", etag)}
    more = {"json": {"pool": "q"}} if method == "patch" else {}
    answer = getattr(stack.owner, method)("/api/v1/accounts/a", headers=headers, **more)
    assert expected == (answer.status_code if answer.status_code >= 400 else True)
    unchanged = stack.owner.get("/api/v1/accounts/a").headers.get("etag") == etag
    assert unchanged == (expected is not True)


@pytest.mark.parametrize("body", [{"version": "x"}, {"origin": "log"}, {"quarantined": []}, {"shadows": False}])
def test_what_the_gateway_says_cannot_be_sent(stack: Any, body: dict[str, Any]) -> None:
    """Fields that are answers are refused by name, and nothing is changed."""
    stack.owner.post("/api/v1/policies", json={"id": "p"})
    answer = stack.owner.patch("/api/v1/policies/p", json=body)
    assert (400, next(iter(body))) == (answer.status_code, answer.json()["error"]["param"])


@pytest.mark.parametrize(("sent", "status"), [({"id": "b"}, 400), ({"id": 1}, 400), ({"id": "a", "pool": "q"}, 200)])
def test_an_id_stays(stack: Any, sent: dict[str, Any], status: int) -> None:
    """A patch may name the record that it is sent to, and no other."""
    stack.owner.post("/api/v1/accounts", json=ACCOUNT)
    assert status == stack.owner.patch("/api/v1/accounts/a", json=sent).status_code


def test_a_merge_patch_has_a_media_type_of_its_own(stack: Any) -> None:
    """application/merge-patch+json is taken for changes, and for changes only."""
    stack.owner.post("/api/v1/accounts", json=ACCOUNT)
    headers = {"content-type": "application/merge-patch+json"}
    assert (200, 415) == (
        stack.owner.patch("/api/v1/accounts/a", content=b'{"pool": "q"}', headers=headers).status_code,
        stack.owner.post("/api/v1/accounts", content=b'{"id": "b"}', headers=headers).status_code,
    )


def test_no_field_of_a_record_is_hidden_by_what_the_gateway_says() -> None:
    """Records and what is said of them share one object; the only names that they share mean the same (switches)."""
    said = {"origin", "version", "quarantined", "shadows", "secret"}
    assert {} == {r.kind: clash for r in RESOURCES if (clash := said & set(r.record.__struct_fields__))}
