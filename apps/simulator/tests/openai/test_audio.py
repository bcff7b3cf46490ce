import hashlib
import io
import wave

import msgspec
import openai
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.blobs import Blob
from llmgw_simulator.openai.audio import speak, transcribe, translate
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Form, Refusal, Upload

SOUND = b"RIFF" + b"x" * 100_000


@pytest.fixture
async def client():
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client,
    ):
        yield client


def form(upload=True, **fields):
    uploads = (Upload("file", "a.wav", "audio/wav", Blob.of(SOUND)),) if upload else ()
    found = Form({name: [value] for name, value in fields.items()}, uploads)
    return msgspec.structs.replace(incoming_of("/v1/audio/transcriptions"), form=found)


@pytest.mark.parametrize(("wanted", "media"), [("mp3", "audio/mpeg"), ("pcm", "audio/pcm"), ("flac", "audio/flac")])
async def test_speech_is_bytes(client, wanted, media):
    """In the type of what was asked for."""
    spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello", response_format=wanted)
    assert media == spoken.response.headers["content-type"]
    assert len(spoken.content) > 1000


async def test_a_wave_can_be_played(client):
    """Its head says how long it is."""
    spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello you", response_format="wav")
    with wave.open(io.BytesIO(spoken.content)) as sound:
        assert (24_000, 1) == (sound.getframerate(), sound.getnchannels())
        assert sound.getnframes() * 2 + 44 == len(spoken.content)


def test_speech_in_events():
    """The sound in pieces, then usage."""
    body = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello you", "stream_format": "sse"}
    frames = [msgspec.json.decode(frame.data[6:]) for frame in speak(incoming_of("/v1/audio/speech", body)).frames]
    assert {"speech.audio.delta", "speech.audio.done"} == {frame["type"] for frame in frames}
    assert len(frames) - 1 == frames[-1]["usage"]["output_tokens"]


async def test_a_transcription_tells_what_came(client):
    """Its size and digest, in every format."""
    file = ("a.wav", SOUND, "audio/wav")
    heard = await client.audio.transcriptions.create(model="whisper-1", file=file)
    assert f"I hear {len(SOUND)} bytes of audio/wav" in heard.text
    assert hashlib.sha256(SOUND).hexdigest()[:16] in heard.text
    assert "duration" == heard.usage.type
    assert heard.text + "\n" == await client.audio.transcriptions.create(
        model="whisper-1", file=file, response_format="text"
    )
    verbose = await client.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json")
    assert (1, 2.08) == (len(verbose.segments), verbose.duration)
    subtitles = await client.audio.transcriptions.create(model="whisper-1", file=file, response_format="srt")
    assert subtitles.startswith("1\n00:00:00,000 --> 00:00:02,080\nI hear")


async def test_a_transcription_is_streamed(client):
    """Piece by piece, then the whole with usage."""
    stream = await client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", SOUND, "audio/wav"), stream=True
    )
    *deltas, done = [event async for event in stream]
    assert done.text == "".join(event.delta for event in deltas)
    assert ("transcript.text.done", "tokens") == (done.type, done.usage.type)


def test_a_translation_hears_the_same():
    """It is English already."""
    assert transcribe(form(model="whisper-1")).body == translate(form(model="whisper-1")).body


def test_speakers_are_told_apart():
    """There is but one."""
    model = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    found = msgspec.json.decode(transcribe(form(**model)).body)
    assert ["A"] == [segment["speaker"] for segment in found["segments"]]
    first, *_ = transcribe(form(**model, stream="true")).frames
    assert b"transcript.text.segment" in first.data
    vtt = transcribe(form(model="whisper-1", response_format="vtt"))
    assert vtt.body.startswith(b"WEBVTT\n\n00:00:00.000 --> 00:00:02.080\n")


@pytest.mark.parametrize(
    ("incoming", "expected"),
    [
        (form(upload=False, model="whisper-1"), "Missing required parameter: 'file'."),
        (form(), "you must provide a model parameter"),
        (form(model="missing-model"), "The model `missing-model` does not exist"),
        (form(model="whisper-1", mood="good"), "Unknown parameter: 'mood'."),
        (form(model="whisper-1", response_format="x"), "Invalid value: 'x'. Supported values are: 'json', 'text',"),
        (form(model="gpt-4o-transcribe", response_format="srt"), "response_format 'srt' is not compatible with model"),
    ],
)
def test_what_is_no_transcription(incoming, expected):
    """In the provider's words."""
    for endpoint in (transcribe, translate):
        with pytest.raises(Refusal) as found:
            endpoint(incoming)
        assert found.value.message.startswith(expected)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"voice": None}, "Missing required parameter: 'voice'."),
        ({"speed": 5}, "Invalid 'speed': decimal above maximum value."),
        ({"input": "x" * 4097}, "Invalid 'input': string too long. Expected a string with maximum length 4096,"),
        ({"response_format": "ogg"}, "Invalid value: 'ogg'."),
        ({"model": "missing-model"}, "The model `missing-model` does not exist"),
    ],
)
def test_what_is_no_speech(more, expected):
    """In the provider's words."""
    with pytest.raises(Refusal) as found:
        speak(incoming_of("/v1/audio/speech", {"model": "tts-1", "input": "Hi", "voice": "alloy", **more}))
    assert found.value.message.startswith(expected)
