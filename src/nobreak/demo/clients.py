"""The clients of the demo: each writes, overwrites, deletes and reads files of its own."""

import asyncio
import random
from collections.abc import Callable

from nobreak.demo.history import History
from nobreak.demo.record import ABSENT, Action, Operation, Outcome, Version
from nobreak.demo.wire import Answer, Wire

KIB = 1024
SIZES = {
    (0, 0): 3,
    (1, 4 * KIB): 40,
    (30 * KIB, 200 * KIB): 30,
    (256 * KIB + 1, 700 * KIB): 15,
    (1024 * KIB, 3072 * KIB): 4,
}
"""Smallest and largest size (bytes) of a kind of body, and how often it is written."""
NAMES = (
    "{client}/foto {number}.jpg",
    "{client}/2025/10/relatório-{number}.pdf",
    "{client}/água & café/{number} ☕.txt",
    "{client}/a+b %41 &{number}.bin",
)
"""Odd keys too, but for `a//b` and `folder/`, which SeaweedFS itself does not keep exactly."""
MOST_FILES = 24
"""How many files a client has at a time; then it deletes more than it creates."""
PAUSE = (0.01, 0.06)
"""Between two operations (seconds)."""


class Client:
    """One client. `random` decides what it does, `clock` gives seconds."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        history: History,
        random: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._wire = wire
        self._history = history
        self._random = random
        self._clock = clock
        self._bodies: dict[str, bytes] = {}
        self._deleted: list[str] = []
        self._number = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; the operation under way is finished."""
        while not stop.is_set():
            await self.step()
            await asyncio.sleep(self._random.uniform(*PAUSE))

    async def step(self) -> None:
        """One operation, chosen at random."""
        full = len(self._bodies) >= MOST_FILES
        weights = {
            self._create: 2 if full else 22,
            self._upload: 1 if full else 5,
            self._overwrite: 20,
            self._delete: 25 if full else 8,
            self._read: 30,
            self._read_part: 12,
            self._read_deleted: 3,
        }
        (action,) = self._random.choices(list(weights), list(weights.values()))
        await action()

    async def _create(self) -> None:
        self._number += 1
        name = self._random.choice(NAMES)
        await self._put(name.format(client=self._name, number=self._number))

    async def _overwrite(self) -> None:
        await (self._put(self._any_key()) if self._bodies else self._create())

    async def _put(self, key: str) -> None:
        body = self._body()
        started = self._clock()
        answer = await self._wire.put(key, body)
        self._wrote(key, body, answer, started)

    async def _upload(self) -> None:
        """The server chooses the key, so a failed upload has none to be judged by."""
        body, started = self._body(), self._clock()
        self._number += 1
        answer = await self._wire.upload(f"anexo {self._number}.bin", body)
        key = answer.key or f"{self._name}/upload-{self._number}"
        self._wrote(key, body, answer, started)

    def _wrote(self, key: str, body: bytes, answer: Answer, started: float) -> None:
        self._note(Action.PUT, key, answer, started, Version.of(body))
        self._bodies.pop(key, None)
        self._bodies[key] = body  # the newest last

    async def _delete(self) -> None:
        if not self._bodies:
            return
        key, started = self._any_key(), self._clock()
        answer = await self._wire.delete(key)
        self._note(Action.DELETE, key, answer, started, ABSENT)
        del self._bodies[key]
        self._deleted.append(key)

    async def _read(self) -> None:
        if self._bodies:
            await self._look_at(self._recent_key())

    async def _read_deleted(self) -> None:
        if self._deleted:
            await self._look_at(self._deleted[-1])

    async def _look_at(self, key: str) -> None:
        started = self._clock()
        answer = await self._wire.read(key)
        seen = ABSENT if answer.body is None else Version.of(answer.body)
        self._note(Action.READ, key, answer, started, seen)

    async def _read_part(self) -> None:
        """A range: right bytes stand for the version that they are a part of."""
        key = self._recent_key() if self._bodies else ""
        body = self._bodies.get(key, b"")
        if not body:
            return
        first = self._random.randrange(len(body))
        last = self._random.randrange(first, len(body))
        started = self._clock()
        answer = await self._wire.read(key, span=f"{first}-{last}")
        right = answer.body == body[first : last + 1]
        seen = Version.of(body if right else answer.body or b"")
        self._note(Action.READ, key, answer, started, seen)

    def _note(
        self, action: Action, key: str, answer: Answer, started: float, version: Version
    ) -> None:
        known = version if action.writes or answer.outcome is Outcome.DONE else None
        self._history.add(
            Operation(action, key, answer.outcome, started, self._clock(), known, answer.detail)
        )

    def _any_key(self) -> str:
        return self._random.choice(list(self._bodies))

    def _recent_key(self) -> str:
        """Mostly one that was written lately, as people do."""
        keys = list(self._bodies)
        return self._random.choice(keys[-4:] if self._random.random() < 0.7 else keys)  # noqa: PLR2004

    def _body(self) -> bytes:
        (bounds,) = self._random.choices(list(SIZES), list(SIZES.values()))
        return self._random.randbytes(self._random.randint(*bounds))
