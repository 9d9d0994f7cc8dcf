import asyncio
import io

import pytest

from tautwire.testing.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SAMPLE_KEY,
    TEXT,
    Frame,
    FrameReader,
    accept_value,
    frame_bytes,
    mask,
    read_frame,
    read_frame_blocking,
    upgrade_request,
    upgrade_response,
)

KEY = bytes.fromhex("37fa213d")
SIZES = [0, 1, 125, 126, 65_535, 65_536]

# Source: RFC 6455 section 5.7, and RFC 6455 section 5.2 for the frames that it does not show.
EXAMPLES = {
    "a text": (frame_bytes(TEXT, b"Hello"), "810548656c6c6f"),
    "a masked text": (frame_bytes(TEXT, b"Hello", key=KEY), "818537fa213d7f9f4d5158"),
    "a first fragment": (frame_bytes(TEXT, b"Hel", final=False), "010348656c"),
    "a middle fragment": (frame_bytes(CONTINUATION, b"l", final=False), "00016c"),
    "a ping": (frame_bytes(PING, b"Hello"), "890548656c6c6f"),
    "256 bytes": (frame_bytes(BINARY, bytes(256)), "827e0100" + "00" * 256),
    "64 KiB": (frame_bytes(BINARY, bytes(65_536)), "827f0000000000010000" + "00" * 65_536),
    "a close": (frame_bytes(CLOSE, b"\x03\xe8"), "880203e8"),
    "a pong": (frame_bytes(PONG, b""), "8a00"),
    "a reserved bit": (frame_bytes(TEXT, b"", reserved=0x40), "c100"),
}


@pytest.mark.parametrize(("built", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_frames_are_built_as_the_rfc_shows_them(built: bytes, expected: str) -> None:
    assert built.hex() == expected


def test_the_handshake_is_the_one_of_the_rfc() -> None:
    assert accept_value(SAMPLE_KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in upgrade_response(SAMPLE_KEY)


def test_a_given_header_takes_the_place_of_the_usual_one() -> None:
    request = upgrade_request("/rtm/x?a=b", "here:1", "connection: keep-alive, Upgrade", "Origin: null")

    assert request.split(b"\r\n") == [
        b"GET /rtm/x?a=b HTTP/1.1",
        b"Host: here:1",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"connection: keep-alive, Upgrade",
        b"Origin: null",
        b"",
        b"",
    ]


def test_a_mask_taken_twice_is_the_payload() -> None:
    for size in range(10):
        payload = bytes(range(200, 200 + size))
        assert mask(mask(payload, KEY), KEY) == payload


@pytest.mark.parametrize("key", [None, KEY], ids=["unmasked", "masked"])
@pytest.mark.parametrize("size", SIZES)
async def test_every_reader_reads_what_was_built(size: int, key: bytes | None) -> None:
    raw = frame_bytes(TEXT, b"\x5a" * size, key=key)
    end = frame_bytes(CLOSE, b"\x03\xe8")
    stream = asyncio.StreamReader()
    stream.feed_data(raw + end)
    file = io.BytesIO(raw + end)

    for frame in (await read_frame(stream), read_frame_blocking(file.read)):
        assert frame == (TEXT, b"\x5a" * size, raw)
        assert frame.is_masked == (key is not None)
    assert (await read_frame(stream)).opcode == read_frame_blocking(file.read).opcode == CLOSE


@pytest.mark.parametrize("piece", [1, 3, 1_000])
def test_frames_are_cut_out_of_pieces_of_any_size(piece: int) -> None:
    payloads = [b"", b"a" * 125, b"b" * 126, b"", b"c" * 70_000]
    data = b"".join(frame_bytes(TEXT, payload, key=KEY) for payload in payloads)
    reader = FrameReader()

    frames = [frame for at in range(0, len(data), piece) for frame in reader.feed(data[at : at + piece])]

    assert [frame.payload for frame in frames] == payloads
    assert b"".join(frame.raw for frame in frames) == data


def test_a_frame_is_yielded_with_its_last_byte_and_not_before() -> None:
    reader = FrameReader()
    data = frame_bytes(TEXT, b"Hello")

    assert list(reader.feed(data[:-1])) == []
    assert list(reader.feed(data[-1:])) == [Frame(TEXT, b"Hello", data)]


@pytest.mark.parametrize("size", [0, 1, 4, 10])
async def test_a_stream_that_ends_within_a_frame_is_an_error(size: int) -> None:
    cut = frame_bytes(TEXT, b"Hello", key=KEY)[:size]
    stream = asyncio.StreamReader()
    stream.feed_data(cut)
    stream.feed_eof()

    with pytest.raises(asyncio.IncompleteReadError):
        await read_frame(stream)
    with pytest.raises(EOFError):
        read_frame_blocking(io.BytesIO(cut).read)


def test_a_plain_frame_is_whole_unmasked_and_has_no_extension_bits() -> None:
    def read(data: bytes) -> Frame:
        return next(FrameReader().feed(data))

    assert read(frame_bytes(TEXT, b"x")).is_plain
    assert not read(frame_bytes(TEXT, b"x", final=False)).is_plain
    assert not any(read(frame_bytes(TEXT, b"x", reserved=bit)).is_plain for bit in (0x40, 0x20, 0x10))
    assert not read(frame_bytes(TEXT, b"x", key=KEY)).is_plain
