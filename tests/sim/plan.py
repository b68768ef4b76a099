"""A scenario before it is played: settings, faults and operations, all from one seed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from random import Random

from tests.sim.faults import OF_A_PROCESS, Fault, FaultKind

KEYS = ("a", "b", "dir/c", "dir/d")
READS = ("get", "get", "head", "list")
WRITES = ("put", "put", "put", "delete")
CONDITIONAL = ("put", "create", "create", "replace", "replace", "delete")
"""`create`: If-None-Match: *. `replace`: If-Match with what the client has last seen of the key."""
MANY = ("put", "delete", "copy", "upload", "upload", "create", "replace")
LONG = 3600.0
LOST_ANSWERS = (FaultKind.LATE, FaultKind.LOSSY, FaultKind.FREEZE, FaultKind.SLOW, FaultKind.ERRORS)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of a client. It begins at `at`, or when the client's one before it has ended.

    `worker` counts round the processes that run. After `patience` seconds the client goes away.
    `size` of the body in bytes; `feed` seconds between the pieces in which it comes. `source`: the
    key that a copy reads.
    """

    number: int
    client: int
    at: float
    kind: str
    key: str
    worker: int
    patience: float
    size: int
    feed: float
    source: str

    @property
    def mark(self) -> str:
        """How `--keep` names it."""
        return str(self.number)

    def __str__(self) -> str:
        what = f"{self.kind} {self.source} to {self.key}" if self.kind == "copy" else self.kind
        if self.kind not in {"copy", "list"}:
            what += f" {self.key}"
        more = f", {self.feed:g} s between pieces" if self.feed else ""
        more += f", goes away after {self.patience:g} s" if self.patience < 60.0 else ""
        who = f"client {self.client} at worker {self.worker}"
        return f"{self.mark:>4}  {who} at {self.at:.1f} s: {what}{more}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds. `look` is how often idle parts of the engine look around.

    `indexed`: the bucket is scanned in the beginning, so that lists work in an outage.
    """

    seed: int
    workers: int
    lasts: float
    settings: dict[str, str]
    look: float
    indexed: bool
    faults: tuple[Fault, ...]
    ops: tuple[Op, ...]

    @property
    def settle(self) -> float:
        return float(self.settings["NOBREAK_SETTLE"])

    @property
    def divert_after(self) -> float:
        return float(self.settings["NOBREAK_DIVERT_AFTER"])

    @property
    def marks(self) -> list[str]:
        """Everything that can be left out."""
        return [*(fault.mark for fault in self.faults), *(op.mark for op in self.ops)]

    def keeping(self, marks: Collection[str], workers: int | None = None) -> "Plan":
        """The same with only these faults and operations, and no more than so many workers."""
        return replace(
            self,
            workers=min(workers or self.workers, self.workers),
            faults=tuple(fault for fault in self.faults if fault.mark in marks),
            ops=tuple(op for op in self.ops if op.mark in marks),
        )


def make_plan(seed: int) -> Plan:
    """The scenario of a seed."""
    rng = Random(f"plan {seed}")
    lasts = rng.choice([60.0, 60.0, 120.0, 240.0, 600.0])
    if rng.random() < 0.1:
        lasts = LONG
    settle = rng.choice([5.0, 10.0, 30.0])
    settings = {
        "HEALTH_CHECK_INTERVAL": rng.choice(["5", "20", "60"]),
        "HEALTH_CHECK_TIMEOUT": rng.choice(["1", "3", "5"]),
        "HEALTH_FAST_INTERVAL": "1",
        "HEALTH_HOLD_DOWN": rng.choice(["0", "10"]),
        "HEALTH_HOLD_DOWN_MAX": "40",
        "HEALTH_MAX_FAILURES": rng.choice(["1", "3"]),
        "HEALTH_MIN_SUCCESSES": rng.choice(["1", "3"]),
        "NOBREAK_DIVERT_AFTER": rng.choice(["0.3", "1"]),
        "NOBREAK_SETTLE": f"{settle:g}",
        "NOBREAK_WRITE_POLICY": rng.choice(["through"] * 5 + ["back"]),
        "NOBREAK_DRAIN_CONCURRENCY": rng.choice(["1", "4", "16"]),
        "NOBREAK_CACHE_BYTES": Random(f"cache {seed}").choice(["0", "2K", "2K", "1M"]),
        "NOBREAK_ON_CONFLICT": rng.choice(["keep-both", "keep-both", "ours", "theirs"]),
    }
    workers = rng.choice([1, 2, 2, 3])
    faults = _faults(rng, lasts, workers)
    thaw = Random(f"thaw {seed}")
    if thaw.random() < 0.1:
        faults = _thaws(thaw, lasts, settle)
    return Plan(
        seed=seed,
        workers=workers,
        lasts=lasts,
        settings=settings,
        look=max(rng.choice([0.2, 0.5]), lasts / 500),
        indexed=rng.random() < 0.4,
        faults=faults,
        ops=_ops(rng, lasts, workers, faults),
    )


def _faults(rng: Random, lasts: float, workers: int) -> tuple[Fault, ...]:
    kinds = rng.sample(list(FaultKind), rng.randint(1, 5))  # swarm testing: few kinds, often
    if rng.random() < 0.3:
        kinds = rng.sample(LOST_ANSWERS, rng.randint(1, 2))
    found = []
    for _ in range(rng.randint(1, 8)):
        kind = rng.choice(kinds)
        length = rng.choice([2.0, 8.0, 30.0, 90.0])
        at = rng.uniform(0, lasts * 0.9)
        part = rng.choice([0.05, 0.3, 0.8, 1.0])
        extra = rng.random()
        if kind is FaultKind.SLOW:
            extra = rng.choice([0.2, 0.9, 2.0, 8.0])
        if kind is FaultKind.CLOCK:
            extra = rng.choice([-7200.0, -20.0, -1.5, 1.5, 40.0, 7200.0])
        if kind in OF_A_PROCESS:
            length = rng.choice([0.5, 2.0, 10.0, 40.0])
            part = float(rng.randrange(workers)) if rng.random() < 0.8 else -1.0
        found.append((at, kind, length, part, extra))
    found.sort()
    return tuple(
        Fault(number, kind, at, length, part, extra)
        for number, (at, kind, length, part, extra) in enumerate(found)
    )


def _thaws(rng: Random, lasts: float, settle: float) -> tuple[Fault, ...]:
    """The server freezes with requests in it that were given up, and goes on with them later."""
    at, late = rng.uniform(0, lasts / 2), rng.choice([1.0, 3.0, 0.5 * settle])
    freezes = at + late + rng.uniform(0.0, 0.6) * settle
    return (
        Fault(0, FaultKind.LATE, at, late, 1.0),
        Fault(1, FaultKind.FREEZE, freezes, rng.uniform(0.5, 2.0) * settle, 1.0),
    )


def _moments(rng: Random, lasts: float, faults: tuple[Fault, ...], count: int) -> list[float]:
    """When much happens at once: often when something else does, too."""
    edges = [time for fault in faults for time in (fault.at, fault.until)]
    return [
        max(0.0, rng.choice(edges) + rng.uniform(-2.0, 4.0))
        if rng.random() < 0.7
        else rng.uniform(0, lasts)
        for _ in range(count)
    ]


def _ops(rng: Random, lasts: float, workers: int, faults: tuple[Fault, ...]) -> tuple[Op, ...]:
    keys = KEYS[: rng.choice([1, 1, 2, 4])]
    clients, count = rng.randint(1, 6), rng.choice([10, 30, 60, 120])
    reads, writes = rng.choice([0.2, 0.5]), rng.choice([WRITES, WRITES, CONDITIONAL, MANY])
    bursty, dense = rng.random() < 0.7, rng.choice([0.4, 2.0])
    moments = _moments(rng, lasts, faults, count // 8 + 1)
    patient = rng.random() < 0.5
    ops = []
    for number in range(count):
        at = rng.choice(moments) + rng.expovariate(dense) if bursty else rng.uniform(0, lasts)
        kind = rng.choice(READS if rng.random() < reads else writes)
        patience = 60.0 if patient or rng.random() < 0.7 else rng.choice([0.05, 0.4, 1.2])
        ops.append(
            Op(
                number=number,
                client=rng.randrange(clients),
                at=at,
                kind=kind,
                key=rng.choice(keys),
                worker=rng.randrange(workers),
                patience=patience,
                size=rng.choice([20, 20, 60, 300, 900]),
                feed=rng.choice([0.0, 0.0, 0.0, 0.1, 0.7]),
                source=rng.choice(keys),
            )
        )
    return tuple(sorted(ops, key=lambda op: op.at))
