"""One question to a DNS server and its answer, over UDP: as much of RFC 1035 as it takes to ask our own CoreDNS how it is."""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass

PORT = 53
TIMEOUT_SECONDS = 0.1
A = 1
TXT = 16
REFUSED = 5
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_POINTER = 0xC0
_ANSWER = 0x8000
_EDNS = b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0)
"""The answer may have 4096 bytes (RFC 6891)."""


class NoAnswer(Exception):
    """Nobody answered, or what came is no answer to the question."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    code: int
    """0 for well, 3 for NXDOMAIN, … (RFC 1035, 4.1.1)."""
    texts: tuple[tuple[str, ...], ...] = ()
    """The strings of each TXT record."""
    addresses: tuple[str, ...] = ()
    """Of each A record."""


def texts(server: str, name: str, *, port: int = PORT, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Ask `server` for the TXT records of `name`; `timeout` in seconds. Raises NoAnswer."""
    return _ask(server, name, TXT, port=port, timeout=timeout)


def addresses(server: str, name: str, *, port: int = PORT, timeout: float = TIMEOUT_SECONDS) -> list[str]:
    """The IPv4 addresses that `server` has for `name`, none where it has no such name. Raises NoAnswer."""
    return list(_ask(server, name, A, port=port, timeout=timeout).addresses)


def _ask(server: str, name: str, kind: int, *, port: int, timeout: float) -> Answer:
    number = secrets.randbelow(2**16)
    question = encode(name, number, kind)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
            stream.settimeout(timeout)
            # Connected: an answer from elsewhere is not received, and a closed port is an error at once.
            stream.connect((server, port))
            stream.send(question)
            data = stream.recv(65535)
    except TimeoutError as error:
        raise NoAnswer(f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise NoAnswer(error.strerror or str(error)) from error
    return decode(data, number)


def encode(name: str, number: int, kind: int = TXT) -> bytes:
    """The question for `name`'s records of a kind."""
    parts = [part.encode("ascii") for part in name.rstrip(".").split(".")]
    labels = b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
    return _HEADER.pack(number, 0, 1, 0, 0, 1) + labels + struct.pack("!HH", kind, 1) + _EDNS


def decode(data: bytes, number: int) -> Answer:
    """The answer in `data` to the question of that number. Raises NoAnswer for bytes that are none."""
    try:
        found, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
        if found != number or not flags & _ANSWER:
            raise NoAnswer("an answer to another question")
        place = _HEADER.size
        for _ in range(questions):
            place = _skip_name(data, place) + 4
        texts, addresses = [], []
        for _ in range(answers):
            place = _skip_name(data, place)
            kind, _, _, length = _RECORD.unpack_from(data, place)
            place += _RECORD.size
            if kind == TXT:
                texts.append(_strings(data[place : place + length]))
            elif kind == A and length == 4:
                addresses.append(socket.inet_ntoa(data[place : place + length]))
            place += length
    except (struct.error, IndexError) as error:
        raise NoAnswer("an answer that cannot be read") from error
    return Answer(code=flags & 0xF, texts=tuple(texts), addresses=tuple(addresses))


def _skip_name(data: bytes, place: int) -> int:
    while data[place]:
        if data[place] & _POINTER == _POINTER:
            return place + 2
        place += 1 + data[place]
    return place + 1


def _strings(data: bytes) -> tuple[str, ...]:
    found, place = [], 0
    while place < len(data):
        end = place + 1 + data[place]
        found.append(data[place + 1 : end].decode("utf-8", "replace"))
        place = end
    return tuple(found)
