"""A TCP proxy that breaks what passes through it, by a plan.

It knows just enough of HTTP/1.1 and of Postgres' protocol to see where a request and its answer
end. So a fault strikes one exchange, at a byte that the plan names. One that strikes the answer
strikes after the commit: the whole answer has come before its first byte goes on.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple, Protocol, Self, get_args

Kind = Literal["cut", "reset", "half-close", "blackhole", "delay", "hold", "duplicate"]
Way = Literal["up", "down"]

KINDS: tuple[Kind, ...] = get_args(Kind)
_LONGEST = 1_200  # bytes: about what a posting's request, or its answer, has
_LISTED = 100  # faults of a plan that are printed


@dataclass(frozen=True)
class Fault:
    """What befalls one exchange.

        cut         the connection ends
        reset       it ends at once, with an RST to both sides
        half-close  nothing more comes this way, which is said; the other way stays open
        blackhole   nothing more comes this way, which is not said; it ends `seconds` later
        delay       the rest comes `seconds` later
        hold        the same, but of the whole answer, and for longer than its reader waits
        duplicate   the request is sent again `seconds` later, over a connection of its own

    Attributes:
        way: `up` strikes the request, `down` the answer.
        after: Bytes that pass before it strikes; None: all of the request or answer.
        within: Strikes only an answer that holds these bytes.
    """

    kind: Kind
    way: Way = "down"
    after: int | None = 0
    seconds: float = 0.0
    within: bytes = b""

    def __str__(self) -> str:
        where = "all" if self.after is None else f"{self.after} bytes"
        lasting = f", {self.seconds:.2f} s" if self.seconds else ""
        return f"{self.kind} {self.way} after {where}{lasting}"


def draw(dice: Random, kind: Kind, patience: float) -> Fault:
    """Draw where a fault of this kind strikes, and for how long.

    Args:
        patience: Seconds after which the reader of the answer gives up.
    """
    way: Way = dice.choice(get_args(Way))
    after = dice.choice((0, dice.randrange(1, _LONGEST), None))
    match kind:
        case "hold":
            return Fault(kind, "down", 0, patience * 1.2)
        case "duplicate":
            return Fault(kind, "up", 0, dice.uniform(0, patience))
        case "delay":
            return Fault(kind, way, after, dice.uniform(0, patience / 2))
        case "blackhole":
            return Fault(kind, way, after, patience * 1.5)
    return Fault(kind, way, after)


class Plan:
    """Which faults befall which exchanges, numbered in the order in which they begin.

    Args:
        faults: By the exchange's number, from 0.
        otherwise: What befalls all others.
    """

    def __init__(
        self, faults: Mapping[int, Fault] | None = None, otherwise: Fault | None = None
    ) -> None:
        self.faults, self._otherwise = dict(faults or {}), otherwise
        self.exchanges = 0

    @classmethod
    def drawn(
        cls, dice: Random, exchanges: int, share: float, kinds: Sequence[Kind], patience: float
    ) -> Plan:
        """Draw a plan in which this share of the first so many exchanges is struck.

        The kinds are dealt in rounds, so that a short plan has all of them, too.
        """
        faults: dict[int, Fault] = {}
        hand: list[Kind] = []
        for number in range(exchanges):
            if dice.random() < share:
                hand = hand or dice.sample(kinds, len(kinds))
                faults[number] = draw(dice, hand.pop(), patience)
        return cls(faults)

    def next(self) -> Fault | None:
        """What befalls the exchange that begins now."""
        number, self.exchanges = self.exchanges, self.exchanges + 1
        return self.faults.get(number, self._otherwise)

    def __str__(self) -> str:
        listed = [f"{number}: {fault}" for number, fault in self.faults.items()]
        more = len(listed) - _LISTED
        return "; ".join(listed[:_LISTED]) + (f"; and {more:,} more of this seed" * (more > 0))


class Struck(NamedTuple):
    """A fault that struck: the request, and its answer where that had come."""

    fault: Fault
    request: bytes
    answer: bytes


class Framing(Protocol):
    """Where the messages of one connection end."""

    async def request(self, reader: asyncio.StreamReader) -> tuple[bytes, bool]:
        """Read what the client says next, and whether it begins an exchange; b"" at the end."""
        ...

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        """Read what the server says next; b"" at the end."""
        ...


class Http:
    """HTTP/1.1 with Content-Length, one request at a time."""

    async def request(self, reader: asyncio.StreamReader) -> tuple[bytes, bool]:
        data = await self.answer(reader)
        return data, bool(data)

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        head = b""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            return head + await reader.readexactly(int(length[1]) if length else 0)
        except asyncio.IncompleteReadError as ended:
            return head + ended.partial


class Postgres:
    """Postgres' protocol, without TLS and COPY: an exchange ends when it is ready for a query.

    The start of a connection is an exchange, too: its answer is what it asks to sign in with.
    """

    _STARTUP = 3  # the protocol's major version; a cancellation and an offer of TLS have none
    _CANCEL = 80877102

    def __init__(self) -> None:
        self._started = self._answering = False
        self._offers = 0

    async def request(self, reader: asyncio.StreamReader) -> tuple[bytes, bool]:
        data = b""
        try:
            while self._started:
                kind = await reader.readexactly(1)
                data += kind
                data += await self._rest(reader)
                if kind in b"pX":  # of the sign-in; the end
                    return data, False
                if kind in b"QSF":
                    self._answering = True
                    return data, True
            data = await self._rest(reader)
        except asyncio.IncompleteReadError as ended:
            return data + ended.partial, False
        code = int.from_bytes(data[4:8])
        self._started = self._answering = code >> 16 == self._STARTUP
        self._offers += not self._started and code != self._CANCEL
        return data, self._started

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        data = b""
        try:
            while True:
                kind = await reader.readexactly(1)
                data += kind
                if self._offers:  # of encryption: refused by one letter
                    self._offers -= 1
                    return data
                data += await self._rest(reader)
                if not self._answering or kind in b"ZR":
                    self._answering = False
                    return data
        except asyncio.IncompleteReadError as ended:
            return data + ended.partial

    @staticmethod
    async def _rest(reader: asyncio.StreamReader) -> bytes:
        """A message's length and what it counts, without the letter before."""
        length = await reader.readexactly(4)
        return length + await reader.readexactly(int.from_bytes(length) - 4)


@dataclass
class Proxy:
    """Listens on a port of its own, and passes everything on to another.

    Args:
        target: The port of the server behind.
        framing: Its protocol.
        plan: May be exchanged for another at any time.
        tell: Called with each fault that strikes.
    """

    target: int
    framing: type[Framing]
    plan: Plan = field(default_factory=Plan)
    tell: Callable[[Struck], None] = lambda _: None
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its root, over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open, duplicates on their way included."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self.start(_Link(self, reader, writer).run())
            task.add_done_callback(lambda _: writer.close())  # also where it never began

        self._server = await asyncio.start_server(accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """End all connections, with what is held in them."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run it for as long as this proxy runs."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def send_again(self, request: bytes, seconds: float) -> None:
        """Send a request over a connection of its own, and look away from the answer."""
        await asyncio.sleep(seconds)
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
            try:
                writer.write(request)
                await self.framing().answer(reader)
            finally:
                await _close(writer)


class _Link:
    """One connection through the proxy."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy, self._framing = proxy, proxy.framing()
        self._from_client, self._to_client = reader, writer
        self._fault: Fault | None = None
        self._request = b""

    async def run(self) -> None:
        """Pass on both ways until one of them ends."""
        writers = [self._to_client]
        pumps: list[asyncio.Task[None]] = []
        try:
            with suppress(OSError):
                self._from_server, self._to_server = await asyncio.open_connection(
                    "127.0.0.1", self._proxy.target
                )
                writers.append(self._to_server)
                pumps = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
                done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in done:
                    pump.result()
        finally:
            # First what does not wait: this may be cancelled while it waits for the rest.
            for pump in pumps:
                pump.cancel()
            for writer in writers:
                writer.close()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in writers:
                await _close(writer)

    async def _up(self) -> None:
        while True:
            data, begins = await self._framing.request(self._from_client)
            if not data:
                return
            self._request = data
            self._fault = self._proxy.plan.next() if begins else None
            if not await self._pass(data, "up", self._to_server):
                return

    async def _down(self) -> None:
        while data := await self._framing.answer(self._from_server):
            if not await self._pass(data, "down", self._to_client):
                return

    async def _pass(self, data: bytes, way: Way, to: asyncio.StreamWriter) -> bool:
        """Pass on what the fault leaves of it; return whether the connection goes on."""
        fault = self._fault
        if fault is None or fault.way != way or (way == "down" and fault.within not in data):
            to.write(data)
            await to.drain()
            return True
        self._fault = None
        self._proxy.tell(Struck(fault, self._request, data if way == "down" else b""))
        first = len(data) if fault.after is None else fault.after
        to.write(data[:first])
        await to.drain()
        match fault.kind:
            case "delay" | "hold":
                await asyncio.sleep(fault.seconds)
            case "duplicate":
                self._proxy.start(self._proxy.send_again(data, fault.seconds))
            case "blackhole":
                await asyncio.sleep(fault.seconds)
                return False
            case "half-close":
                to.write_eof()
                await asyncio.Event().wait()  # until the other way ends, too
            case "reset":
                _reset(self._to_client)
                _reset(self._to_server)
                return False
            case "cut":
                return False
        to.write(data[first:])
        await to.drain()
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    at_once = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
