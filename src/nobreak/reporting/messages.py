"""The table of what is said about each event: level, pt-BR, English.

A line names the event's fields in braces. Beyond Python's own formats there are `bytes`
(`1.5 GiB`) and `time` (`2m 5s`). Lines on checks are the seed's, in English in both languages.
"""

from dataclasses import dataclass
from enum import StrEnum

from nobreak.lang import Text
from nobreak.reporting.events import EventKind as K


class Level(StrEnum):
    """How bad it is."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    level: Level
    text: Text


def _info(pt: str, en: str | None = None) -> Line:
    return Line(Level.INFO, Text(pt, en or pt))


def _warning(pt: str, en: str | None = None) -> Line:
    return Line(Level.WARNING, Text(pt, en or pt))


def _error(pt: str, en: str | None = None) -> Line:
    return Line(Level.ERROR, Text(pt, en or pt))


_CHECKS: dict[K, tuple[Line, ...]] = {
    K.CHECK_OK: (_info("✅ External Storage: HEALTHY (response time: {response_time:.2f}s)"),),
    K.CHECK_CONNECTION_ERROR: (_error("❌ External Storage: CONNECTION ERROR"),),
    K.CHECK_TIMED_OUT: (_error("❌ External Storage: TIMEOUT ({timeout:g}s)"),),
    K.CHECK_STATUS: (_error("❌ External Storage: HTTP {status}"),),
    K.CHECK_CANNOT_STORE: (_error("❌ External Storage: CANNOT STORE ({detail})"),),
    K.CHECK_UNEXPECTED: (_error("❌ External Storage: UNEXPECTED ERROR ({detail})"),),
    K.FAILURE_COUNTED: (
        _warning("⚠️ Falha {failures}/{max_failures}", "⚠️ Failure {failures}/{max_failures}"),
    ),
    K.SUSPICION: (
        _warning(
            "⚠️ Falha no tráfego real ({detail}): verificando agora",
            "⚠️ Live traffic failed ({detail}): checking now",
        ),
    ),
    K.HELD_DOWN: (
        _warning(
            "⏳ Servidor externo estável, mas oscilou {outages} vezes: aguardando mais {seconds:time}",
            "⏳ External server stable, but it flapped {outages} times: waiting {seconds:time} more",
        ),
    ),
}

_MODE: dict[K, tuple[Line, ...]] = {
    K.FALLBACK_STARTED: (
        _error("🚨 SERVIDOR EXTERNO INDISPONÍVEL!", "🚨 EXTERNAL SERVER UNAVAILABLE!"),
        _info(
            "🔄 Iniciando AUTO-FALLBACK para local storage...",
            "🔄 Starting AUTO-FALLBACK to local storage...",
        ),
    ),
    K.FALLBACK_COMPLETE: (_info("✅ AUTO-FALLBACK COMPLETO", "✅ AUTO-FALLBACK COMPLETE"),),
    K.RECOVERY_STARTED: (
        _info(
            "🎉 Servidor externo RECUPERADO e ESTÁVEL!", "🎉 External server RECOVERED and STABLE!"
        ),
        _info(
            "🔄 Iniciando AUTO-RECOVERY para external storage...",
            "🔄 Starting AUTO-RECOVERY to external storage...",
        ),
    ),
    K.RECOVERY_COMPLETE: (_info("✅ AUTO-RECOVERY COMPLETO", "✅ AUTO-RECOVERY COMPLETE"),),
    K.PINNED: (
        _warning(
            "📌 Modo fixado em {mode} por uma pessoa: sem troca automática",
            "📌 Mode pinned to {mode} by a person: no automatic change",
        ),
    ),
    K.OUTAGE_WHILE_PINNED: (
        _error("🚨 SERVIDOR EXTERNO INDISPONÍVEL!", "🚨 EXTERNAL SERVER UNAVAILABLE!"),
        _warning(
            "📌 Sem AUTO-FALLBACK: modo fixado em {mode} por uma pessoa",
            "📌 No AUTO-FALLBACK: mode pinned to {mode} by a person",
        ),
    ),
    K.RETURN_WHILE_PINNED: (
        _info(
            "🎉 Servidor externo RECUPERADO e ESTÁVEL!", "🎉 External server RECOVERED and STABLE!"
        ),
        _warning(
            "📌 Sem AUTO-RECOVERY: modo fixado em {mode} por uma pessoa",
            "📌 No AUTO-RECOVERY: mode pinned to {mode} by a person",
        ),
    ),
    K.OVERRIDE_CHANGED: (
        _warning(
            "👤 Troca manual por {who}: {before} → {after}",
            "👤 Changed by hand by {who}: {before} → {after}",
        ),
    ),
    K.USE_EXTERNAL_CHANGED: (
        _warning(
            '👤 USE_EXTERNAL_STORAGE agora é "{value}"', '👤 USE_EXTERNAL_STORAGE is "{value}"'
        ),
    ),
    K.MONITOR_STARTED: (
        _info(
            "🏥 Health Monitor ATIVO (pid {pid}, modo {mode})",
            "🏥 Health Monitor ACTIVE (pid {pid}, mode {mode})",
        ),
    ),
    K.MONITOR_TAKEN_OVER: (
        _warning(
            "🏥 Health Monitor assumido pelo pid {pid} (modo {mode})",
            "🏥 Health Monitor taken over by pid {pid} (mode {mode})",
        ),
    ),
    K.MONITOR_STOPPED: (
        _info("🏥 Health Monitor PARADO (pid {pid})", "🏥 Health Monitor STOPPED (pid {pid})"),
    ),
}

_JOURNAL: dict[K, tuple[Line, ...]] = {
    K.WRITE_DIVERTED: (
        _warning(
            "💾 Gravação desviada para o disco local: {name} ({reason})",
            "💾 Write diverted to the local disk: {name} ({reason})",
        ),
    ),
    K.WRITES_DIVERTED: (
        _warning(
            "💾 Mais {count} gravações desviadas em {seconds:time}",
            "💾 {count} more writes diverted in {seconds:time}",
        ),
    ),
    K.EXTERNAL_CHANGED: (
        _warning(
            "⚠️ O servidor externo mudou de {before} para {after}: {entries} itens guardados para o primeiro irão para o segundo",
            "⚠️ The external server changed from {before} to {after}: {entries} entries kept for the first will go to the second",
        ),
    ),
    K.EXTERNAL_LOST: (
        _error(
            "🚨 O SERVIDOR EXTERNO VOLTOU SEM {lost} de {looked} objetos que tinha confirmado, por exemplo {name}: perdeu dados, ou outros os mudaram",
            "🚨 EXTERNAL SERVER CAME BACK WITHOUT {lost} of {looked} objects that it had confirmed, {name} for one: it lost data, or others changed them",
        ),
    ),
    K.DRAIN_STARTED: (
        _info(
            "📤 Devolvendo {entries} itens ({size:bytes}) ao servidor externo...",
            "📤 Giving {entries} entries ({size:bytes}) back to the external server...",
        ),
    ),
    K.DRAIN_PROGRESS: (
        _info(
            "📤 Devolvidos {done}, faltam {left} ({rate:.0f}/s, mais {eta:time})",
            "📤 {done} given back, {left} left ({rate:.0f}/s, {eta:time} to go)",
        ),
    ),
    K.DRAIN_PAUSED: (
        _warning(
            "⏸️ Devolução interrompida, faltam {left} ({reason})",
            "⏸️ Giving back interrupted, {left} left ({reason})",
        ),
    ),
    K.DRAIN_COMPLETE: (
        _info(
            "✅ DEVOLUÇÃO COMPLETA: {done} itens em {seconds:time}",
            "✅ DRAIN COMPLETE: {done} entries in {seconds:time}",
        ),
    ),
    K.ENTRY_PARKED: (
        _error(
            "🅿️ Recusado pelo servidor externo, guardado aqui: {name} ({reason})",
            "🅿️ Refused by the external server, kept here: {name} ({reason})",
        ),
    ),
    K.ENTRY_RETRIED: (_info("🔁 Nova tentativa: {name}", "🔁 Trying again: {name}"),),
    K.ENTRY_SUPERSEDED: (
        _info(
            "♻️ Substituído por uma versão mais nova: {name}",
            "♻️ Superseded by a newer version: {name}",
        ),
    ),
    K.CONFLICT_OURS: (
        _warning(
            "⚔️ Conflito: {name} foi mudado por outros no servidor externo; fica a nossa versão",
            "⚔️ Conflict: {name} was changed by others on the external server; ours stays",
        ),
    ),
    K.CONFLICT_THEIRS: (
        _warning(
            "⚔️ Conflito: {name} foi mudado por outros no servidor externo; a versão deles fica, a nossa foi descartada",
            "⚔️ Conflict: {name} was changed by others on the external server; theirs stays, ours was dropped",
        ),
    ),
    K.CONFLICT_DELETED: (
        _warning(
            "⚔️ Conflito: {name} foi apagado por outros no servidor externo; fica a nossa versão",
            "⚔️ Conflict: {name} was deleted by others on the external server; ours stays",
        ),
    ),
    K.CONFLICT_KEPT_BOTH: (
        _warning(
            "⚔️ Conflito: {name} foi mudado por outros no servidor externo; a versão deles está em {copy}",
            "⚔️ Conflict: {name} was changed by others on the external server; theirs is at {copy}",
        ),
    ),
    K.UPLOAD_EXPIRED: (
        _warning(
            "⌛ Envio multipart inacabado há {age:time}, abortado: {name}",
            "⌛ Multipart upload unfinished for {age:time}, aborted: {name}",
        ),
    ),
    K.DISK_FULL: (
        _error(
            "🚨 DISCO LOCAL CHEIO ({reason}, livres {free:bytes}): novas gravações recusadas",
            "🚨 LOCAL DISK FULL ({reason}, {free:bytes} free): new writes refused",
        ),
    ),
    K.DISK_OK: (
        _info(
            "✅ Disco local com espaço de novo (livres {free:bytes})",
            "✅ Local disk has room again ({free:bytes} free)",
        ),
    ),
    K.BODY_CORRUPT: (
        _error(
            "🚨 DADOS LOCAIS CORROMPIDOS: {name} ({reason})",
            "🚨 LOCAL DATA CORRUPT: {name} ({reason})",
        ),
    ),
    K.COPY_CORRUPT: (
        _warning(
            "⚠️ Cópia do cache descartada: {name} ({reason})",
            "⚠️ Copy in the cache discarded: {name} ({reason})",
        ),
    ),
    K.JOURNAL_CORRUPT: (
        _error("🚨 JOURNAL CORROMPIDO ({reason})", "🚨 JOURNAL CORRUPT ({reason})"),
    ),
}

_SERVICE: dict[K, tuple[Line, ...]] = {
    K.SETTINGS_RELOADED: (
        _info("⚙️ Configurações aplicadas: {names}", "⚙️ Settings applied: {names}"),
    ),
    K.SETTINGS_UNCHANGED: (
        _info("⚙️ Configurações relidas, nada mudou", "⚙️ Settings read again, nothing changed"),
    ),
    K.SETTINGS_REJECTED: (
        _error(
            "❌ Configurações recusadas, seguem as anteriores: {reason}",
            "❌ Settings rejected, the old ones stay: {reason}",
        ),
    ),
    K.SETTINGS_NEED_RESTART: (
        _warning("⚠️ Só valem ao reiniciar: {names}", "⚠️ Only apply at a restart: {names}"),
    ),
    K.SETTING_UNKNOWN: (
        _warning("⚠️ Configuração desconhecida: {name}", "⚠️ Unknown setting: {name}"),
    ),
    K.SETTING_MISSPELT: (
        _warning(
            "⚠️ Configuração desconhecida: {name} (seria {nearest}?)",
            "⚠️ Unknown setting: {name} (did you mean {nearest}?)",
        ),
    ),
    K.API_STARTED: (_info("🚀 API em {address}", "🚀 API on {address}"),),
    K.S3_STARTED: (_info("🚀 Gateway S3 em {address}", "🚀 S3 gateway on {address}"),),
    K.S3_KEYS_RELOADED: (
        _info("🔑 Chaves S3 relidas: {count} pares", "🔑 S3 keys read again: {count} pairs"),
    ),
    K.S3_KEYS_REJECTED: (
        _error(
            "❌ Chaves S3 recusadas, seguem as anteriores: {reason}",
            "❌ S3 keys rejected, the old ones stay: {reason}",
        ),
    ),
    K.S3_CERTIFICATE_RELOADED: (
        _info(
            "🔒 Certificado S3 relido, válido até {until}",
            "🔒 S3 certificate read again, valid until {until}",
        ),
    ),
    K.S3_CERTIFICATE_REJECTED: (
        _error(
            "❌ Certificado S3 recusado, segue o anterior: {reason}",
            "❌ S3 certificate rejected, the old one stays: {reason}",
        ),
    ),
    K.SHUTTING_DOWN: (_info("👋 Encerrando ({reason})", "👋 Shutting down ({reason})"),),
    K.LOG_MOVED: (
        _warning(
            "⚠️ O log não pode ser gravado em {wanted} ({reason}): usando {path}",
            "⚠️ The log can't be written to {wanted} ({reason}): using {path}",
        ),
    ),
    K.LOG_UNWRITABLE: (
        _error(
            "⚠️ O log não pode ser gravado em {path} ({reason})",
            "⚠️ The log can't be written to {path} ({reason})",
        ),
    ),
    K.LOG_LINES_LOST: (
        _error(
            "⚠️ {count} linhas do log perdidas ({reason})", "⚠️ {count} log lines lost ({reason})"
        ),
    ),
    K.HOOK_FAILED: (
        _error(
            "❌ Erro no gancho {hook}: {reason} (dito uma só vez)",
            "❌ Hook {hook} failed: {reason} (said only once)",
        ),
    ),
    K.UNEXPECTED_ERROR: (
        _error(
            "❌ Erro inesperado em {where}: {reason}", "❌ Unexpected error in {where}: {reason}"
        ),
    ),
}

MESSAGES: dict[K, tuple[Line, ...]] = _CHECKS | _MODE | _JOURNAL | _SERVICE
