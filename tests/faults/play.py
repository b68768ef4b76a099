"""Play a scenario: traffic, the fault, its end, the drain; then what SeaweedFS itself holds."""

import asyncio
import statistics
import time
from types import SimpleNamespace
from typing import Any

from tests.faults.clients import Wait
from tests.faults.proxy import well
from tests.faults.scenario import DIVERT_AFTER, GRACE, OWNER, Report, Scenario
from tests.faults.since import since
from tests.faults.spare_copies import without_spare_copies
from tests.faults.stage import Stage

from nobreak.demo.proof import held_by
from nobreak.demo.record import Action, Outcome
from nobreak.demo.seaweed import SeaweedServer
from nobreak.demo.truth import Finding, explain

SHOWN = 6
OWN = "own/"
NOTICED_WITHIN = 0.5
"""How long it may take until the others notice that a process died (seconds): a tenth, on a quiet machine."""


async def play(stage: Stage, scenario: Scenario) -> Report:
    ticking = asyncio.create_task(stage.lag.run())
    working = [asyncio.create_task(client.run(stage.stop)) for client in stage.clients]
    await asyncio.sleep(scenario.around)
    struck = time.monotonic()
    fault = scenario.fault
    try:
        stage.proxy.fault = fault(stage.chance) if getattr(fault, "seeded", False) else fault  # type: ignore[assignment,arg-type]
        if scenario.strike:
            await scenario.strike(stage)
        await asyncio.sleep(max(0.0, struck + scenario.seconds - time.monotonic()))
    finally:
        stage.proxy.fault = well
        if scenario.lift:
            await scenario.lift(stage)
    lifted = time.monotonic()
    await asyncio.sleep(scenario.around)
    stage.stop.set()
    await asyncio.gather(*working)
    await stage.proxy.landed()
    if scenario.mend:
        await scenario.mend(stage)
    converged = await stage.converged(scenario.within)
    ticking.cancel()
    medians = await _medians(stage, struck, lifted) if scenario.median else (None, None)
    findings = await _judged(stage, may_die=not scenario.judged)
    log = stage.nobreak.log_file.read_text("utf-8", errors="replace")
    unsaid = tuple(words for words in scenario.says if words not in log)
    return _report(stage, scenario, struck, converged, findings, medians, unsaid)


async def _judged(stage: Stage, *, may_die: bool) -> list[Finding]:
    operations = stage.books.recorder.operations()
    held = await held_by(bucket_of(stage.seaweed, stage.bucket))
    if may_die:
        operations, held = without_spare_copies(operations, held)
    if stage.lost_before is not None:
        operations, held = since(stage.lost_before, operations, held)
    return explain(operations, held, notices_within=NOTICED_WITHIN if may_die else 0.0)


def bucket_of(server: SeaweedServer, bucket: str) -> Any:
    """The server, with this bucket as its first."""
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    return SimpleNamespace(
        endpoint=server.endpoint, region=server.region, buckets=(bucket,), **keys
    )


async def _medians(stage: Stage, struck: float, lifted: float) -> tuple[float, float]:
    """The median PUT after the first second of the outage, and in a mode local that was chosen."""
    outage = [w.seconds for w in stage.books.waits if _put(w) and struck + 1 < w.began < lifted]
    await stage.nobreak.command("mode", "local")
    began = time.monotonic()
    stop = asyncio.Event()
    working = [asyncio.create_task(client.run(stop)) for client in stage.clients]
    await asyncio.sleep(3.0)
    stop.set()
    await asyncio.gather(*working)
    local = [w.seconds for w in stage.books.waits if _put(w) and w.began > began + 0.3]
    await stage.nobreak.command("mode", "auto")
    await stage.converged(60)
    return statistics.median(outage), statistics.median(local)


def _put(wait: Wait) -> bool:
    return wait.action is Action.PUT and wait.outcome is Outcome.DONE


def _report(stage, scenario, struck, converged, findings, medians, unsaid) -> Report:
    operations = [op for op in stage.books.recorder.returned if op.client != OWNER]
    writes = [op.outcome for op in operations if op.action.writes]
    reads = [op.outcome for op in operations if not op.action.writes]
    # Only what the fault, or its aftermath, could have touched.
    spans = [(w, stage.lag.between(w.began, w.began + w.seconds)) for w in stage.books.waits]
    own = [max(0.0, w.seconds - lag) for w, lag in spans]
    worst = max(range(len(own)), key=own.__getitem__)
    bad = [op for op in operations if op.outcome in {Outcome.FAILED, Outcome.DENIED}]
    bad += [op for op in operations if op.action.writes and op.outcome is Outcome.REFUSED]
    slow = [
        f"{w} (+{w.began - struck:.1f} s) lag {lag:.2f}"
        for (w, lag), s in zip(spans, own, strict=True)
        if s > DIVERT_AFTER + GRACE
    ]
    told = [f"{op} {op.detail[:160]} (+{op.started - struck:.1f} s)" for op in bad[:SHOWN]]
    return Report(
        name=scenario.name,
        acked=writes.count(Outcome.DONE),
        refused=writes.count(Outcome.REFUSED),
        denied=writes.count(Outcome.DENIED),
        failed=writes.count(Outcome.FAILED) + reads.count(Outcome.FAILED),
        answered=reads.count(Outcome.DONE),
        reads_503=reads.count(Outcome.REFUSED) + reads.count(Outcome.DENIED),
        cut=reads.count(Outcome.CUT),
        longest=own[worst],
        judged=scenario.judged,
        lag=spans[worst][1],
        converged=converged,
        findings=tuple(findings),
        median_outage=medians[0],
        median_local=medians[1],
        unsaid=unsaid,
        own_refused=sum(op.action.writes and op.key.startswith(OWN) for op in bad),
        details=(*told, *slow[:SHOWN]),
    )
