"""Issue 3, item 5: several key pairs from a file, with read-only and per-bucket limits."""

from pathlib import Path

import pytest

from nobreak.errors import SettingsError
from nobreak.faces.s3.keyfile import load_keys, parse_keys
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.request import S3Error
from nobreak.lang import Lang

FILE = """
[[key]]
access_key = "reports"
secret_key = "s1"
read_only = true
buckets = ["reports", "logs-*", "day-?"]

[[key]]
access_key = "app"
secret_key = "s2"
"""


@pytest.fixture
def ring(tmp_path) -> KeyRing:
    path = tmp_path / "keys.toml"
    path.write_text(FILE, "utf-8")
    return load_keys(path, Lang.EN, [KeyPair("own", "s0")])


def test_the_pairs_of_the_file_and_of_the_settings_are_all_there(ring):
    assert len(ring) == 3
    assert [ring.pair(name).secret for name in ("own", "reports", "app")] == ["s0", "s1", "s2"]
    with pytest.raises(S3Error) as caught:
        ring.pair("nobody")
    assert caught.value.code == "InvalidAccessKeyId"


@pytest.mark.parametrize(
    ("access_key", "write", "bucket", "allowed"),
    [
        ("reports", False, "reports", True),
        ("reports", False, "logs-2026", True),
        ("reports", False, "day-1", True),
        ("reports", False, "day-10", False),
        ("reports", False, "reports2", False),
        ("reports", True, "reports", False),
        ("reports", False, None, True),
        ("reports", True, None, False),
        ("app", True, "anything", True),
        ("app", True, None, True),
        ("own", True, "reports", True),
        ("nobody", False, "reports", False),
    ],
)
def test_a_pair_reaches_what_its_limits_leave_it(ring, access_key, write, bucket, allowed):
    assert ring.allowed(access_key, write=write, bucket=bucket) is allowed


def test_a_pair_that_may_write_in_its_buckets_only_makes_no_others():
    ring = KeyRing([KeyPair("a", "s", buckets=("mine",))])
    assert ring.allowed("a", write=True, bucket="mine")
    assert not ring.allowed("a", write=True, bucket="other")
    assert not ring.allowed("a", write=True, bucket=None)


def test_secrets_never_show():
    assert "s1" not in repr(parse_keys(FILE, Path("f"), Lang.EN))


PAIR = '[[key]]\naccess_key = "a"\nsecret_key = "hidden"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "allowed: one or more [[key]] tables"),
        ("[key]\n", "allowed: one or more [[key]] tables"),
        ("key = [1]\n", "allowed: one or more [[key]] tables"),
        (PAIR + "[[keys]]\n", "allowed: one or more [[key]] tables"),
        ("x = hidden", "not TOML"),
        ('[[key]]\naccess_key = "a"\n', "[[key]] 1, secret_key: missing"),
        (PAIR + '[[key]]\nsecret_key = "hidden"\n', "[[key]] 2, access_key: missing"),
        (PAIR + "readonly = true\n", "[[key]] 1, readonly: allowed: access_key, secret_key"),
        (PAIR + "read_only = 1\n", "[[key]] 1, read_only: allowed: `true`"),
        (PAIR + 'buckets = "x"\n', "[[key]] 1, buckets: allowed: a list"),
        (PAIR + "buckets = []\n", "[[key]] 1, buckets: allowed: a list"),
        (PAIR + 'buckets = ["A"]\n', "[[key]] 1, buckets: allowed: a list"),
        (PAIR.replace('"a"', '"a/b"'), "[[key]] 1, access_key: allowed"),
        (PAIR.replace('"a"', '"a,b"'), "[[key]] 1, access_key: allowed"),
        (PAIR.replace('"a"', "1"), "[[key]] 1, access_key: allowed"),
        (PAIR.replace('"hidden"', '"hidden word"'), "[[key]] 1, secret_key: allowed"),
        (PAIR + PAIR, 'access_key="a" is there twice'),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_without_secrets(tmp_path, text, line):
    path = tmp_path / "keys.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_keys(path, Lang.EN)
    said = str(caught.value)
    assert said.startswith(f'NOBREAK_S3_KEYS_FILE="{path}": {line}')
    assert "\n" not in said
    assert "hidden" not in said


def test_a_file_that_cant_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r'none\.toml": não pode ser lido'):
        load_keys(tmp_path / "none.toml", Lang.PT_BR)
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="can't be read"):
        load_keys(tmp_path / "bytes", Lang.EN)
