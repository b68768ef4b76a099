"""Settings from environment and `.env`: DESIGN.md's list, the seed's names and file format."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from nobreak.errors import SettingsError
from nobreak.lang import Lang
from nobreak.settings import ExternalKind, LogFormat, Probe, Settings, load_settings
from nobreak.settings.docs import env_example, markdown_table, with_table
from nobreak.settings.table import SECTIONS, TABLE
from nobreak.words import WritePolicy

ROOT = Path(__file__).parents[2]
SEED = {"EXTERNAL_STORAGE_HOST": "198.96.94.106", "EXTERNAL_STORAGE_PORT": "9000"}
S3 = {
    "EXTERNAL_STORAGE_URL": "s3+http://store:8333",
    "EXTERNAL_STORAGE_ACCESS_KEY": "key",
    "EXTERNAL_STORAGE_SECRET_KEY": "hidden-word",
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(**variables: str) -> Settings:
    return load_settings({**SEED, **variables})


def load_file(content: bytes | str, tmp_path: Path, **environ: str) -> Settings:
    path = tmp_path / "settings.env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_settings(environ, path)


def test_the_defaults_are_the_seeds():
    settings = load()
    health = settings.health
    assert (health.interval, health.timeout, health.max_failures) == (60.0, 5.0, 3)
    assert (health.min_successes, health.fast_interval) == (3, 1.0)
    assert (health.hold_down, health.hold_down_max, health.flap_window) == (10, 300, 600)
    assert health.check_url == "http://198.96.94.106:9000/health"
    assert health.probes == (Probe.HTTP,)
    assert settings.use_external is True
    assert settings.reporting.log_file == Path("/var/log/health_monitor.log")
    assert settings.reporting.lang is Lang.PT_BR


def test_the_defaults_are_those_of_the_design():
    settings = load()
    assert (str(settings.s3.listen), str(settings.api.listen)) == (
        "127.0.0.1:9000",
        "127.0.0.1:8001",
    )
    assert settings.writes.bucket == "nobreak"
    assert settings.writes.policy is WritePolicy.THROUGH
    assert (settings.writes.divert_after, settings.writes.settle) == (1.0, 30.0)
    assert (settings.writes.drain_concurrency, settings.writes.drain_rate) == (16, 0)
    assert (settings.local.max_bytes, settings.local.cache_bytes) == (0, 0)
    assert settings.local.min_free_bytes == 256 * 1024**2
    assert settings.reporting.log_max_bytes == 10_485_760
    assert settings.reporting.log_backups == 5
    assert settings.reporting.log_format is LogFormat.TEXT
    assert (settings.api.token, settings.api.public_files) == ("", False)


def test_host_and_port_of_the_seed_mean_its_upload_server():
    external = load().external
    assert external.kind is ExternalKind.UPLOAD
    assert (external.url, external.host, external.port) == (
        "http://198.96.94.106:9000",
        "198.96.94.106",
        9000,
    )


@pytest.mark.parametrize(
    ("url", "kind", "http", "host", "port"),
    [
        ("s3+http://store:8333/", "s3", "http://store:8333", "store", 8333),
        ("s3+https://S3.Example.com", "s3", "https://s3.example.com", "s3.example.com", 443),
        ("dav+http://[::1]:80/a%20b/", "dav", "http://[::1]:80/a%20b", "::1", 80),
        ("upload+http://10.0.0.1:9000", "upload", "http://10.0.0.1:9000", "10.0.0.1", 9000),
    ],
)
def test_an_external_storage_url_names_driver_and_place(url, kind, http, host, port):
    external = load_settings({**S3, "EXTERNAL_STORAGE_URL": url}).external
    assert (external.kind, external.url, external.host, external.port) == (kind, http, host, port)


def test_a_url_may_be_joined_by_the_host_and_port_that_it_agrees_with():
    url = "s3+http://198.96.94.106:9000"
    external = load_settings({**S3, **SEED, "EXTERNAL_STORAGE_URL": url}).external
    assert external.kind is ExternalKind.S3


def test_an_s3_store_is_probed_as_s3_at_its_endpoint_unless_a_check_url_is_given():
    health = load_settings(S3).health
    assert (health.probes, health.check_url) == ((Probe.S3,), "http://store:8333")
    given = load_settings({**S3, "HEALTH_CHECK_URL": "http://store:8333/status"}).health
    assert (given.probes, given.check_url) == ((Probe.HTTP,), "http://store:8333/status")


def test_a_canary_is_written_in_doubt_unless_a_probe_was_chosen_or_it_would_stay():
    s3 = {
        "EXTERNAL_STORAGE_URL": "s3+http://store:8333",
        "EXTERNAL_STORAGE_ACCESS_KEY": "a",
        "EXTERNAL_STORAGE_SECRET_KEY": "b",
    }
    assert load_settings(s3).health.canary_in_doubt
    assert not load_settings({**s3, "HEALTH_PROBE": "http"}).health.canary_in_doubt
    upload = {"EXTERNAL_STORAGE_URL": "upload+http://store:9000"}
    assert not load_settings(upload).health.canary_in_doubt


def test_several_probes_can_be_asked_for_and_each_counts_once():
    assert load(HEALTH_PROBE="auto, deep,http").health.probes == (Probe.HTTP, Probe.DEEP)


def test_clients_of_the_gateway_sign_with_the_external_pair_unless_they_have_their_own():
    assert load_settings(S3).s3.access_key == "key"
    own = load_settings({**S3, "NOBREAK_ACCESS_KEY": "mine", "NOBREAK_SECRET_KEY": "word"}).s3
    assert (own.access_key, own.secret_key) == ("mine", "word")


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1000", 1000), ("50G", 50 * 1024**3), ("1.5K", 1536), ("2mib", 2 * 1024**2)],
)
def test_sizes_are_bytes_or_carry_a_suffix(text, size):
    assert load(NOBREAK_LOCAL_MAX_BYTES=text).local.max_bytes == size


def test_no_secret_shows_when_settings_are_printed():
    settings = load_settings({**S3, "NOBREAK_API_TOKEN": "hidden-word"})
    assert "hidden-word" not in repr(settings)


def test_an_empty_variable_counts_as_not_set():
    assert load(HEALTH_CHECK_INTERVAL="", NOBREAK_API_TOKEN=" ").health.interval == 60.0


# --- where the data is ---------------------------------------------------------------------


def test_data_lives_in_var_lib_when_that_can_be_written(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert load().local.data_dir == Path("/var/lib/nobreak")


def test_data_lives_under_the_users_state_directory_otherwise(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert load(HOME="/home/a").local.data_dir == Path("/home/a/.local/state/nobreak")
    assert load(XDG_STATE_HOME="/x").local.data_dir == Path("/x/nobreak")
    assert load(NOBREAK_DATA_DIR="here").local.data_dir == Path.cwd() / "here"


# --- the file --------------------------------------------------------------------------------


def test_the_seeds_file_is_read_as_it_stands(tmp_path):
    """Seed: quotes, and comments behind the values."""
    seed = """
    # Intervalo entre cada verificação (em segundos)
    HEALTH_CHECK_INTERVAL="30"    # Verifica a cada 30s
    HEALTH_CHECK_TIMEOUT="3"      # Timeout de 3s
    HEALTH_MAX_FAILURES="2"       # Fallback após 2 falhas
    USE_EXTERNAL_STORAGE="false"
    """
    settings = load_file(seed, tmp_path, **SEED)
    assert (settings.health.interval, settings.health.timeout) == (30.0, 3.0)
    assert settings.health.max_failures == 2
    assert settings.use_external is False


@pytest.mark.parametrize(
    "line",
    [
        b"HEALTH_MAX_FAILURES=7",
        b"HEALTH_MAX_FAILURES='7'",
        b'export HEALTH_MAX_FAILURES="7"',
        b'HEALTH_MAX_FAILURES = "7" # note',
        b"\xef\xbb\xbfHEALTH_MAX_FAILURES=7",
        b'A="1"\r\nHEALTH_MAX_FAILURES="7"\r\nB=2\r\n',
        b"HEALTH_MAX_FAILURES=1\nHEALTH_MAX_FAILURES=7",
        b"some app's odd line\nHEALTH_MAX_FAILURES=7",
    ],
)
def test_quotes_comments_export_bom_and_crlf_are_understood(line, tmp_path):
    assert load_file(line, tmp_path, **SEED).health.max_failures == 7


def test_a_dollar_sign_in_the_file_is_a_plain_character(tmp_path):
    settings = load_file("NOBREAK_API_TOKEN=a${HOME}$b", tmp_path, **SEED, HOME="/root")
    assert settings.api.token == "a${HOME}$b"


def test_the_environment_outranks_the_file(tmp_path):
    settings = load_file("HEALTH_MAX_FAILURES=7", tmp_path, **SEED, HEALTH_MAX_FAILURES="9")
    assert settings.health.max_failures == 9


def test_the_file_is_dot_env_here_unless_the_environment_names_another(tmp_path):
    Path(".env").write_text("HEALTH_MAX_FAILURES=7")
    other = tmp_path / "other.env"
    other.write_text("HEALTH_MAX_FAILURES=8")
    assert load().health.max_failures == 7
    assert load(NOBREAK_ENV_FILE=str(other)).health.max_failures == 8
    assert load().env_file == tmp_path / ".env"


def test_a_file_that_was_named_must_be_there():
    with pytest.raises(SettingsError, match=r'^NOBREAK_ENV_FILE=".*/gone.env": .*lido'):
        load(NOBREAK_ENV_FILE="gone.env")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_stops_the_start(content, tmp_path):
    path = tmp_path / ".env"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(SettingsError, match="NOBREAK_ENV_FILE"):
        load()


def test_a_line_meant_for_us_that_makes_no_sense_stops_the_start_without_showing_it(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load_file('A=1\nNOBREAK_API_TOKEN="hidden-word\n', tmp_path, **SEED, NOBREAK_LANG="en")
    assert str(caught.value).startswith("NOBREAK_API_TOKEN: ")
    assert str(caught.value).endswith(', line 2 is not NAME="value"')
    assert "hidden-word" not in str(caught.value)


# --- unknown names ---------------------------------------------------------------------------


def test_a_misspelt_variable_is_reported_with_the_one_that_was_meant():
    unknown = load(NOBREAK_DIVERT_AFTR="1", HEALTH_SERVICE_HOST="x", PATH="y").unknown
    assert [(each.name, each.nearest) for each in unknown] == [
        ("HEALTH_SERVICE_HOST", ""),
        ("NOBREAK_DIVERT_AFTR", "NOBREAK_DIVERT_AFTER"),
    ]


# --- exposure --------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_the_api_needs_no_token_on_loopback(listen):
    load(NOBREAK_API_LISTEN=listen).check_api_exposure()


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "myhost:1"])
def test_the_api_refuses_to_be_exposed_without_a_token(listen):
    with pytest.raises(SettingsError, match=r"^NOBREAK_API_LISTEN=.*NOBREAK_API_TOKEN$"):
        load(NOBREAK_API_LISTEN=listen).check_api_exposure()
    load(NOBREAK_API_LISTEN=listen, NOBREAK_API_TOKEN="t").check_api_exposure()


def test_the_gateway_refuses_to_listen_where_the_external_store_is():
    with pytest.raises(SettingsError, match=r'^NOBREAK_S3_LISTEN="127.0.0.1:9000"'):
        load(EXTERNAL_STORAGE_HOST="localhost").check_s3_listen()
    load().check_s3_listen()


# --- the table -------------------------------------------------------------------------------


def test_the_table_and_the_dataclasses_have_the_same_fields():
    settings = load()
    resolved = {("external", "kind"), ("external", "use"), ("health", "canary_in_doubt")}
    for section in SECTIONS:
        rows = {(section.group, row.field) for row in section.rows}
        group = {(section.group, each.name) for each in fields(getattr(settings, section.group))}
        assert rows - resolved == group - resolved


def test_every_setting_is_explained_in_both_languages():
    for row in TABLE:
        texts = [row.meaning, row.kind.allowed, row.otherwise]
        assert all(text.pt and text.en for text in texts if text), row.name
        assert row.default or row.otherwise, row.name
        for lang in Lang:
            assert markdown_table(lang).count(f"| `{row.name}`") == 1


def test_the_committed_env_example_is_made_from_the_table():
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_env_example_can_be_loaded_as_it_stands_and_with_its_comments_removed(tmp_path):
    assert load_settings({}, ROOT / ".env.example").unknown == ()
    values = env_example().replace("\n#", "\n").replace("s3+http:", "upload+http:")
    for name in ("EXTERNAL_STORAGE_ACCESS_KEY", "EXTERNAL_STORAGE_SECRET_KEY"):
        assert f'\n{name}=""' in values
    defaults = load_file(values, tmp_path)
    assert defaults.values == load_file(env_example(), tmp_path).values | {
        "EXTERNAL_STORAGE_URL": defaults.values["EXTERNAL_STORAGE_URL"]
    }


@pytest.mark.parametrize(("name", "lang"), [("README.md", "en"), ("README.pt-BR.md", "pt-BR")])
def test_the_tables_of_the_readmes_are_made_from_the_table(name, lang):
    path = ROOT / name
    text = path.read_text() if path.exists() else ""
    assert with_table(text, Lang(lang)) == text


def test_only_what_stands_between_the_markers_is_rewritten():
    page = "a\n<!-- settings -->\nold\n<!-- /settings -->\nb\n"
    fresh = with_table(page, Lang.EN)
    assert fresh.startswith("a\n<!-- settings -->\n| Variable |")
    assert fresh.endswith("|\n<!-- /settings -->\nb\n")
    assert with_table("no markers", Lang.EN) == "no markers"
