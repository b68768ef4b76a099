"""How the mode comes about on the board: the verdict of the checks, under a person's choice.

The rules are in `nobreak.core.failover`; here they meet what all processes can read (I6).
"""

from dataclasses import replace

from nobreak.core.failover import Failover, Phase, mode, pinned
from nobreak.stores.interfaces import Board, ModeChange, Notice
from nobreak.words import Override

BY_PERSON = "override"
DRILL = "drill"
"""Who chose, when a drill pinned the mode."""
BY_SETTING = "USE_EXTERNAL_STORAGE"
BY_CHECKS = "checks"


def failover_of(notice: Notice) -> Failover:
    """The failover state that stands on the board. Its times don't: they are the monitor's."""
    saved = notice.failover
    if not saved:
        return Failover()
    return Failover(
        phase=Phase(str(saved["phase"])),
        failures=int(str(saved["failures"])),
        successes=int(str(saved["successes"])),
        outages=int(str(saved["outages"])),
        recovered_at=0.0 if saved["recovered"] else None,
    )


def with_failover(notice: Notice, state: Failover) -> Notice:
    """The notice after the checks came to `state`."""
    saved = {
        "phase": state.phase.value,
        "failures": state.failures,
        "successes": state.successes,
        "outages": state.outages,
        "recovered": state.recovered_at is not None,
    }
    lost = notice.trusted and not state.trusted
    breaks = notice.breaks + int(lost)
    return in_force(replace(notice, failover=saved, trusted=state.trusted, breaks=breaks))


def in_force(notice: Notice) -> Notice:
    """The notice with the mode that follows from all else on it."""
    pin = pinned(notice.override, use_external=notice.use_external)
    return replace(notice, mode=mode(failover_of(notice), pin))


def recorded(before: Notice, after: Notice, now: float, reason: str) -> ModeChange | None:
    """The change of mode between two notices, if there was one."""
    return None if before.mode is after.mode else ModeChange(now, after.mode, reason)


async def choose(board: Board, override: Override, who: str, now: float) -> Notice:
    """A person chooses, `who` says from where; all processes follow at once."""

    def decide(notice: Notice) -> tuple[Notice, ModeChange | None]:
        after = in_force(replace(notice, override=override, chosen_by=who))
        return after, recorded(notice, after, now, BY_PERSON)

    return await board.update(decide)


async def apply_use_external(board: Board, now: float, *, use_external: bool) -> Notice:
    """`USE_EXTERNAL_STORAGE` has this value now. Turned on, it starts external, as the seed says."""

    def decide(notice: Notice) -> tuple[Notice, ModeChange | None]:
        if notice.use_external == use_external:
            return notice, None
        turned = replace(notice, use_external=use_external)
        after = with_failover(turned, Failover()) if use_external else in_force(turned)
        return after, recorded(notice, after, now, BY_SETTING)

    return await board.update(decide)


def after_crash(notice: Notice) -> tuple[Notice, None]:
    """A process died: all keys are in doubt, and if it was a drill, the mode is given back."""
    # A break: what another one that died before it had under way is feared for as long, too.
    crashed = replace(notice, crashed=True, breaks=notice.breaks + 1)
    if notice.chosen_by == DRILL and notice.override is Override.LOCAL:
        crashed = in_force(replace(crashed, override=Override.AUTO))
    return crashed, None
