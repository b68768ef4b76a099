"""A look at a data directory from outside: true, and without a trace."""

import apsw
import pytest

from nobreak.engine.glance import Glance
from nobreak.engine.journal_file import JOURNAL_FILE, open_database
from nobreak.engine.modes import choose
from nobreak.errors import LocalStoreError
from nobreak.settings import load_settings
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode, Override


@pytest.fixture
def settings(tmp_path):
    return load_settings(
        {"EXTERNAL_STORAGE_URL": "upload+http://store", "NOBREAK_DATA_DIR": str(tmp_path / "data")}
    )


async def test_a_look_sees_at_once_what_another_process_writes(settings):
    database = await open_database(settings.local.data_dir)
    with Glance(settings) as glance:
        assert glance.status()["current_mode"] == "external"
        await choose(SqliteBoard(database), Override.LOCAL, "test", 0.0)
        assert glance.board.read().mode is Mode.LOCAL
        assert glance.status()["monitor"]["is_running"] is False
    await database.aclose()


def test_a_look_makes_neither_directory_nor_journal(settings):
    with pytest.raises(LocalStoreError):
        Glance(settings)
    settings.local.data_dir.mkdir()
    with pytest.raises(LocalStoreError):
        Glance(settings)
    assert list(settings.local.data_dir.iterdir()) == []


@pytest.mark.parametrize(("version", "words"), [(0, "an older nobreak"), (99, "a newer nobreak")])
async def test_a_look_refuses_a_journal_of_another_version_and_does_not_migrate_it(
    version, words, settings
):
    await (await open_database(settings.local.data_dir)).aclose()
    path = settings.local.data_dir / JOURNAL_FILE
    writer = apsw.Connection(str(path))
    writer.execute(f"PRAGMA user_version={version}")
    writer.close()
    with pytest.raises(LocalStoreError, match=words):
        Glance(settings)


async def test_what_is_only_looked_at_can_not_be_written(settings):
    await (await open_database(settings.local.data_dir)).aclose()
    look = Database.look(settings.local.data_dir / JOURNAL_FILE)
    with pytest.raises(LocalStoreError, match="reading only"):
        await look.write(lambda writer: writer.execute("DELETE FROM entry"))
    look.close()
