"""A store in memory with clients that work at once, and ways to break it: what the model of the
truth is tried on.

Time is a number that grows by one with each event. A request is called, takes effect, and returns;
between these the others go on. Some answers get lost: then the client knows nothing, and the
request takes effect late, or never; but not after a write that was called when it had been given up.
"""

import math
import random
from dataclasses import dataclass, field

from nobreak.demo.record import ABSENT, Action, Call, Outcome, Page, Recorder, Version


@dataclass
class Request:
    call: Call
    effect_at: float
    return_at: float | None
    page: Page | None = None
    seen: Version | None = None
    refused: bool = False
    returned: float = math.inf
    """The number of its return among all calls and returns; infinity: it is still waited for."""


@dataclass
class Late:
    """A write that happens late. `again`: it is a second time."""

    at: float
    request: Request
    again: bool = False


@dataclass
class ModelStore:
    """What is stored. `defect` names what is wrong with it; without one it is correct."""

    chance: random.Random
    defect: str = ""
    held: dict[str, Version] = field(default_factory=dict)
    before: dict[str, Version] = field(default_factory=dict)
    defects: int = 0

    def strikes(self, defect: str, *, once_in: int) -> bool:
        if self.defect != defect or self.chance.randrange(once_in):
            return False
        self.defects += 1
        return True

    def write(self, key: str, version: Version) -> None:
        if self.strikes("drops an acknowledged write", once_in=50):
            return
        before = self.held.get(key, ABSENT)
        if version == ABSENT:
            self.held.pop(key, None)
            if before != ABSENT and self.strikes("resurrects a delete", once_in=8):
                self.held[key] = before
        else:
            self.held[key] = version
            if self.strikes("truncates", once_in=40):
                self.held[key] = Version(version.size // 2, version.sha256 + " truncated")
        if before != version:
            self.before[key] = before

    def read(self, key: str) -> Version | None:
        """None: an honest 503."""
        held = self.held.get(key, ABSENT)
        stale = self.before.get(key, held)
        if stale != held and self.strikes("serves stale bytes", once_in=30):
            return stale
        if self.chance.random() < 0.1:
            if held != ABSENT and self.strikes("answers 404 for 503", once_in=2):
                return ABSENT
            return None
        return held

    def page(self, limit: int) -> Page:
        names = sorted(self.held)
        prefix = self.chance.choice(["", "k", "k1"])
        shown = {key: self.held[key] for key in names if key.startswith(prefix)}
        if len(shown) > limit:
            shown = dict(list(shown.items())[:limit])
            page = Page(shown, prefix, until=max(shown))
        else:
            page = Page(shown, prefix)
        if shown and self.strikes("hides a key from lists", once_in=10):
            shown.pop(self.chance.choice(list(shown)))
        gone = [key for key in self.before if key not in self.held and page.covers(key)]
        if gone and self.strikes("shows deleted keys in lists", once_in=4):
            shown[self.chance.choice(gone)] = Version(1, "anything")
        return page


@dataclass
class Play:
    """Clients at work on a few shared keys."""

    store: ModelStore
    chance: random.Random
    clients: int = 6
    keys: int = 4
    lost_answers: float = 0.05
    time: float = 0.0
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(lambda: self.time)
        self._count = 0
        self._newest: dict[str, int] = {}
        """Of each key, the number of the latest call of an acknowledged write."""

    def run(self, operations: int) -> None:
        under_way: list[Request] = []
        late: list[Late] = []
        for _ in range(operations * 4):
            self.time += 1
            if self._count < operations and len(under_way) < self.clients:
                under_way.append(self._begin())
            for request in [r for r in under_way if r.effect_at <= self.time]:
                self._take_effect(request, late)
            for request in [r for r in under_way if (r.return_at or self.time) <= self.time]:
                if request.effect_at == float("inf"):
                    self._return(request)
                    under_way.remove(request)
            for landing in [each for each in late if each.at <= self.time]:
                late.remove(landing)
                self._land(landing)

    def _begin(self) -> Request:
        self._count += 1
        key = f"k{self.chance.randrange(self.keys)}"
        action = self.chance.choices(list(Action), [5, 2, 8, 2])[0]
        version = Version(self._count, f"#{self._count}") if action is Action.PUT else None
        client = f"client {self.chance.randrange(self.clients)}"
        call = self.recorder.call(action, key, version, client=client)
        effect = self.time + self.chance.randrange(6)
        return Request(call, effect, effect + self.chance.randrange(6))

    def _land(self, late: Late) -> None:
        call, store = late.request.call, self.store
        overtaken = self._newest.get(call.key, 0) > late.request.returned and not late.again
        if overtaken and not store.strikes("lets an old request undo a newer write", once_in=1):
            return
        store.write(call.key, call.version or ABSENT)

    def _take_effect(self, request: Request, late: list[Late]) -> None:
        request.effect_at = float("inf")
        call, store = request.call, self.store
        if call.action is Action.LIST:
            request.page = store.page(3)
        elif call.action is Action.READ:
            request.seen = store.read(call.key)
            request.refused = request.seen is None
        else:
            version = call.version or ABSENT
            if self.chance.random() < self.lost_answers:
                request.refused = True
                self._lose(request, late)
            else:
                self._newest[call.key] = max(self._newest.get(call.key, 0), call.called)
                store.write(call.key, version)

    def _lose(self, request: Request, late: list[Late]) -> None:
        """The answer is lost; the write happens late, or never."""
        if self.chance.random() < 0.5:
            return
        at = self.time + self.chance.randrange(40)
        late.append(Late(at, request))
        if self.store.defect == "applies an unknown write twice":
            self.store.defects += 1
            late.append(Late(at + 60, request, again=True))

    def _return(self, request: Request) -> None:
        call = request.call
        if request.page is not None:
            call.listed(request.page)
        elif request.refused:
            refusal = Outcome.REFUSED if call.action is Action.READ else Outcome.FAILED
            request.returned = call.ended(refusal).returned
        else:
            call.done(request.seen)
