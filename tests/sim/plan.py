"""A scenario before it is played: settings, faults and operations, all from one seed."""

from dataclasses import dataclass
from random import Random

from tests.sim.faults import Fault, FaultKind

KEYS = ("a", "b", "dir/c", "dir/d")
WRITES = ("put", "put", "put", "delete")
READS = ("get", "get", "head", "list")


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of a client. It begins at `at`, or when the client's one before it has ended.

    `worker` counts round the processes that run. After `patience` seconds the client goes away.
    `size` of the body in bytes; `feed` seconds between the pieces in which it comes.
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

    def __str__(self) -> str:
        return f"#{self.number} client {self.client} {self.kind} {self.key} at {self.at:.1f}s"


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds. `look` is how often idle parts of the engine look around."""

    seed: int
    workers: int
    lasts: float
    settings: dict[str, str]
    look: float
    faults: tuple[Fault, ...]
    ops: tuple[Op, ...]

    @property
    def settle(self) -> float:
        return float(self.settings["NOBREAK_SETTLE"])

    @property
    def divert_after(self) -> float:
        return float(self.settings["NOBREAK_DIVERT_AFTER"])


def make_plan(seed: int) -> Plan:
    """The scenario of a seed."""
    rng = Random(f"plan {seed}")
    lasts = rng.choice([60.0, 120.0, 240.0, 600.0])
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
    }
    workers = rng.choice([1, 2, 2, 3])
    return Plan(
        seed=seed,
        workers=workers,
        lasts=lasts,
        settings=settings,
        look=rng.choice([0.1, 0.5, 1.0]),
        faults=_faults(rng, lasts, workers),
        ops=_ops(rng, lasts, workers),
    )


def _faults(rng: Random, lasts: float, workers: int) -> tuple[Fault, ...]:
    kinds = rng.sample(list(FaultKind), rng.randint(1, 5))  # swarm testing: few kinds, often
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
        if kind in {FaultKind.PAUSE, FaultKind.KILL, FaultKind.STOP}:
            length = rng.choice([0.5, 2.0, 10.0, 40.0])
            part = float(rng.randrange(workers)) if rng.random() < 0.8 else -1.0
        found.append(Fault(kind, at, length, part, extra))
    return tuple(sorted(found, key=lambda fault: fault.at))


def _ops(rng: Random, lasts: float, workers: int) -> tuple[Op, ...]:
    keys = KEYS[: rng.choice([1, 2, 4])]
    clients, count = rng.randint(1, 6), rng.choice([10, 30, 60, 120])
    reads = rng.choice([0.2, 0.5])
    bursty, moments = rng.random() < 0.5, [rng.uniform(0, lasts) for _ in range(count // 8 + 1)]
    patient = rng.random() < 0.5
    ops = []
    for number in range(count):
        at = rng.choice(moments) + rng.expovariate(0.4) if bursty else rng.uniform(0, lasts)
        kind = rng.choice(READS if rng.random() < reads else WRITES)
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
            )
        )
    return tuple(sorted(ops, key=lambda op: op.at))
