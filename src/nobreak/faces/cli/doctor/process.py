"""This machine's side: file descriptors, and who monitors the data directory."""

import os
import resource
from collections.abc import Iterator

from nobreak.engine.glance import Glance
from nobreak.engine.journal_file import JOURNAL_FILE, check_there, journal_damage
from nobreak.errors import NobreakError
from nobreak.faces.cli.doctor.finding import Finding, bad, good, worrying
from nobreak.faces.cli.texts import said
from nobreak.settings import Settings
from nobreak.stores.sqlite.database import DamagedJournalError

ENOUGH_FILES, FEW_FILES = 4096, 256
CHECK_WITHIN = 10.0
"""A check of a large journal ends here (seconds), with what it has found until then."""


def look_at_limits() -> Iterator[Finding]:
    """Every connection and every body on its way needs a file descriptor."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    subject = said("Arquivos abertos", "Open files")
    found = said("sem limite", "no limit")
    if soft != resource.RLIM_INFINITY:
        found = said(f"limite de {soft}", f"limit of {soft}")
        advice = f"ulimit -n {ENOUGH_FILES} (systemd: LimitNOFILE={ENOUGH_FILES})"
        if soft < FEW_FILES:
            yield bad("open_files", subject, found, advice)
            return
        if soft < ENOUGH_FILES:
            yield worrying("open_files", subject, found, advice)
            return
    yield good("open_files", subject, found)


def look_at_journal(settings: Settings) -> Iterator[Finding]:
    """Whether the journal can be read, what waits in it, and whether anybody monitors."""
    try:
        check_there(settings.local.data_dir)
    except DamagedJournalError as error:
        yield _damaged(str(error))
        return
    except OSError:
        pass  # the look at the disk has said so
    if not os.path.lexists(settings.local.data_dir / JOURNAL_FILE):
        found = said("ainda vazio", "empty so far")
        yield good("journal", "Journal", found)
        yield _unmonitored()
        return
    try:
        with Glance(settings) as glance:
            tally, notice, monitored = (
                glance.journal.tally(),
                glance.board.read(),
                glance.monitored(),
            )
        damage = journal_damage(settings.local.data_dir, CHECK_WITHIN)
    except DamagedJournalError as error:
        yield _damaged(str(error))
        return
    except (NobreakError, OSError) as error:
        advice = said("veja o dono e as permissões da pasta", "look at the folder's owner and mode")
        yield bad("journal", "Journal", str(error), advice)
        return
    if damage:
        yield _damaged(damage)
        return
    found = said(f"{tally.entries} pendentes", f"{tally.entries} pending")
    if tally.parked:
        found += said(f", {tally.parked} recusados", f", {tally.parked} refused")
        yield worrying("journal", "Journal", found, "nobreak pending --parked")
    else:
        yield good("journal", "Journal", found)
    if monitored:
        yield good("monitor", "Health Monitor", f"pid {notice.leader}, {notice.mode}")
    else:
        yield _unmonitored()


def _damaged(found: str) -> Finding:
    advice = said(
        f"pare o nobreak; restaure {JOURNAL_FILE} de um backup, ou mova a pasta de dados para "
        "outro lugar (guarde-a: as gravações pendentes estão nela)",
        f"stop nobreak; restore {JOURNAL_FILE} from a backup, or move the data directory aside "
        "(keep it: the writes that waited are in it)",
    )
    return bad("journal", "Journal", found, advice)


def _unmonitored() -> Finding:
    found = said("ninguém monitora esta pasta", "nobody monitors this directory")
    return worrying(
        "monitor", "Health Monitor", found, said("inicie: nobreak serve", "start: nobreak serve")
    )
