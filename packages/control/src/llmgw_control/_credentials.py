"""From a record's `credential` to the account's own, in every form that a provider knows.

A message never quotes what a reference leads to, nor a piece of it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llmgw_control import _checks as checks
from llmgw_control._report import Report
from llmgw_control.records import AccountRecord, AwsKeysRecord
from llmgw_control.refusal import Unrevealed
from llmgw_domain import Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, Credential, ServiceAccount

Reveal = Callable[[str], Secret]

DEFAULT = "default"
"""The credential that a cloud's own chain finds."""

_CHAINS = (Provider.BEDROCK, Provider.VERTEX)
# docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html: long-term and short-term keys of Bedrock's own.
_BEDROCK_KEYS = ("ABSK", "bedrock-api-key-")


class _ServiceAccountFile(msgspec.Struct, frozen=True):
    """What Google's console gives as a service account's key file."""

    type: str
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    project_id: str | None = None


_read_file = msgspec.json.Decoder(_ServiceAccountFile).decode


def credential(report: Report, record: AccountRecord, provider: Provider, reveal: Reveal) -> Credential | None:
    """The account's credential. Servers of one's own often want none, so only the known providers must have one."""
    given, owner = record.credential, f"account {record.id!r}"
    if given is None:
        if provider is Provider.OPENAI_COMPATIBLE:
            return Secret("")
        report.add('missing: say where the secret is, e.g. "env:NAME" or "file:PATH"')
        return None
    if isinstance(given, AwsKeysRecord):
        return _aws_table(report, owner, given, provider, reveal)
    if given == DEFAULT:
        return _ambient(report, provider)
    text = _text(report, owner, given, reveal)
    return None if text is None else _of_text(report, owner, text, provider)


def revealed(report: Report, owner: str, reference: str, reveal: Reveal) -> Secret | None:
    """What a reference leads to, if it can be sent in a header."""
    text = _text(report, owner, reference, reveal)
    return None if text is None else _key(report, owner, text)


def proxy(report: Report, record: AccountRecord, reveal: Reveal) -> Secret | None:
    """The proxy's address. It may hold a password, so it is a secret; one that has none can stand there as it is."""
    given = record.proxy
    if given is None:
        return None
    if given.startswith(("http://", "https://")):
        text, plain = given, True
    else:
        revealed_text = _text(report, f"account {record.id!r}", given, reveal)
        if revealed_text is None:
            return None
        text, plain = revealed_text, False
    problem = checks.proxy_problem(text, plain=plain)
    if problem:
        report.add(problem)
        return None
    return Secret(text)


def certificates(report: Report, record: AccountRecord, reveal: Reveal) -> str | None:
    """PEM certificates to trust."""
    if record.ca is None:
        return None
    text = _text(report, f"account {record.id!r}", record.ca, reveal)
    if text is None:
        return None
    if not checks.are_certificates(text):
        report.add("must hold certificates in PEM form, one or several: -----BEGIN CERTIFICATE----- ...")
        return None
    return text


# --- forms ------------------------------------------------------------------------------------------------------------


def _text(report: Report, owner: str, reference: str, reveal: Reveal) -> str | None:
    try:
        return reveal(reference).reveal()
    except Unrevealed as error:
        report.add(f"{owner}: {error}")
        return None


def _of_text(report: Report, owner: str, text: str, provider: Provider) -> Credential | None:
    """One text that says by its form what it is."""
    if provider is Provider.VERTEX and text.lstrip().startswith("{"):
        return _service_account(report, owner, text)
    if provider is Provider.BEDROCK and ":" in text and not text.startswith(_BEDROCK_KEYS):
        return _aws_text(report, owner, text)
    return _key(report, owner, text)


def _key(report: Report, owner: str, text: str) -> Secret | None:
    problem = checks.secret_problem(text)
    if problem:
        report.add(f"{owner}: {problem}")
        return None
    return Secret(text)


def _ambient(report: Report, provider: Provider) -> Ambient | None:
    if provider in _CHAINS:
        return Ambient()
    report.add(
        f"{DEFAULT!r} is for providers with a chain of credentials of their own, {checks.listed(_CHAINS)}; "
        f'for {provider.value!r} say where the key is, e.g. "env:NAME"'
    )
    return None


def _aws_text(report: Report, owner: str, text: str) -> AwsKeys | None:
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(parts):
        report.add(f"{owner}: must be ID:SECRET or ID:SECRET:TOKEN, or an API key of Bedrock's, which has no ':'")
        return None
    checked = [_key(report, owner, part) for part in parts]
    return _aws_keys(*checked)


def _aws_table(report: Report, owner: str, given: AwsKeysRecord, provider: Provider, reveal: Reveal) -> AwsKeys | None:
    if provider is not Provider.BEDROCK:
        report.add(f"a table of AWS keys is for 'bedrock'; for {provider.value!r} give one reference")
        return None
    steps = ("access_key_id", "secret_access_key") + (("session_token",) if given.session_token is not None else ())
    return _aws_keys(*(revealed(report.at(step), owner, getattr(given, step), reveal) for step in steps))


def _aws_keys(id: Secret | None, key: Secret | None, *token: Secret | None) -> AwsKeys | None:
    if id is None or key is None or None in token:
        return None
    return AwsKeys(access_key_id=id.reveal(), secret_access_key=key, session_token=token[0] if token else None)


def _service_account(report: Report, owner: str, text: str) -> ServiceAccount | None:
    try:
        file = _read_file(text)
    except (msgspec.DecodeError, RecursionError) as error:
        report.add(f"{owner}: is not the JSON of a service account: {error}")
        return None
    problem = _file_problem(file)
    if problem:
        report.add(f"{owner}: the service account's {problem}")
        return None
    return ServiceAccount(
        client_email=file.client_email,
        private_key=Secret(file.private_key),
        private_key_id=file.private_key_id,
        token_url=file.token_uri,
        project=file.project_id or None,
    )


def _file_problem(file: _ServiceAccountFile) -> str | None:
    if file.type != "service_account":
        return (
            "type must be 'service_account'; other kinds of Google credentials are found by credential = "
            f'"{DEFAULT}", with GOOGLE_APPLICATION_CREDENTIALS naming the file'
        )
    if not file.client_email:
        return "client_email is empty"
    if not file.private_key.lstrip().startswith("-----BEGIN "):
        return "private_key is not in PEM"
    problem = checks.url_problem(file.token_uri)
    return f"token_uri {problem}" if problem else None
