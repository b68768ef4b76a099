"""`nobreak doctor` on the files behind the S3 front."""

import shutil

import pytest
from tests.support.s3_front import TLS

from nobreak.faces.cli.doctor.finding import Verdict
from nobreak.faces.cli.doctor.s3_files import look_at_s3_files
from nobreak.settings import load_settings

KEYS = '[[key]]\naccess_key = "a"\nsecret_key = "hidden"\n'


def looked(tmp_path, **settings: str) -> dict[str, tuple[Verdict, str]]:
    base = {"EXTERNAL_STORAGE_URL": "upload+http://store", "NOBREAK_LANG": "en"}
    found = look_at_s3_files(load_settings({**base, **settings}, tmp_path / "env"))
    return {each.key: (each.verdict, f"{each.found} {each.advice}") for each in found}


@pytest.fixture(autouse=True)
def env_file(tmp_path):
    (tmp_path / "env").touch()


def test_without_files_there_is_nothing_to_say(tmp_path):
    assert looked(tmp_path) == {}


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True)])
def test_keys_that_others_can_read_are_warned_of(mode, warned, tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    path.chmod(mode)
    found = looked(tmp_path, NOBREAK_S3_KEYS_FILE=str(path))
    assert found["s3_keys"][0] is Verdict.GOOD
    assert ("secret_mode" in found) is warned
    if warned:
        assert f"chmod 600 {path}" in found["secret_mode"][1]


def test_a_bad_file_of_keys_is_bad_and_its_secrets_are_not_shown(tmp_path):
    (tmp_path / "keys.toml").write_text(KEYS + "read_only = 1\n")
    found = looked(tmp_path, NOBREAK_S3_KEYS_FILE=str(tmp_path / "keys.toml"))
    assert found["s3_keys"][0] is Verdict.BAD
    assert "hidden" not in found["s3_keys"][1]


@pytest.mark.parametrize(
    ("cert", "key", "verdict", "words"),
    [
        ("first.crt", "first.key", Verdict.GOOD, "2126-"),
        ("expired.crt", "expired.key", Verdict.BAD, "2020-02-01"),
        ("first.crt", "second.key", Verdict.BAD, "not the certificate's key"),
    ],
)
def test_a_certificate_is_looked_at_as_a_client_sees_it(cert, key, verdict, words, tmp_path):
    shutil.copy(TLS / key, tmp_path / "key")
    (tmp_path / "key").chmod(0o600)
    found = looked(
        tmp_path,
        NOBREAK_S3_TLS_CERT=str(TLS / cert),
        NOBREAK_S3_TLS_KEY=str(tmp_path / "key"),
    )
    assert found["s3_certificate"][0] is verdict
    assert words in found["s3_certificate"][1]
    assert "secret_mode" not in found
