"""Breaks of the engine, each of one rule, and put back what was found: see `tests.sim.mutations`."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from nobreak.core.routing import Held, Operation, Outcome, route
from nobreak.engine import (
    completing,
    deaths,
    drain,
    holding,
    listing,
    looking,
    object_reads,
    passing_by,
    store,
)
from nobreak.engine.attempt import Attempt
from nobreak.engine.clock import Clock
from nobreak.engine.confirming import confirm
from nobreak.engine.conflicts import Conflicts
from nobreak.engine.doubts import Doubts, Hold
from nobreak.engine.late import LateAttempts
from nobreak.engine.leading import AFTER_TROUBLE, Leading
from nobreak.engine.under_way import UnderWay
from nobreak.engine.untold import Untold
from nobreak.engine.writing import Writing
from nobreak.errors import NobreakError
from nobreak.stores.interfaces import Appended
from nobreak.stores.local.claims import Claims
from nobreak.stores.sqlite import journal
from nobreak.stores.sqlite.index import SqliteIndex
from nobreak.stores.sqlite.journal import SqliteJournal
from nobreak.words import Entry, EntryKind, EntryState, Receipt

Patches = list[tuple[Any, str, Any]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """`breaks` says what is wrong then, and which invariant that is against."""

    breaks: str
    patches: Callable[[], Patches]


async def _nothing(*_arguments: Any, **_options: Any) -> None:
    return None


async def _yes(*_arguments: Any, **_options: Any) -> bool:
    return True


def _no(*_arguments: Any, **_options: Any) -> bool:
    return False


def _true(*_arguments: Any, **_options: Any) -> bool:
    return True


def _sends_nothing() -> Patches:
    async def pretend(*_arguments: Any) -> Receipt:
        return Receipt()

    return [(drain.Drain, "_apply", pretend), (drain, "holds", _yes)]


def _drops_deletes() -> Patches:
    apply, holds = drain.Drain._apply, drain.holds

    async def most(self: Any, entry: Entry, known: Any) -> Receipt:
        return Receipt() if entry.kind is EntryKind.DELETE else await apply(self, entry, known)

    async def held(context: Any, entry: Entry, receipt: Receipt) -> bool:
        return entry.kind is EntryKind.DELETE or await holds(context, entry, receipt)

    return [(drain.Drain, "_apply", most), (drain, "holds", held)]


def _settles_blindly() -> Patches:
    async def settle(self: Any, entry: Entry, _calm: Any) -> bool:
        await self._forget(entry)
        return True

    return [(drain.Drain, "_settle", settle)]


def _never_settles() -> Patches:
    async def at_once(context: Any, entry: Entry, receipt: Receipt, **_how: Any) -> Any:
        return await confirm(context, entry, receipt, settle=0.0)

    return [(drain, "confirm", at_once)]


def _overtakes_in_the_moment() -> Patches:
    append = SqliteJournal.append

    async def anyway(self: Any, draft: Any, now: float) -> Appended:
        return await append(self, replace(draft, only_after=None), now)

    return [(SqliteJournal, "append", anyway)]


def _forgets_the_parked() -> Patches:
    doubt = journal.DOUBT.replace(" OR (seq < ?3 AND state = 'parked')", "")
    return [(journal, "DOUBT", doubt)]


def _forgets_inherited_doubt() -> Patches:
    take_over = journal._take_over

    def without(writer: Any, name: Any) -> tuple[float, tuple[str, ...]]:
        return 0.0, take_over(writer, name)[1]

    return [(journal, "_take_over", without)]


def _believes_a_thawed_look() -> Patches:
    settle = drain.Drain._settle

    async def believing(self: Any, entry: Entry, _calm: Any) -> bool:
        return await settle(self, entry, SimpleNamespace(broke=_no))  # type: ignore[arg-type]

    return [(drain.Drain, "_settle", believing)]


def _tells_nobody() -> Patches:
    check = Writing._check_rivals

    def quietly(self: Any, name: Any, etag: str, precondition: Any) -> None:
        if precondition is not None:
            check(self, name, etag, precondition)

    return [(Writing, "_check_rivals", quietly)]


def _fears_by_the_clock() -> Patches:
    async def sleep(context: Any, _name: Any) -> None:
        await asyncio.sleep(context.writes.settle)

    return [(looking, "settle_time", sleep), (passing_by, "settle_time", sleep)]


def _drops_the_refused() -> Patches:
    async def park(self: Any, entry: Entry, _reason: str) -> None:
        await self._context.journal.forget(entry)

    return [(drain.Drain, "_park", park)]


def _newest_first() -> Patches:
    ready = journal.READY.replace("head = 1 AND ", "").replace("not_before, seq", "seq DESC")
    return [(journal, "READY", ready)]


def _acknowledges_failed_commits() -> Patches:
    append = Writing._append_kept

    async def anyway(self: Any, draft: Any) -> Appended:
        try:
            return await append(self, draft)
        except NobreakError:
            now = self._context.now()
            kind, fingerprint = draft.kind, draft.fingerprint
            state, attributes = EntryState.PENDING, draft.attributes
            return Appended(Entry(0, draft.name, kind, state, fingerprint, attributes, now), ())

    return [(Writing, "_append_kept", anyway)]


def _outcome_as(seen: Outcome, taken_for: Outcome) -> Patches:
    outcome = Attempt.outcome

    async def wrong(self: Any, *, within: float | None) -> Outcome:
        found = await outcome(self, within=within)
        return taken_for if found is seen else found

    return [(Attempt, "outcome", wrong)]


def _waits_for_the_server() -> Patches:
    outcome = Attempt.outcome

    async def patient(self: Any, *, within: float | None) -> Outcome:
        return await outcome(self, within=None if within is None else within + 3.0)

    return [(Attempt, "outcome", patient)]


def _reads_past_the_journal() -> Patches:
    return [(object_reads, "held_of", lambda *_: Held.NOTHING)]


def _writes_past_the_journal() -> Patches:
    def step(self: Any, operation: Operation, _name: Any, *, complete: bool = False) -> Any:
        state, policy = self._context.link.state(), self._context.writes.policy
        return route(operation, state, Held.NOTHING, policy, complete=complete)

    return [(store.Store, "_step", step), (holding, "_nothing_waits", _true)]


def _lists_without(kind: EntryKind | None) -> Patches:
    merge = listing.merge

    def partly(below: Any, overlay: Any, limit: int) -> Any:
        kept = [e for e in overlay.entries if kind is not None and e.kind is not kind]
        return merge(below, replace(overlay, entries=kept), limit)

    return [(listing, "merge", partly)]


def _forgets_behind() -> Patches:
    def behind(self: Any, name: Any) -> Hold:
        doubtful = name in self
        hold = Hold(self, name, doubtful=doubtful)
        hold._released = True
        return hold

    return [(Doubts, "behind", behind)]


def _ignores_rivals() -> Patches:
    behind = Doubts.behind

    def without(self: Any, name: Any) -> Hold:
        hold = behind(self, name)
        hold.rival = False
        return hold

    return [(Doubts, "behind", without)]


def _turns_parts_round() -> Patches:
    planned = completing._planned

    def turned(upload: Any, parts: Sequence[Any], *others: Any) -> Any:
        draft, completion = planned(upload, parts, *others)
        body = replace(draft.body, segments=draft.body.segments[::-1])
        return replace(draft, body=body), completion

    return [(completing, "_planned", turned)]


def _drops_for_theirs() -> Patches:
    return [(Conflicts, "_choice", lambda self, _entry: self._context.writes.on_conflict)]


def _outlives_its_end() -> Patches:
    async def kept_up(self: Any, where: str, work: Any) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - as it was
                self._report(where, error)
            await asyncio.sleep(AFTER_TROUBLE)

    return [(Leading, "kept_up", kept_up)]


def _unparks() -> Patches:
    async def defer(
        self: Any, entry: Entry, *, not_before: float, error: str, in_doubt: bool
    ) -> None:
        sql = (
            "UPDATE entry SET state = 'pending', begun = 0, attempts = attempts + 1, not_before = ?, "
            "error = ?, doubtful = doubtful OR ? WHERE seq = ?"
        )
        row = (not_before, error, int(in_doubt), entry.seq)
        await self._database.write(lambda writer: writer.execute(sql, row).close())

    return [(SqliteJournal, "defer", defer)]


def _leaves_what_waits() -> Patches:
    change = UnderWay.change

    async def without(self: Any, within: float) -> None:
        def once() -> None:
            del self._start

        self._start = once
        await change(self, within)

    return [(UnderWay, "change", without)]


MUTATIONS = {
    "sends-nothing": Mutation("the drain sends nothing, and lets entries go (I3)", _sends_nothing),
    "drops-deletes": Mutation("the drain deletes nothing (I3)", _drops_deletes),
    "newest-first": Mutation("the drain sends the newest entry of a key first (I4)", _newest_first),
    "never-settles": Mutation("what is in doubt leaves at once (I4)", _never_settles),
    "settles-blindly": Mutation("what settled is not looked at again (I4)", _settles_blindly),
    "counts-outages": Mutation(
        "the settle time goes on while the server is away (I4)",
        lambda: [(SqliteJournal, "postpone_settling", _nothing)],
    ),
    "leaves-doubt-behind": Mutation(
        "a newer write takes over none of the doubt of the one that settles (I4)",
        _forgets_inherited_doubt,
    ),
    "drops-refused": Mutation("what the server refuses is dropped (I7)", _drops_the_refused),
    "forgets-begun": Mutation(
        "what was begun when the leader died is not in doubt (I4)",
        lambda: [(SqliteJournal, "resume", _nothing)],
    ),
    "acks-before-keeping": Mutation(
        "a diverted write is acknowledged and never kept (I1)",
        lambda: [(Writing, "_divert", _nothing)],
    ),
    "acks-failed-commits": Mutation(
        "a write is acknowledged though its commit failed (I1)", _acknowledges_failed_commits
    ),
    "unknown-is-failed": Mutation(
        "a broken connection is taken for a write that had no effect (I4)",
        lambda: _outcome_as(Outcome.UNKNOWN, Outcome.FAILED),
    ),
    "slow-is-failed": Mutation(
        "a write that is still under way is taken for one that had no effect (I4)",
        lambda: _outcome_as(Outcome.SLOW, Outcome.FAILED),
    ),
    "never-overtaken": Mutation(
        "a slow write comes after one that was acknowledged meanwhile (I4)",
        lambda: [(Writing, "_overtaken", _no), *_overtakes_in_the_moment()],
    ),
    "late-is-right": Mutation(
        "a late answer confirms an entry, whatever else is under way (I3, I4)",
        lambda: [(LateAttempts, "_is_alone_and_held", _yes)],
    ),
    "waits-for-the-server": Mutation(
        "clients wait 3 s longer for the server (I5)", _waits_for_the_server
    ),
    "reads-past-the-journal": Mutation(
        "reads ask the external store for keys that wait here (I2)",
        _reads_past_the_journal,
    ),
    "writes-past-the-journal": Mutation(
        "writes go to the external store past entries of their key (I4)",
        _writes_past_the_journal,
    ),
    "lists-without-puts": Mutation(
        "lists leave out what was put here (I2)", lambda: _lists_without(EntryKind.PUT)
    ),
    "lists-without-deletes": Mutation(
        "lists show what was deleted here (I2)", lambda: _lists_without(EntryKind.DELETE)
    ),
    "forgets-crashes": Mutation(
        "after a crash nothing is in doubt (I4)",
        lambda: [(deaths, "after_crash", lambda notice: (notice, None))],
    ),
    "trusts-the-index": Mutation(
        "after a crash lists come from a catalog that may have missed writes (I2)",
        lambda: [(SqliteIndex, "doubt", _nothing)],
    ),
    "misses-rows": Mutation(
        "a catalog row that could not be written is not missed (I2)",
        lambda: [(SqliteIndex, "missed", _no), (Untold, "note", _no)],
    ),
    "decides-nothing": Mutation(
        "the journal's transaction checks no condition", lambda: [(journal, "decide", _no)]
    ),
    "two-winners": Mutation(
        "a conditional write is acknowledged though a rival has won in the journal",
        lambda: [(Writing, "_check_rivals", _no)],
    ),
    "turns-parts-round": Mutation("an upload's parts change places (I1)", _turns_parts_round),
    "drops-for-theirs": Mutation(
        "in doubt a write of ours is dropped for another one (I1)", _drops_for_theirs
    ),
    "trusts-the-clock": Mutation(
        "nobody cares that the clock jumped (I4, I7)", lambda: [(Clock, "mend", _nothing)]
    ),
    # What was found, put back as it was.
    "found-claims": Mutation(
        "processes don't see what others have under way (I4)",
        lambda: [(Claims, "take", _true), (Claims, "is_free", _true)],
    ),
    "found-behind": Mutation(
        "a write on its way into the journal is seen by nobody (I4)", _forgets_behind
    ),
    "found-rivals": Mutation(
        "a condition is decided beside a write that may yet be acknowledged", _ignores_rivals
    ),
    "found-endless": Mutation(
        "a part that fails while it is cancelled starts again", _outlives_its_end
    ),
    "found-unparked": Mutation(
        "a refused entry that then fails with 5xx holds newer ones up, and is sent after them (I4)",
        _unparks,
    ),
    "found-parked-doubt": Mutation(
        "an entry that supersedes a refused one leaves at once, though that was sent (I4)",
        _forgets_the_parked,
    ),
    "found-untold": Mutation(
        "a condition is decided by a catalog row that a full disk left behind (I2)",
        lambda: [(Doubts, "is_row_behind", _no)],
    ),
    "found-overtaken": Mutation(
        "a slow write comes after one that is acknowledged at the same moment (I4)",
        _overtakes_in_the_moment,
    ),
    "found-thawed": Mutation(
        "a look that is answered as the server thaws ends a doubt (I4)", _believes_a_thawed_look
    ),
    "found-fear": Mutation(
        "what was given up is feared by the clock, though the server is away (I4)",
        _fears_by_the_clock,
    ),
    "found-beside": Mutation(
        "what was written directly beside an entry is known to one process only",
        _tells_nobody,
    ),
    "found-waiting": Mutation(
        "what waited for a suspicion to pass is not started then (I3)", _leaves_what_waits
    ),
}
