"""The rule of three: when to fall back, when to recover. Pure: no I/O, no clock of its own.

`TRANSITIONS` is the whole rule. A row reads: in this phase, on this signal, if this guard
holds, go there and announce that. Rows are tried in order and the first that fits is taken;
the diagram in docs/architecture.md is drawn from the same table.

Time is a number of seconds that only grows; it comes in as an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from nobreak.words import Mode, Override


class Phase(StrEnum):
    """What the checks have made of the external store so far."""

    STEADY = "steady"
    """Healthy, as far as anyone knows. Checks come at leisure."""
    DOUBT = "doubt"
    """A check or live traffic failed; no verdict yet. Checks come fast."""
    OUTAGE = "outage"
    """The verdict: it is down. Watched closely for its return."""
    RETURNING = "returning"
    """It answers again, but not often or long enough yet to be trusted."""


class Signal(StrEnum):
    """What can move the phase."""

    CHECK_OK = "check ok"
    CHECK_FAILED = "check failed"
    TRAFFIC_FAILED = "traffic failed"


class Announcement(StrEnum):
    """What a transition tells the world."""

    CHECK_OK = "check ok"
    CHECK_FAILED = "check failed"
    FAILURE_COUNTED = "failure counted"
    SUSPICION = "suspicion"
    FALLBACK = "fallback"
    HELD_DOWN = "held down"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the rule. Times in seconds; the defaults are the seed's."""

    interval: float = 60.0
    fast_interval: float = 1.0
    max_failures: int = 3
    min_successes: int = 3
    hold_down: float = 10.0
    """How long the external store must stay well after its second outage in a row ..."""
    hold_down_max: float = 300.0
    """... doubled at each further one, up to this ..."""
    flap_window: float = 600.0
    """... until it stayed well for this long after a recovery."""


@dataclass(frozen=True, slots=True)
class Failover:
    """The state of the rule.

    `failures` and `successes` are consecutive checks. `outages` counts those that followed
    each other within the flap window. The three times are None when they don't apply.
    """

    phase: Phase = Phase.STEADY
    failures: int = 0
    successes: int = 0
    outages: int = 0
    well_since: float | None = None
    recovered_at: float | None = None
    counted_at: float | None = None

    @property
    def verdict(self) -> Mode:
        """The mode that the checks ask for."""
        return Mode.LOCAL if self.phase in {Phase.OUTAGE, Phase.RETURNING} else Mode.EXTERNAL

    @property
    def trusted(self) -> bool:
        """Whether the last check was answered: only then anybody may try the external store."""
        return self.failures == 0


Guard = Callable[[Failover, Rules, float], bool]


def _always(_state: Failover, _rules: Rules, _now: float) -> bool:
    return True


def _last_failure(state: Failover, rules: Rules, _now: float) -> bool:
    """The count of failures is full with this one."""
    return state.failures + 1 >= rules.max_failures


def _too_soon(state: Failover, rules: Rules, now: float) -> bool:
    """Another failure was counted less than an interval ago: this look is not news."""
    return state.counted_at is not None and now - state.counted_at < rules.interval


def _stable(state: Failover, rules: Rules, now: float) -> bool:
    """The count of successes is full and the hold-down is over."""
    return _counted(state, rules, now) and hold_left(state, rules, now) <= 0


def _counted(state: Failover, rules: Rules, _now: float) -> bool:
    """The count of successes is full with this one."""
    return state.successes + 1 >= rules.min_successes


def _just_counted(state: Failover, rules: Rules, _now: float) -> bool:
    """The count of successes has just become full."""
    return state.successes + 1 == rules.min_successes


@dataclass(frozen=True, slots=True)
class Transition:
    """A row of the rule."""

    source: Phase
    signal: Signal
    guard: Guard
    target: Phase
    announces: tuple[Announcement, ...] = ()

    @property
    def condition(self) -> str:
        """The guard's name in words, empty for the row that always fits."""
        return "" if self.guard is _always else self.guard.__name__.strip("_").replace("_", " ")


P, S, A = Phase, Signal, Announcement

TRANSITIONS: tuple[Transition, ...] = (
    Transition(P.STEADY, S.CHECK_OK, _always, P.STEADY, (A.CHECK_OK,)),
    Transition(
        P.STEADY,
        S.CHECK_FAILED,
        _last_failure,
        P.OUTAGE,
        (A.CHECK_FAILED, A.FAILURE_COUNTED, A.FALLBACK),
    ),
    Transition(P.STEADY, S.CHECK_FAILED, _always, P.DOUBT, (A.CHECK_FAILED, A.FAILURE_COUNTED)),
    Transition(P.STEADY, S.TRAFFIC_FAILED, _always, P.DOUBT, (A.SUSPICION,)),
    Transition(P.DOUBT, S.CHECK_OK, _always, P.STEADY, (A.CHECK_OK,)),
    Transition(
        P.DOUBT,
        S.CHECK_FAILED,
        _last_failure,
        P.OUTAGE,
        (A.CHECK_FAILED, A.FAILURE_COUNTED, A.FALLBACK),
    ),
    Transition(P.DOUBT, S.CHECK_FAILED, _always, P.DOUBT, (A.CHECK_FAILED, A.FAILURE_COUNTED)),
    Transition(P.DOUBT, S.TRAFFIC_FAILED, _always, P.DOUBT),
    Transition(P.OUTAGE, S.CHECK_OK, _stable, P.STEADY, (A.CHECK_OK, A.RECOVERY)),
    Transition(P.OUTAGE, S.CHECK_OK, _always, P.RETURNING, (A.CHECK_OK,)),
    Transition(P.OUTAGE, S.CHECK_FAILED, _too_soon, P.OUTAGE),
    Transition(P.OUTAGE, S.CHECK_FAILED, _always, P.OUTAGE, (A.CHECK_FAILED,)),
    Transition(P.OUTAGE, S.TRAFFIC_FAILED, _always, P.OUTAGE),
    Transition(P.RETURNING, S.CHECK_OK, _stable, P.STEADY, (A.CHECK_OK, A.RECOVERY)),
    Transition(P.RETURNING, S.CHECK_OK, _just_counted, P.RETURNING, (A.CHECK_OK, A.HELD_DOWN)),
    Transition(P.RETURNING, S.CHECK_OK, _always, P.RETURNING, (A.CHECK_OK,)),
    Transition(P.RETURNING, S.CHECK_FAILED, _always, P.OUTAGE, (A.CHECK_FAILED,)),
    Transition(P.RETURNING, S.TRAFFIC_FAILED, _always, P.RETURNING),
)


def step(
    state: Failover, signal: Signal, rules: Rules, now: float
) -> tuple[Failover, tuple[Announcement, ...]]:
    """The state after `signal`, and what is to be announced, in order."""
    row = next(
        row
        for row in TRANSITIONS
        if row.source is state.phase and row.signal is signal and row.guard(state, rules, now)
    )
    return _arrive(state, row, rules, now), row.announces


def _arrive(state: Failover, row: Transition, rules: Rules, now: float) -> Failover:
    """Carry the counts over a transition."""
    after = replace(state, phase=row.target)
    if row.signal is Signal.CHECK_OK:
        after = replace(
            after,
            failures=0,
            successes=state.successes + 1,
            well_since=now if state.well_since is None else state.well_since,
            counted_at=None,
        )
    elif row.signal is Signal.CHECK_FAILED and Announcement.CHECK_FAILED in row.announces:
        after = replace(
            after, failures=state.failures + 1, successes=0, well_since=None, counted_at=now
        )
    if Announcement.FALLBACK in row.announces:
        flapping = state.recovered_at is not None and now - state.recovered_at < rules.flap_window
        after = replace(after, outages=state.outages + 1 if flapping else 1, recovered_at=None)
    if Announcement.RECOVERY in row.announces:
        after = replace(after, recovered_at=now)
    return after


def hold_down(state: Failover, rules: Rules) -> float:
    """Seconds that the external store must stay well before it is trusted again."""
    repeated = state.outages - 1
    if repeated < 1 or rules.hold_down <= 0:
        return 0.0
    doublings = min(repeated - 1, 60)
    return float(min(rules.hold_down * 2**doublings, rules.hold_down_max))


def hold_left(state: Failover, rules: Rules, now: float) -> float:
    """Seconds of the hold-down that remain at `now`; a first success starts it."""
    well_for = 0.0 if state.well_since is None else now - state.well_since
    return max(0.0, hold_down(state, rules) - well_for)


def next_check_in(state: Failover, rules: Rules) -> float:
    """Seconds from one check to the next: at leisure when all is well, else fast.

    In an outage the looks come fast too, so that a return is noticed at once; a look that
    fails between two intervals changes nothing and is not announced.
    """
    if state.phase is Phase.STEADY:
        return rules.interval
    return min(rules.fast_interval, rules.interval)


def pinned(override: Override, *, use_external: bool) -> Mode | None:
    """The mode that a person chose, or None: automatic. An override outranks the setting."""
    if override is Override.LOCAL:
        return Mode.LOCAL
    if override is Override.EXTERNAL:
        return Mode.EXTERNAL
    return None if use_external else Mode.LOCAL


def mode(state: Failover, pin: Mode | None) -> Mode:
    """Where new writes go first: where a person wants them, else by the verdict."""
    return state.verdict if pin is None else pin


def revived(state: Failover, now: float) -> Failover:
    """A state that was saved by another process, whose clock may have been another one.

    What counts events is kept; what counts time starts anew.
    """
    return replace(
        state,
        successes=0 if state.verdict is Mode.LOCAL else state.successes,
        phase=Phase.OUTAGE if state.phase is Phase.RETURNING else state.phase,
        well_since=None,
        recovered_at=None if state.recovered_at is None else now,
        counted_at=None,
    )
