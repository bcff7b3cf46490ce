"""`POST /v1/audio/speech`, `/transcriptions` and `/translations`.

Speech is bytes that look like the format that was asked for; what a transcription hears is the file's size and digest,
which shows whether the file came through whole.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from llmgw_simulator.dialects._rules import TEXT, Rule, check, check_value, json_body, missing, one_of
from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.dialects.chat_request import check_exists
from llmgw_simulator.openai.page import as_json, sse
from llmgw_simulator.tokens import count, pieces
from llmgw_simulator.wire import Form, Frame, Incoming, Product, Upload

_MEDIA = {
    "mp3": ("audio/mpeg", b"\xff\xf3\xe4\xc4"),
    "opus": ("audio/ogg", b"OggS\0\2"),
    "aac": ("audio/aac", b"\xff\xf1\x50\x80"),
    "flac": ("audio/flac", b"fLaC\0\0\0\x22"),
    "wav": ("audio/wav", b""),
    "pcm": ("audio/pcm", b""),
}
_SPEECH: dict[str, Rule] = {
    "model": Rule("string", required=True),
    "input": Rule("string", required=True),
    "voice": Rule(required=True),
    "instructions": TEXT,
    "response_format": one_of(*_MEDIA),
    "speed": Rule("decimal", low=0.25, high=4.0),
    "stream_format": one_of("sse", "audio"),
}
_LONGEST = 4096
_SAMPLES = 4800
"""Samples that a token lasts: 0.2 s at 24 kHz."""

_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_FIELDS = {
    "model",
    "language",
    "languages",
    "prompt",
    "response_format",
    "temperature",
    "stream",
    "timestamp_granularities",
    "include",
    "chunking_strategy",
    "chunking_strategy[type]",
    "keywords",
    "known_speaker_names",
    "known_speaker_references",
}
_BYTES_A_SECOND = 48_000


def speak(incoming: Incoming) -> Product:
    """Bytes of sound, or the same in events. Raises `Refusal`."""
    body = json_body(incoming.body)
    check(body, _SPEECH)
    check_exists(body["model"])
    text: str = body["input"]
    if len(text) > _LONGEST:
        message = (
            f"Invalid 'input': string too long. Expected a string with maximum length {_LONGEST}, but got a string "
            f"with length {len(text)} instead."
        )
        invalid(message, "input", "string_above_max_length")
    wanted = body.get("response_format") or "mp3"
    if body.get("stream_format") == "sse":
        return Product(headers=_events_header(), frames=_speech_events(text, wanted))
    frames = (Frame(sound, 1) for sound in _sounds(text, wanted))
    return Product(headers={"content-type": _MEDIA[wanted][0]}, frames=frames)


def transcribe(incoming: Incoming) -> Product:
    """What the file says. Raises `Refusal`."""
    return _heard(incoming, "transcribe")


def translate(incoming: Incoming) -> Product:
    """What the file says, in English. Raises `Refusal`."""
    return _heard(incoming, "translate")


def _heard(incoming: Incoming, task: str) -> Product:
    form = incoming.form or Form({})
    fields = {name.removesuffix("[]"): values for name, values in form.fields.items()}
    for name in fields:
        if name not in _FIELDS:
            invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    upload = next((one for one in form.uploads if one.field == "file"), None)
    if upload is None:
        missing("file")
    model = (fields.get("model") or [""])[0]
    if not model:
        invalid("you must provide a model parameter")
    check_exists(model)
    wanted = (fields.get("response_format") or ["json"])[0]
    check_value(wanted, one_of(*_FORMATS), "response_format")
    if "transcribe" in model and wanted in ("srt", "verbose_json", "vtt"):
        message = f"response_format '{wanted}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
        invalid(message, "response_format", "unsupported_value")
    text = f"I hear {upload.blob.size} bytes of {upload.media_type} with the digest {upload.blob.digest[:16]}."
    if (fields.get("stream") or [""])[0] == "true" and "whisper" not in model:
        return Product(headers=_events_header(), frames=_transcript_events(text, upload, wanted))
    return _written(text, upload, wanted, model, task)


def _written(text: str, upload: Upload, wanted: str, model: str, task: str) -> Product:
    seconds = round(upload.blob.size / _BYTES_A_SECOND, 2)
    plain = {
        "text": text + "\n",
        "srt": f"1\n00:00:00,000 --> {_clock(seconds, ',')}\n{text}\n\n",
        "vtt": f"WEBVTT\n\n00:00:00.000 --> {_clock(seconds, '.')}\n{text}\n\n",
    }
    if wanted in plain:
        headers = {"content-type": "text/plain; charset=utf-8"}
        return Product(headers=headers, body=plain[wanted].encode(), tokens=len(pieces(text)))
    by_time = {"type": "duration", "seconds": max(1, round(seconds))}
    answer: dict[str, Any] = {"text": text, "usage": by_time if "whisper" in model else _usage(text, upload)}
    if wanted == "verbose_json":
        answer |= {"task": task, "language": "english", "duration": seconds, "segments": [_segment(text, seconds)]}
    if wanted == "diarized_json":
        answer |= {"task": task, "duration": seconds, "segments": [_spoken(text, seconds)]}
    return as_json(answer, len(pieces(text)))


def _transcript_events(text: str, upload: Upload, wanted: str) -> Iterator[Frame]:
    if wanted == "diarized_json":
        yield Frame(sse(_spoken(text, round(upload.blob.size / _BYTES_A_SECOND, 2))), len(pieces(text)))
    else:
        for piece in pieces(text):
            yield Frame(sse({"type": "transcript.text.delta", "delta": piece}), 1)
    yield Frame(sse({"type": "transcript.text.done", "text": text, "usage": _usage(text, upload)}))
    yield Frame(b"data: [DONE]\n\n")


def _speech_events(text: str, wanted: str) -> Iterator[Frame]:
    made = 0
    for sound in _sounds(text, wanted):
        made += 1
        yield Frame(sse({"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()}), 1)
    asked = count(text)
    usage = {"input_tokens": asked, "output_tokens": made, "total_tokens": asked + made}
    yield Frame(sse({"type": "speech.audio.done", "usage": usage}))


def _sounds(text: str, wanted: str) -> Iterator[bytes]:
    """The file's head and then a stretch of sound for each token."""
    words = pieces(text)
    head = _wave_head(len(words) * _SAMPLES * 2) if wanted == "wav" else _MEDIA[wanted][1]
    if head:
        yield head
    for word in words:
        noise = hashlib.sha256(word.encode()).digest()
        size = _SAMPLES * 2 if wanted in ("wav", "pcm", "flac") else _SAMPLES // 2
        yield noise * (size // len(noise))


def _wave_head(size: int) -> bytes:
    """The header of a RIFF file: PCM, mono, 24 kHz, 16 bits."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


def _events_header() -> dict[str, str]:
    return {"content-type": "text/event-stream; charset=utf-8"}


def _usage(text: str, upload: Upload) -> dict[str, Any]:
    heard, said = max(1, upload.blob.size // 4800), len(pieces(text))
    details = {"text_tokens": 0, "audio_tokens": heard}
    total = heard + said
    return {
        "type": "tokens",
        "total_tokens": total,
        "input_tokens": heard,
        "input_token_details": details,
        "output_tokens": said,
    }


def _spoken(text: str, seconds: float) -> dict[str, Any]:
    times = {"start": 0.0, "end": seconds}
    return {"type": "transcript.text.segment", "text": f" {text}", "speaker": "A", **times, "id": "seg_0"}


def _segment(text: str, seconds: float) -> dict[str, Any]:
    odds = {"temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.01}
    return {"id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": f" {text}", "tokens": [], **odds}


def _clock(seconds: float, comma: str) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{comma}{round((seconds - whole) * 1000):03}"
