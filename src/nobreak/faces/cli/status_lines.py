"""The status in the seed's words, from the document that `/api/storage-status` gives."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from nobreak.core.failover import Phase
from nobreak.faces.cli.texts import said
from nobreak.reporting.render import human_size, human_time
from nobreak.words import Mode, Override

Status = dict[str, Any]
GOOD, WORRYING, BAD, NEUTRAL = "✅", "⚠️", "❌", "📊"
SHOWN_CHANGES = 3


class Line(NamedTuple):
    """A line of the status: a sign, what it is about, and what is said of it."""

    sign: str
    title: str
    text: str


def status_lines(status: Status, now: datetime | None = None) -> list[Line]:
    """All lines. `now` is aware (default: the time of this machine)."""
    return [
        _monitor(status),
        _mode(status),
        _server(status, now or datetime.now(UTC)),
        _interval(status),
        _automatic(status),
        _journal(status),
        *_drain(status),
        _disk(status),
        *_cache(status),
        *_changes(status),
    ]


def mode_name(mode: str) -> str:
    """The mode in the seed's words: LOCAL, EXTERNO."""
    return said("EXTERNO", "EXTERNAL") if mode == Mode.EXTERNAL else "LOCAL"


def _monitor(status: Status) -> Line:
    monitor = status["monitor"]
    if monitor["is_running"]:
        return Line(GOOD, "Health Monitor", said("ATIVO", "ACTIVE") + f" (pid {monitor['pid']})")
    stopped = said("PARADO (inicie com: nobreak serve)", "STOPPED (start it with: nobreak serve)")
    return Line(BAD, "Health Monitor", stopped)


def _mode(status: Status) -> Line:
    mode, phase = status["current_mode"], status["monitor"]["phase"]
    sign = GOOD if status["monitor"]["is_running"] else WORRYING
    unknown = status["monitor"]["last_check"] is None
    reason = (
        _pin(status)
        or {
            Phase.STEADY: said("servidor externo saudável", "external server healthy"),
            Phase.DOUBT: said("servidor externo em dúvida", "external server in doubt"),
            Phase.OUTAGE: said("servidor externo offline", "external server offline"),
            Phase.RETURNING: said("servidor externo voltando", "external server returning"),
        }[Phase(phase)]
    )
    if unknown and not _pin(status):
        reason = said("ainda não verificado", "not checked yet")
    return Line(sign, said("Modo Atual", "Current Mode"), f"{mode_name(mode)} ({reason})")


def _pin(status: Status) -> str:
    """Why the mode is not the monitor's choice; empty when it is."""
    if status["override"] != Override.AUTO:
        return said("fixado por uma pessoa", "pinned by a person")
    return "" if status["use_external_storage"] else 'USE_EXTERNAL_STORAGE="false"'


def _server(status: Status, now: datetime) -> Line:
    server, monitor = status["external_server"], status["monitor"]
    title = said("Servidor Externo", "External Server")
    where = f"{server['host']}:{server['port']} ({server['kind']})"
    if monitor["last_check"] is None:
        return Line(NEUTRAL, title, where + said(", nunca verificado", ", never checked"))
    age = human_time(
        max(0.0, (now - datetime.fromisoformat(monitor["last_check"])).total_seconds())
    )
    text = f"{where}: {monitor['last_detail']}, {monitor['response_time']:.2f}s, "
    text += said(f"há {age}", f"{age} ago")
    if not monitor["is_running"]:
        return Line(NEUTRAL, title, text)
    return Line(GOOD if monitor["last_ok"] else BAD, title, text)


def _interval(status: Status) -> Line:
    monitor = status["monitor"]
    every = monitor["check_interval"]
    text = said(f"A cada {every} segundos", f"Every {every} seconds")
    if monitor["consecutive_failures"]:
        most = monitor["max_failures"]
        count = f"{min(monitor['consecutive_failures'], most)}/{most}"
        text += said(f" (falha {count})", f" (failure {count})")
    elif monitor["phase"] == Phase.RETURNING:
        count = f"{monitor['consecutive_successes']}/{monitor['min_successes']}"
        text += said(f" (sucesso {count})", f" (success {count})")
    sign = GOOD if monitor["is_running"] else NEUTRAL
    return Line(sign, said("Monitoramento", "Monitoring"), text)


def _automatic(status: Status) -> Line:
    title = "Auto-Fallback" if status["current_mode"] == Mode.EXTERNAL else "Auto-Recovery"
    if _pin(status):
        back = said("nobreak mode auto", "nobreak mode auto")
        if status["override"] == Override.AUTO:
            back = 'USE_EXTERNAL_STORAGE="true"'
        return Line(WORRYING, title, said(f"DESLIGADO (religue: {back})", f"OFF (turn on: {back})"))
    if status["current_mode"] == Mode.EXTERNAL:
        count = status["monitor"]["max_failures"]
        text = said(f"ATIVO (após {count} falhas)", f"ACTIVE (after {count} failures)")
    else:
        text = said(
            "ATIVO (reconectará automaticamente quando servidor voltar)",
            "ACTIVE (reconnects by itself when the server returns)",
        )
    return Line(GOOD, title, text)


def _journal(status: Status) -> Line:
    journal = status["journal"]
    title = said("Pendentes", "Pending")
    if not journal["entries"]:
        return Line(GOOD, title, said("nada a devolver", "nothing to give back"))
    age = human_time(journal["oldest_age"] or 0.0)
    text = f"{journal['entries']} ({human_size(journal['bytes'])}, "
    text += said(f"o mais antigo há {age})", f"oldest {age} ago)")
    if journal["parked"]:
        text += said(
            f", {journal['parked']} recusados (veja: nobreak pending --parked)",
            f", {journal['parked']} refused (see: nobreak pending --parked)",
        )
    return Line(WORRYING if journal["parked"] else "⏳", title, text)


def _drain(status: Status) -> list[Line]:
    drain = status["drain"]
    if not drain["active"]:
        return []
    eta = "?" if drain["eta"] is None else human_time(drain["eta"])
    text = said(
        f"devolvidos {drain['done']}, faltam {drain['left']} ({drain['rate']:.0f}/s, mais {eta})",
        f"{drain['done']} given back, {drain['left']} left ({drain['rate']:.0f}/s, {eta} to go)",
    )
    if most := drain["most_bytes_per_second"]:
        size = human_size(most)
        text += said(f", no máximo {size} por segundo", f", at most {size} per second")
    return [Line("📤", said("Devolução", "Drain"), text)]


def _disk(status: Status) -> Line:
    disk = status["disk"]
    text = said(f"{human_size(disk['free'])} livres", f"{human_size(disk['free'])} free")
    if disk["full"]:
        text += said(", CHEIO: novas gravações recusadas", ", FULL: new writes refused")
    return Line(BAD if disk["full"] else GOOD, said("Disco Local", "Local Disk"), text)


def _cache(status: Status) -> list[Line]:
    cache = status["cache"]
    if not cache["max_bytes"]:
        return []
    size, most = human_size(cache["bytes"]), human_size(cache["max_bytes"])
    text = said(
        f"{cache['copies']} cópias ({size} de {most}), {cache['served']} leituras atendidas",
        f"{cache['copies']} copies ({size} of {most}), {cache['served']} reads answered",
    )
    return [Line(GOOD, "Cache", text)]


def _changes(status: Status) -> list[Line]:
    return [
        Line(
            "🔄",
            said("Troca", "Change"),
            f"{_local(change['at'])} → {mode_name(change['mode'])} ({change['reason']})",
        )
        for change in status["transitions"][:SHOWN_CHANGES]
    ]


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
