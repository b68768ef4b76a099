"""How many connections and requests a process can carry, by the files that it may open."""

import resource
from dataclasses import dataclass

OWN_FILES = 256
"""Descriptors that nobody outside can take: the journal, the log, the monitor, the drain."""
MOST_OPEN = 1 << 20
MOST_REQUESTS, MOST_TO_API = 2048, 1000
FEWEST = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be there at the same time.

    `connections` to the S3 front, most of them idle; `requests` that it answers; connections
    `to_api`, the HTTP API.
    """

    connections: int
    requests: int
    to_api: int


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return open_files()


def open_files() -> int:
    """How many files this process may have open."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if soft == resource.RLIM_INFINITY else min(soft, MOST_OPEN)


def limits_of(files: int) -> Limits:
    """What so many open files are enough for.

    A connection needs one; a request needs two more: a connection to the external store and a
    spool file. Idle connections get their share and no more, so that they can't starve requests.
    """
    free = max(files - OWN_FILES, 4 * FEWEST)
    requests = max(FEWEST, min(free // 8, MOST_REQUESTS))
    return Limits(free * 11 // 16, requests, max(FEWEST, min(free // 16, MOST_TO_API)))
