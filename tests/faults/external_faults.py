"""What can happen to the external store, one by one: what the proxy does to an exchange."""

import asyncio
import random
import re

from tests.faults.proxy import AwayError, Exchange, Fault, parsed, well

__all__ = ["well"]
CANARY = ".nobreak/"


async def silent(exchange: Exchange) -> None:
    """Accepts, reads, never answers."""
    await exchange.silence()


async def silent_mid_body(exchange: Exchange) -> None:
    """Stops in the middle of the body, that of the request or that of the answer."""
    if exchange.writes:
        await exchange.swallow(max(1, (exchange.request.length or 0) // 2))
    else:
        await exchange.relay(answer_limit=100)
    await exchange.silence()


async def unavailable(exchange: Exchange) -> None:
    await exchange.refuse("503 Service Unavailable", "SlowDown")


async def writes_fail(exchange: Exchange) -> None:
    if exchange.writes:
        await exchange.refuse("500 Internal Server Error", "InternalError")
    else:
        await exchange.relay()


def slow(seconds: float) -> Fault:
    """Every answer comes so much later."""

    async def fault(exchange: Exchange) -> None:
        await exchange.relay(hold_answer=seconds)

    return fault


def late(share: float, seconds: float, chance: random.Random) -> Fault:
    """The zombie write: some requests are executed so much later, their client long gone (I4)."""

    async def fault(exchange: Exchange) -> None:
        if not exchange.writes or CANARY in exchange.path or chance.random() >= share:
            await exchange.relay()
            return
        content = await exchange.swallow()
        exchange.proxy.later(execute(exchange, content, seconds))
        await exchange.silence()

    return fault


async def execute(exchange: Exchange, content: bytes, seconds: float) -> None:
    """Execute a request late, without anybody to answer to."""
    await asyncio.sleep(seconds)
    reader, writer = await exchange._connect()
    try:
        writer.write(exchange.request.head + content)
        head = await reader.readuntil(b"\r\n\r\n")
        parsed(head)
    finally:
        writer.close()


async def reset_mid_body(exchange: Exchange) -> None:
    """Resets in the middle of the body, both ways."""
    if exchange.writes:
        await exchange.swallow(max(1, (exchange.request.length or 0) // 2))
    else:
        await exchange.relay(answer_limit=100)
    exchange.reset()


async def answer_lost(exchange: Exchange) -> None:
    """The request is executed, and the connection breaks before its answer."""
    if exchange.writes:
        content = await exchange.swallow()
        await execute(exchange, content, 0.0)
        exchange.reset()
    await exchange.relay()


def throttled(rate: float) -> Fault:
    """So many bytes a second on each connection, both ways."""

    async def fault(exchange: Exchange) -> None:
        await exchange.relay(rate=rate)

    return fault


async def truncated(exchange: Exchange) -> None:
    """Answers end early, and their connection with them."""
    if not await exchange.relay(answer_limit=None if exchange.writes else 50):
        raise AwayError


async def wrong_etag(exchange: Exchange) -> None:
    """Writes are answered with the ETag of something else."""

    def change(head: bytes) -> bytes:
        return re.sub(rb'(?i)(\r\netag: ")[0-9a-f]{8}', rb"\g<1>00000000", head)

    await exchange.relay(change=change if exchange.method == "PUT" else lambda head: head)


async def read_only(exchange: Exchange) -> None:
    """Every write is refused for good: a bucket that may only be read."""
    if exchange.writes:
        await exchange.refuse("403 Forbidden", "AccessDenied")
    else:
        await exchange.relay()


async def full(exchange: Exchange) -> None:
    """A full disk over there."""
    if exchange.method == "PUT":
        await exchange.refuse("507 Insufficient Storage", "InsufficientStorage")
    else:
        await exchange.relay()


async def revoked(exchange: Exchange) -> None:
    """The credentials are good for nothing any more."""
    await exchange.refuse("403 Forbidden", "InvalidAccessKeyId")


def both(first: Fault, second: Fault, chance: random.Random) -> Fault:
    """Two at once: each exchange meets one of them."""

    async def fault(exchange: Exchange) -> None:
        await (first if chance.random() < 0.5 else second)(exchange)

    return fault
