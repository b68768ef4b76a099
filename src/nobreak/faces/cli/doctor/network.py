"""The way to the external store: its name, its port, its answer and its clock."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from nobreak.engine.drivers import open_external
from nobreak.engine.probing import build_probe
from nobreak.faces.cli.doctor.finding import Finding, Verdict, bad, good, worrying
from nobreak.faces.cli.texts import said
from nobreak.reporting.render import human_time
from nobreak.settings import ExternalKind, Settings
from nobreak.stores.external.http import Timeouts

MOST_SKEW = 15 * 60.0
"""S3 refuses signatures that are older or younger (seconds): RequestTimeTooSkewed."""
SOME_SKEW = 60.0


async def look_at_network(settings: Settings) -> AsyncIterator[Finding]:
    """From the name to a whole answer; what comes after a failure isn't looked at."""
    for look in (_look_at_name, _look_at_port, _look_at_answer):
        finding = await look(settings)
        yield finding
        if finding.verdict is Verdict.BAD:
            return
    yield await _look_at_clock(settings)


async def _look_at_name(settings: Settings) -> Finding:
    host, subject = settings.external.host, "DNS"
    began = time.perf_counter()
    try:
        async with asyncio.timeout(settings.health.timeout):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, settings.external.port, type=socket.SOCK_STREAM
            )
    except OSError as error:
        reason = _reason(error)
        advice = said(
            "corrija o endereço do servidor externo", "correct the external server's address"
        )
        return bad("dns", subject, f"{host}: {reason}", advice)
    addresses = ", ".join(dict.fromkeys(str(each[4][0]) for each in found))
    return good("dns", subject, f"{host} → {addresses} ({_ms(began)})")


async def _look_at_port(settings: Settings) -> Finding:
    host, port, subject = settings.external.host, settings.external.port, "TCP"
    began = time.perf_counter()
    try:
        async with asyncio.timeout(settings.health.timeout):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        reason = _reason(error)
        advice = said(
            "o servidor está no ar? há um firewall?", "is the server up? is there a firewall?"
        )
        return bad("tcp", subject, f"{host}:{port}: {reason}", advice)
    writer.close()
    return good("tcp", subject, f"{host}:{port} ({_ms(began)})")


async def _look_at_answer(settings: Settings) -> Finding:
    """The health check, as the monitor takes it."""
    external = open_external(settings.external, Timeouts(settings.health.timeout))
    try:
        result = await build_probe(settings, external, doubt=False).check()
    finally:
        await external.aclose()
    subject = said("Verificação", "Health check")
    found = f"{result.detail} ({result.seconds * 1000:.0f} ms)"
    if result.ok:
        return good("check", subject, found)
    advice = said(
        "veja o servidor externo, ou HEALTH_CHECK_URL", "see to the server, or HEALTH_CHECK_URL"
    )
    return bad("check", subject, found, advice)


async def _look_at_clock(settings: Settings) -> Finding:
    """The server's `Date` against our own clock: SigV4 allows for 15 minutes."""
    subject = said("Relógio", "Clock")
    try:
        there = await _server_time(settings)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError):
        there = None
    if there is None:
        found = said("o servidor não diz as horas", "the server does not tell the time")
        return good("clock", subject, found)
    skew = abs((datetime.now(UTC) - there).total_seconds())
    found = said(f"{human_time(skew)} de diferença", f"{human_time(skew)} apart")
    advice = said("acerte o relógio (NTP) daqui ou de lá", "set the clock (NTP), here or there")
    if skew > MOST_SKEW and settings.external.kind is ExternalKind.S3:
        return bad("clock", subject, found, advice)
    if skew > SOME_SKEW:
        return worrying("clock", subject, found, advice)
    return good("clock", subject, found)


async def _server_time(settings: Settings) -> datetime | None:
    timeout = aiohttp.ClientTimeout(total=settings.health.timeout)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(settings.external.url, allow_redirects=False) as response,
    ):
        stated = response.headers.get("Date")
    return None if stated is None else parsedate_to_datetime(stated)


def _reason(error: OSError) -> str:
    """The shortest text that tells what was wrong; asyncio's own says only "Connect call failed"."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    silent = said("sem resposta a tempo", "no answer in time")
    return error.strerror or silent


def _ms(began: float) -> str:
    return f"{(time.perf_counter() - began) * 1000:.0f} ms"
