"""The settings of the external store and of its monitor."""

from nobreak.lang import Text
from nobreak.settings.addresses import MAX_PORT, host, http_url, store_url
from nobreak.settings.kinds import choices, flag, matching, seconds, whole
from nobreak.settings.model import Probe
from nobreak.settings.row import ACCESS_KEY, DAY, HOUR, NONE, SECRET, Section, Setting

_REGION = matching("[A-Za-z0-9_-]+", Text("letras, números, `-`, `_`", "letters, digits, `-`, `_`"))

EXTERNAL = Section(
    "external",
    Text("Storage externo", "External store"),
    (
        Setting(
            "EXTERNAL_STORAGE_URL",
            "url",
            store_url(),
            "",
            Text("Onde está o storage externo, e de que tipo", "Where it is, and of which kind"),
            Text("host e porta abaixo", "host and port below"),
        ),
        Setting(
            "EXTERNAL_STORAGE_HOST",
            "host",
            host(),
            "",
            Text(
                "Com a porta: um servidor de upload, como `upload+http://host:porta`",
                "With the port: an upload server, as `upload+http://host:port`",
            ),
            NONE,
            seed=True,
        ),
        Setting(
            "EXTERNAL_STORAGE_PORT",
            "port",
            whole(1, MAX_PORT),
            "",
            Text("A porta desse servidor", "The port of that server"),
            NONE,
            seed=True,
        ),
        Setting(
            "EXTERNAL_STORAGE_ACCESS_KEY",
            "access_key",
            ACCESS_KEY,
            "",
            Text("Usuário no storage externo (obrigatório em S3)", "User there (required by S3)"),
            NONE,
        ),
        Setting(
            "EXTERNAL_STORAGE_SECRET_KEY",
            "secret_key",
            SECRET,
            "",
            Text("Senha desse usuário", "That user's password"),
            NONE,
            secret=True,
        ),
        Setting(
            "EXTERNAL_STORAGE_REGION",
            "region",
            _REGION,
            "us-east-1",
            Text("Região S3 que entra na assinatura", "The S3 region to sign for"),
        ),
        Setting(
            "USE_EXTERNAL_STORAGE",
            "use",
            flag(),
            "true",
            Text(
                "`true`: automático, começando pelo externo; `false`: fixo em local",
                "`true`: automatic, starting external; `false`: pinned to local",
            ),
            live=True,
            seed=True,
        ),
    ),
)

HEALTH = Section(
    "health",
    Text("Monitoramento", "Health monitor"),
    (
        Setting(
            "HEALTH_CHECK_INTERVAL",
            "interval",
            seconds(0.05, DAY),
            "60",
            Text("Intervalo entre verificações", "Time between checks"),
            live=True,
            seed=True,
        ),
        Setting(
            "HEALTH_CHECK_TIMEOUT",
            "timeout",
            seconds(0.05, HOUR),
            "5",
            Text("Timeout de cada verificação", "Time-out of each check"),
            live=True,
            seed=True,
        ),
        Setting(
            "HEALTH_MAX_FAILURES",
            "max_failures",
            whole(1, 1000),
            "3",
            Text("Falhas consecutivas antes do fallback", "Failures in a row before fallback"),
            live=True,
            seed=True,
        ),
        Setting(
            "HEALTH_MIN_SUCCESSES",
            "min_successes",
            whole(1, 1000),
            "3",
            Text("Sucessos consecutivos antes do recovery", "Successes in a row before recovery"),
            live=True,
        ),
        Setting(
            "HEALTH_FAST_INTERVAL",
            "fast_interval",
            seconds(0.05, HOUR),
            "1",
            Text(
                "Intervalo enquanto há dúvida ou o servidor está fora",
                "Time between checks while in doubt, or while the server is away",
            ),
            live=True,
        ),
        Setting(
            "HEALTH_PROBE",
            "probes",
            choices(*Probe),
            "auto",
            Text(
                "Como verificar; `deep` grava, lê e apaga um objeto; `auto`: `s3` ou `http`, e em caso de dúvida também `deep`",
                "How to check; `deep` writes, reads and deletes an object; `auto`: `s3` or `http`, and while in doubt `deep` too",
            ),
            live=True,
        ),
        Setting(
            "HEALTH_CHECK_URL",
            "check_url",
            http_url(),
            "",
            Text("Endereço da verificação HTTP", "What the HTTP check asks for"),
            Text(
                "`http://HOST:PORT/health`; em S3 e WebDAV, o próprio endereço",
                "`http://HOST:PORT/health`; for S3 and WebDAV, the store's own address",
            ),
            live=True,
        ),
        Setting(
            "HEALTH_HOLD_DOWN",
            "hold_down",
            seconds(0, DAY),
            "10",
            Text(
                "Quanto ele deve ficar estável depois de uma segunda queda seguida; dobra a cada queda",
                "How long it must stay well after a second outage in a row; doubles at each further one",
            ),
            live=True,
        ),
        Setting(
            "HEALTH_HOLD_DOWN_MAX",
            "hold_down_max",
            seconds(0, DAY),
            "300",
            Text("Limite dessa espera", "The limit of that wait"),
            live=True,
        ),
        Setting(
            "HEALTH_FLAP_WINDOW",
            "flap_window",
            seconds(0, DAY),
            "600",
            Text(
                "Quedas mais próximas que isto contam como seguidas",
                "Outages closer than this count as in a row",
            ),
            live=True,
        ),
    ),
)
