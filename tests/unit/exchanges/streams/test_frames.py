"""Frames: what was put in comes out, in whatever pieces it arrives; what no client may send ends the connection."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.paper.streams.frames import (
    MAX_MESSAGE_BYTES,
    TOO_BIG,
    BadFrame,
    Decoder,
    Message,
    Opcode,
    accept_key,
    encode,
)

MASK = st.binary(min_size=4, max_size=4)
DATA = st.one_of(st.binary(max_size=300), st.integers(0, 40_000).map(lambda size: b"x" * size))


def unmasked(frame: bytes) -> Message:
    """A server's frame, read by turning it into a client's with the mask that changes nothing."""
    head = 2 + {126: 2, 127: 8}.get(frame[1], 0)
    masked = bytes([frame[0], frame[1] | 0x80]) + frame[2:head] + b"\0\0\0\0" + frame[head:]
    (message,) = Decoder().feed(masked)
    return message


def test_the_answer_to_a_key_is_the_one_of_the_standard():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


@given(
    messages=st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), DATA, MASK), max_size=5), cut=st.data()
)
def test_messages_come_out_as_they_went_in_however_the_bytes_are_cut(messages, cut):
    sent = b"".join(encode(opcode, data, mask=mask) for opcode, data, mask in messages)
    cuts = sorted(cut.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    decoder, found = Decoder(), []

    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        found += decoder.feed(sent[start:end])

    assert found == [Message(opcode=opcode, data=data) for opcode, data, _ in messages]


@given(data=DATA)
def test_what_a_server_sends_can_be_read(data):
    assert unmasked(encode(Opcode.TEXT, data)) == Message(opcode=Opcode.TEXT, data=data)


@given(parts=st.lists(st.binary(max_size=50), min_size=2, max_size=5), mask=MASK)
def test_a_message_in_pieces_is_one_message_with_a_ping_in_between(parts, mask):
    frames = []
    for number, part in enumerate(parts):
        frame = bytearray(encode(Opcode.TEXT if number == 0 else Opcode.CONTINUATION, part, mask=mask))
        if number < len(parts) - 1:
            frame[0] &= 0x7F
        frames += [bytes(frame), encode(Opcode.PING, b"?", mask=mask)]

    found = Decoder().feed(b"".join(frames))

    assert [message for message in found if message.opcode is Opcode.TEXT] == [
        Message(opcode=Opcode.TEXT, data=b"".join(parts))
    ]
    assert sum(message.opcode is Opcode.PING for message in found) == len(parts)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(encode(Opcode.TEXT, b"x"), id="not-masked"),
        pytest.param(b"\xc1\x80\0\0\0\0", id="an-extension"),
        pytest.param(b"\x83\x80\0\0\0\0", id="an-unknown-kind"),
        pytest.param(b"\x80\x80\0\0\0\0", id="goes-on-before-it-began"),
        pytest.param(b"\x01\x80\0\0\0\0\x01\x80\0\0\0\0", id="begins-inside-another"),
        pytest.param(b"\x09\x80\0\0\0\0", id="a-ping-in-pieces"),
        pytest.param(b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, id="a-long-ping"),
    ],
)
def test_what_no_client_may_send_is_refused(frame):
    with pytest.raises(BadFrame):
        Decoder().feed(frame)


def test_what_is_too_long_is_refused_before_it_has_come():
    with pytest.raises(BadFrame) as refused:
        Decoder().feed(b"\x81\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"))
    assert refused.value.code == TOO_BIG


@given(data=st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_refusal(data):
    with suppress(BadFrame):
        Decoder().feed(data)


def test_frames_are_those_of_the_standard():  # RFC 6455, 5.7
    masked = bytes.fromhex("818537fa213d7f9f4d5158")
    assert Decoder().feed(masked) == [Message(opcode=Opcode.TEXT, data=b"Hello")]
    assert encode(Opcode.TEXT, b"Hello", mask=bytes.fromhex("37fa213d")) == masked
    assert encode(Opcode.TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert encode(Opcode.BINARY, bytes(256))[:4] == bytes.fromhex("827e0100")
    assert encode(Opcode.BINARY, bytes(65536))[:10] == bytes.fromhex("827f0000000000010000")
