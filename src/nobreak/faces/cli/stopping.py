"""SIGTERM and SIGINT: the first ends a server in good order, the second, or too long a wait, at once.

Whatever is cut off was not acknowledged, or is durable already (I1).
"""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOP_WITHIN = 15.0
"""What an orderly end may take (seconds)."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signal() -> Iterator[asyncio.Future[str]]:
    """A future that gets the name of the signal that asks this process to stop."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[str] = loop.create_future()

    def stop(received: signal.Signals) -> None:
        if asked.done():
            os._exit(128 + received)
        watchdog = threading.Timer(STOP_WITHIN, os._exit, (128 + received,))
        watchdog.daemon = True  # it watches the loop's end too, so the loop can't be its clock
        watchdog.start()
        asked.set_result(received.name)

    for each in SIGNALS:
        loop.add_signal_handler(each, stop, each)
    yield asked
