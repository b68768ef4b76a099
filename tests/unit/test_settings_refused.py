"""A bad value stops the start with one line: the variable, the value and what is allowed."""

import pytest

from nobreak.errors import SettingsError
from nobreak.settings import load_settings

BASE = {"EXTERNAL_STORAGE_HOST": "store", "EXTERNAL_STORAGE_PORT": "9000", "NOBREAK_LANG": "en"}

BAD_VALUES = {
    "HEALTH_CHECK_INTERVAL": ["0", "-1", "abc", "1,5", "nan", "inf", "1e3", "1_0", "99999999", "٣"],
    "HEALTH_CHECK_TIMEOUT": ["0", "5s"],
    "HEALTH_MAX_FAILURES": ["0", "1.5", "-3", "+3", "three", "1001"],
    "HEALTH_MIN_SUCCESSES": ["0", "x"],
    "HEALTH_FAST_INTERVAL": ["0", "x"],
    "HEALTH_PROBE": ["ping", "http,", "http;deep", "s3"],
    "HEALTH_CHECK_URL": ["host/health", "ftp://h/", "http://", "http://h:99999/", "http://a b/"],
    "HEALTH_HOLD_DOWN": ["-1", "x", "301"],
    "HEALTH_HOLD_DOWN_MAX": ["x", "99999999"],
    "HEALTH_FLAP_WINDOW": ["x"],
    "USE_EXTERNAL_STORAGE": ["maybe", "2", "sim"],
    "EXTERNAL_STORAGE_URL": [
        "http://store:9000",
        "s3://store",
        "s3+ftp://store",
        "s3+http://",
        "s3+http://store:0",
        "s3+http://store/bucket",
        "s3+http://store?x=1",
        "dav+http://store/a#b",
        "s3+http://[::zz]",
        "s3+http://st ore",
        "s3+http://store\u00e9",
    ],
    "EXTERNAL_STORAGE_HOST": ["http://store", "a b", "-x", "store:9000", "[::zz]"],
    "EXTERNAL_STORAGE_PORT": ["0", "65536", "http", "tcp://10.0.0.1:80"],
    "EXTERNAL_STORAGE_REGION": ["us east", "a/b"],
    "EXTERNAL_STORAGE_ACCESS_KEY": ["a/b", "a,b", "a b"],
    "NOBREAK_BUCKET": ["ab", "Upper", "a_b", "x" * 64, "-ab", "a/b"],
    "NOBREAK_WRITE_POLICY": ["write-through", "thru"],
    "NOBREAK_DIVERT_AFTER": ["0", "x"],
    "NOBREAK_SETTLE": ["-1", "x"],
    "NOBREAK_DRAIN_CONCURRENCY": ["0", "1025", "x"],
    "NOBREAK_DRAIN_RATE": ["-1", "10", "1000", "0.5K", "fast", "10M/s"],
    "NOBREAK_LOCAL_MAX_BYTES": ["-1", "50X", "G", "50 50", "1.G"],
    "NOBREAK_MIN_FREE_BYTES": ["10%"],
    "NOBREAK_DATA_DIR": ["~nobody-has-this-name/x", "a\0b"],
    "NOBREAK_S3_LISTEN": ["9000", ":9000", "::1:9000", "[::1]", "[x]:1", "h:65536", "h:", "a b:1"],
    "NOBREAK_API_LISTEN": ["*:1", "http://h:1"],
    "NOBREAK_ACCESS_KEY": ["a/b"],
    "NOBREAK_S3_KEYS_FILE": ["a\0b"],
    "NOBREAK_S3_DOMAIN": ["a b", "http://s3.host", "s3.host:9000", "-x"],
    "NOBREAK_PUBLIC_FILES": ["x"],
    "NOBREAK_LOG_FORMAT": ["xml"],
    "NOBREAK_LOG_MAX_BYTES": ["x"],
    "NOBREAK_LOG_BACKUPS": ["0", "x"],
    "NOBREAK_LANG": ["fr", "pt"],
}


def complaint(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings({**BASE, **environ})
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_VALUES.items() for value in values]
)
def test_a_bad_value_is_named_with_its_variable(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = complaint({name: value})
    assert line.startswith(f'{name}="{value}": '.replace("\0", r"\u0000"))
    assert len(line.split('": ', 1)[1]) > 10


@pytest.mark.parametrize(
    "name", ["EXTERNAL_STORAGE_SECRET_KEY", "NOBREAK_SECRET_KEY", "NOBREAK_API_TOKEN"]
)
def test_a_bad_secret_is_never_shown(name):
    line = complaint({name: "hidden word", "NOBREAK_ACCESS_KEY": "a"})
    assert line.startswith(f'{name}="***": allowed: ')
    assert "hidden" not in line


@pytest.mark.parametrize("name", ["EXTERNAL_STORAGE_URL", "HEALTH_CHECK_URL"])
def test_a_password_in_an_address_is_refused_and_never_shown(name):
    scheme = "s3+http" if name == "EXTERNAL_STORAGE_URL" else "http"
    line = complaint({name: f"{scheme}://user:hidden@store:9000"})
    assert "hidden" not in line
    assert "***@store" in line


@pytest.mark.parametrize(
    ("environ", "start"),
    [
        (
            {"EXTERNAL_STORAGE_URL": "upload+http://other:9000"},
            'EXTERNAL_STORAGE_HOST="store": contradicts EXTERNAL_STORAGE_URL (other)',
        ),
        (
            {"EXTERNAL_STORAGE_URL": "upload+http://store:9001"},
            'EXTERNAL_STORAGE_PORT="9000": contradicts EXTERNAL_STORAGE_URL (9001)',
        ),
        ({"EXTERNAL_STORAGE_HOST": ""}, 'EXTERNAL_STORAGE_HOST="": host and port go together'),
        ({"EXTERNAL_STORAGE_PORT": ""}, 'EXTERNAL_STORAGE_PORT="": host and port go together'),
        (
            {"EXTERNAL_STORAGE_HOST": "", "EXTERNAL_STORAGE_PORT": ""},
            'EXTERNAL_STORAGE_URL="": no external store is configured',
        ),
        (
            {"EXTERNAL_STORAGE_URL": "s3+http://store:9000"},
            'EXTERNAL_STORAGE_ACCESS_KEY="": required for s3+http',
        ),
        (
            {"EXTERNAL_STORAGE_SECRET_KEY": "hidden"},
            'EXTERNAL_STORAGE_ACCESS_KEY="": missing beside EXTERNAL_STORAGE_SECRET_KEY',
        ),
        (
            {"NOBREAK_ACCESS_KEY": "a"},
            'NOBREAK_SECRET_KEY="": missing beside NOBREAK_ACCESS_KEY',
        ),
        (
            {"HEALTH_HOLD_DOWN": "20", "HEALTH_HOLD_DOWN_MAX": "10"},
            'HEALTH_HOLD_DOWN="20": exceeds HEALTH_HOLD_DOWN_MAX=10',
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(environ, start):
    assert complaint(environ).startswith(start)


def test_the_line_is_portuguese_unless_english_was_asked_for():
    assert "permitido: segundos" in complaint({"HEALTH_CHECK_TIMEOUT": "x", "NOBREAK_LANG": ""})
    assert "allowed: seconds" in complaint({"HEALTH_CHECK_TIMEOUT": "x"})


def test_a_value_with_a_newline_still_makes_one_line():
    assert complaint({"HEALTH_PROBE": "a\nb\x1b[2J"}).startswith(r'HEALTH_PROBE="a\nb\u001b[2J"')
