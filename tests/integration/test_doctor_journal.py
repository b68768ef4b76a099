"""What `nobreak doctor` says of a journal that needs a person (I7)."""

import os
from pathlib import Path

import pytest

from nobreak.engine.journal_file import JOURNAL_FILE, open_database
from nobreak.faces.cli.doctor.finding import Verdict
from nobreak.faces.cli.doctor.process import look_at_journal
from nobreak.settings import load_settings


@pytest.fixture
async def settings(tmp_path):
    (tmp_path / "env").touch()
    loaded = load_settings(
        {
            "NOBREAK_ENV_FILE": str(tmp_path / "env"),
            "EXTERNAL_STORAGE_URL": "dav+http://127.0.0.1:1",
            "NOBREAK_DATA_DIR": str(tmp_path / "data"),
        }
    )
    await (await open_database(loaded.local.data_dir)).aclose()
    return loaded


def overwrite(at: int) -> object:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"\xff" * (path.stat().st_size - at))

    return damage


def of_journal(settings):
    return next(each for each in look_at_journal(settings) if each.key == "journal")


async def test_a_good_journal_is_good(settings):
    assert of_journal(settings).verdict is Verdict.GOOD


@pytest.mark.parametrize(
    "damage",
    [
        overwrite(0),
        overwrite(4096),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: os.truncate(path, 0),
        lambda path: path.unlink(),
        lambda path: path.with_name("journal.id").write_text("7\n"),
    ],
    ids=["no journal", "damaged pages", "half", "empty", "gone", "another"],
)
async def test_a_damaged_journal_is_bad_and_not_a_matter_of_permissions(settings, damage):
    damage(settings.local.data_dir / JOURNAL_FILE)
    finding = of_journal(settings)
    assert finding.verdict is Verdict.BAD
    assert JOURNAL_FILE in finding.advice
    assert "\n" not in finding.found


async def test_a_journal_without_permission_is_a_matter_of_permissions(settings):
    (settings.local.data_dir / JOURNAL_FILE).unlink()
    (settings.local.data_dir / JOURNAL_FILE).mkdir()
    assert JOURNAL_FILE not in of_journal(settings).advice
