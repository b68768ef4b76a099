"""What the moving parts of one engine share."""

from collections.abc import Callable
from dataclasses import dataclass

from nobreak.engine.background import Background
from nobreak.engine.cache import Cache
from nobreak.engine.doubts import Doubts
from nobreak.engine.link import Link
from nobreak.engine.ours import Ours
from nobreak.engine.throttled import DiskNews, DivertNews
from nobreak.reporting.events import Reporter
from nobreak.settings.model import WriteSettings
from nobreak.stores.external.base import ExternalStore
from nobreak.stores.interfaces import Board, Catalog, Journal
from nobreak.stores.known import Index, KnownBuckets
from nobreak.stores.local.bodies import BodyStore
from nobreak.stores.uploads import OpenUploads, Uploads


@dataclass(frozen=True, slots=True)
class Context:
    """The stores and helpers of one engine. `now`: seconds since the epoch."""

    external: ExternalStore
    journal: Journal
    catalog: Catalog
    index: Index
    buckets: KnownBuckets
    board: Board
    bodies: BodyStore
    cache: Cache
    uploads: Uploads
    open_uploads: OpenUploads
    link: Link
    doubts: Doubts
    background: Background
    reporter: Reporter
    diverts: DivertNews
    room: DiskNews
    ours: Ours
    writes: WriteSettings
    now: Callable[[], float]
