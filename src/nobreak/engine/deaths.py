"""A process of this data directory died: what that means for all others is written down."""

import asyncio
from pathlib import Path

from nobreak.engine.modes import after_crash
from nobreak.engine.presence import find_the_dead
from nobreak.stores.interfaces import Board
from nobreak.stores.known import Index


async def note_the_dead(data_dir: Path, index: Index, board: Board) -> None:
    """Note those who crashed, and only then remove what they left.

    What they had under way may still land (I4), and what they had confirmed may not be in the
    catalog (I2). Raises `OSError`, and `NobreakError` when it can't be noted: then they are found again.
    """
    dead = await asyncio.to_thread(find_the_dead, data_dir)
    try:
        if dead:
            await index.doubt()  # first: nobody may see the board say so without it
            await board.update(after_crash)
            await asyncio.to_thread(dead.bury)
    finally:
        dead.let_go()
