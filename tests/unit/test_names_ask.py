"""The question to CoreDNS and its answer, byte by byte, and against a server that is none."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skatelet.dns import ask

Server = Callable[[Callable[[bytes], bytes]], int]


@pytest.fixture
def server() -> Iterator[Server]:
    """Starts a server that answers one question by a function; gives its port."""
    open_: list[socket.socket] = []

    def start(answer: Callable[[bytes], bytes]) -> int:
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.bind(("127.0.0.1", 0))
        open_.append(listening)

        def serve() -> None:
            data, sender = listening.recvfrom(4096)
            listening.sendto(answer(data), sender)

        threading.Thread(target=serve, daemon=True).start()
        return int(listening.getsockname()[1])

    yield start
    for item in open_:
        item.close()


def answered(question: bytes, *records: tuple[int, bytes], code: int = 0) -> bytes:
    """An answer to `question`, its records named by a pointer as CoreDNS does."""
    head = question[:2] + struct.pack("!HHHHH", 0x8400 | code, 1, len(records), 0, 0)
    end = question.index(b"\0", 12) + 5
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(data)) + data for kind, data in records)
    return head + question[12:end] + body


def test_the_strings_of_each_txt_record_come_back(server: Server) -> None:
    port = server(
        lambda question: answered(question, (16, b"\x03a=1\x03b=2"), (1, b"\x01\x02\x03\x04"), (16, b"\x01x"))
    )
    found = ask.texts("127.0.0.1", "_nodes.cluster.skate", port=port, timeout=5)
    assert found == ask.Answer(code=0, texts=(("a=1", "b=2"), ("x",)), addresses=("1.2.3.4",))


def test_addresses_of_a_name_that_does_not_exist_are_none(server: Server) -> None:
    assert ask.addresses("127.0.0.1", "no", port=server(lambda question: answered(question, code=3)), timeout=5) == []


def test_the_question_is_for_the_name_asked() -> None:
    assert ask.encode("_nodes.cluster.skate", 7)[12:] == (
        b"\x06_nodes\x07cluster\x05skate\0" + struct.pack("!HH", 16, 1) + b"\0\0\x29\x10\0" + bytes(6)
    )


def test_a_closed_port_is_an_answer_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ask.NoAnswer, match="refused"):
        ask.texts("127.0.0.1", "x", port=port, timeout=30)


def test_silence_ends_with_the_time_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(ask.NoAnswer, match=r"within 0\.02 s"):
            ask.texts("127.0.0.1", "x", port=silent.getsockname()[1], timeout=0.02)


def test_an_answer_to_another_question_is_none(server: Server) -> None:
    port = server(lambda question: bytes([question[0] ^ 1]) + answered(question)[1:])
    with pytest.raises(ask.NoAnswer, match="another question"):
        ask.texts("127.0.0.1", "x", port=port, timeout=5)


@given(st.binary(max_size=80), st.integers(0, 5))
def test_bytes_that_are_no_answer_are_refused_and_nothing_else_is_raised(body: bytes, answers: int) -> None:
    data = struct.pack("!HHHHHH", 7, 0x8400, 1, answers, 0, 0) + body
    try:
        ask.decode(data, 7)
    except ask.NoAnswer as error:
        assert str(error)  # noqa: PT017  the property is that nothing else is raised
