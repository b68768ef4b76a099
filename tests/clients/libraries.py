"""Client libraries: each in a process and an environment of its own."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.clients import processes
from tests.clients.protocol import PATIENCE, Failed, Place, Silent, Unsupported

HERE = Path(__file__).parent
LONGEST_LINE = 16 * 1024 * 1024


class Library:
    """A worker process that speaks the protocol of `workers/loop.py`."""

    def __init__(self, command: Sequence[str], place: Place) -> None:
        self.version = ""
        self._command = command
        self._place = place
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        home = self._place.folder
        with (home / "worker.log").open("ab") as log:
            self._process = await processes.start(
                self._command,
                home,
                {},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LONGEST_LINE,
            )
        place = self._place
        told = {
            "endpoint": place.endpoint,
            "access_key": place.access_key,
            "secret_key": place.secret_key,
        }
        self.version = (await self._ask(told))["version"]

    async def do(self, operation: str, **arguments: Any) -> Any:
        told = {name: _plain(value) for name, value in arguments.items()}
        try:
            answer = await self._ask({"op": operation, **told})
        except Silent:
            await self.start()  # for the operations that follow
            raise
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["value"]

    async def close(self) -> None:
        if self._process is not None:
            await processes.end(self._process)

    async def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(what).encode() + b"\n")
        await process.stdin.drain()
        try:
            async with asyncio.timeout(PATIENCE):
                line = await process.stdout.readline()
        except TimeoutError:
            await self.close()
            raise Silent(PATIENCE) from None
        assert line, (self._place.folder / "worker.log").read_text()[-2000:]
        answer: dict[str, Any] = json.loads(line)
        return answer


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
