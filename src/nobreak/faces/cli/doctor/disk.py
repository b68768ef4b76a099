"""The disk under the data directory: SQLite's WAL and fsync need a real, local one."""

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from nobreak.faces.cli.doctor.finding import Finding, bad, good, worrying
from nobreak.faces.cli.doctor.mounts import file_system_of
from nobreak.faces.cli.texts import said
from nobreak.reporting.render import human_size
from nobreak.settings import Settings

SYNCS = 21
SYNC_BYTES = 4096
SLOW_SYNC = 0.050
"""A disk that needs longer for one fsync (seconds) makes every write wait."""
IDLE_SYNC = 0.00002
"""No disk is quicker (seconds): somebody only says that it is done."""
NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "virtiofs",
}
MEMORY = {"ramfs", "tmpfs"}
LAYERED = {"aufs", "overlay"}


def look_at_disk(settings: Settings) -> Iterator[Finding]:
    """The data directory: there, ours, on a fit file system, with room, and quick."""
    folder = settings.local.data_dir
    subject = said("Pasta de dados", "Data directory")
    nearest = _nearest(folder)
    if nearest != folder:
        found = said(f"{folder} ainda não existe", f"{folder} does not exist yet")
        yield good("data_dir", subject, found)
    elif folder.stat().st_uid != os.geteuid():
        found = said(f"{folder} é de outro usuário", f"{folder} belongs to another user")
        advice = said("rode os comandos como ele (sudo -u)", "run commands as that user (sudo -u)")
        yield worrying("data_dir", subject, found, advice)
    else:
        yield good("data_dir", subject, str(folder))
    if not os.access(nearest, os.W_OK | os.X_OK):
        found = said(f"sem permissão em {nearest}", f"no permission in {nearest}")
        yield bad(
            "data_dir",
            subject,
            found,
            said("ajuste o dono ou NOBREAK_DATA_DIR", "change its owner, or NOBREAK_DATA_DIR"),
        )
        return
    yield _look_at_file_system(nearest)
    yield _look_at_room(settings, nearest)
    yield _look_at_sync(nearest)


def look_at_log(settings: Settings) -> Iterator[Finding]:
    """Whether the health log can be where it should be."""
    path, subject = settings.reporting.log_file, said("Log", "Log")
    target = path if path.exists() else _nearest(path.parent)
    if os.access(target, os.W_OK):
        yield good("log", subject, str(path))
        return
    found = said(f"{path} não pode ser gravado", f"{path} can't be written")
    advice = said(
        f"dê permissão ou mude HEALTH_LOG_FILE; até lá: {settings.local.data_dir / path.name}",
        f"permit it or change HEALTH_LOG_FILE; until then: {settings.local.data_dir / path.name}",
    )
    yield worrying("log", subject, found, advice)


def _look_at_file_system(folder: Path) -> Finding:
    kind = file_system_of(folder)
    subject = said("Sistema de arquivos", "File system")
    if kind in NETWORK or kind.startswith("fuse."):
        advice = said(
            "use um disco local: em rede o journal pode se corromper",
            "use a local disk: on a network the journal can be damaged",
        )
        return bad("file_system", subject, kind, advice)
    if kind in MEMORY:
        advice = said(
            "use um disco: a memória se perde com a energia",
            "use a disk: memory dies with the power",
        )
        return bad("file_system", subject, kind, advice)
    if kind in LAYERED:
        advice = said(
            "num contêiner, ponha a pasta num volume: a camada some com ele",
            "in a container put it on a volume: the layer goes with the container",
        )
        return worrying("file_system", subject, kind, advice)
    return good("file_system", subject, kind)


def _look_at_room(settings: Settings, folder: Path) -> Finding:
    state = os.statvfs(folder)
    free, least = state.f_bavail * state.f_frsize, settings.local.min_free_bytes
    subject = said("Espaço em disco", "Disk space")
    found = said(f"{human_size(free)} livres", f"{human_size(free)} free")
    advice = said("libere espaço", "free some space")
    if free < least:
        return bad(
            "disk_free", subject, found, f"{advice} (NOBREAK_MIN_FREE_BYTES={human_size(least)})"
        )
    if free < 2 * least:
        return worrying("disk_free", subject, found, advice)
    return good("disk_free", subject, found)


def _look_at_sync(folder: Path) -> Finding:
    median = _median_sync(folder)
    subject = "fsync"
    found = said(
        f"{median * 1000:.2f} ms (mediana de {SYNCS})",
        f"{median * 1000:.2f} ms (median of {SYNCS})",
    )
    if median > SLOW_SYNC:
        advice = said("use um disco mais rápido (SSD)", "use a quicker disk (SSD)")
        return worrying("fsync", subject, found, advice)
    if median < IDLE_SYNC:
        advice = said(
            "rápido demais: veja se o disco grava mesmo",
            "too quick: see whether the disk really writes",
        )
        return worrying("fsync", subject, found, advice)
    return good("fsync", subject, found)


def _median_sync(folder: Path) -> float:
    """What one fsync of 4 KiB takes there (seconds)."""
    path = folder / f".nobreak-doctor-{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return statistics.median(_one_sync(descriptor) for _ in range(SYNCS))
    finally:
        os.close(descriptor)
        path.unlink()


def _one_sync(descriptor: int) -> float:
    os.write(descriptor, os.urandom(SYNC_BYTES))
    began = time.perf_counter()
    os.fsync(descriptor)
    return time.perf_counter() - began


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())
