"""The settings of this machine: writes, disk, faces, log and language."""

from nobreak.lang import Lang, Text
from nobreak.settings.addresses import host, listen
from nobreak.settings.kinds import choice, flag, matching, path, rate, seconds, size, whole
from nobreak.settings.model import LogFormat
from nobreak.settings.row import ACCESS_KEY, DAY, HOUR, NONE, SECRET, Section, Setting
from nobreak.words import OnConflict, WritePolicy

_BUCKET = matching(
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    Text(
        "3 a 63 de: minúsculas, números, `.`, `-`",
        "3 to 63 of: lower-case letters, digits, `.`, `-`",
    ),
)

WRITES = Section(
    "writes",
    Text("Gravações", "Writes"),
    (
        Setting(
            "NOBREAK_BUCKET",
            "bucket",
            _BUCKET,
            "nobreak",
            Text("Bucket de quem não conhece buckets", "The bucket of faces that know no buckets"),
        ),
        Setting(
            "NOBREAK_WRITE_POLICY",
            "policy",
            choice(*WritePolicy),
            "through",
            Text(
                "`through`: confirma depois do externo (desviando se falhar); `back`: depois do disco local",
                "`through`: acknowledge after the external store (diverting on failure); `back`: after the local disk",
            ),
        ),
        Setting(
            "NOBREAK_DIVERT_AFTER",
            "divert_after",
            seconds(0.01, HOUR),
            "1.0",
            Text(
                "Espera máxima pelo externo antes de desviar para o disco local",
                "Longest wait for the external store before diverting to the local disk",
            ),
        ),
        Setting(
            "NOBREAK_SETTLE",
            "settle",
            seconds(0, DAY),
            "30",
            Text(
                "Por quanto tempo se teme uma tentativa de resultado desconhecido",
                "How long an attempt of unknown outcome is feared",
            ),
        ),
        Setting(
            "NOBREAK_DRAIN_CONCURRENCY",
            "drain_concurrency",
            whole(1, 1024),
            "16",
            Text("Objetos devolvidos ao mesmo tempo", "Objects given back at the same time"),
        ),
        Setting(
            "NOBREAK_DRAIN_RATE",
            "drain_rate",
            rate(1024),
            "0",
            Text(
                "Quanto a devolução envia ao externo, no máximo, por segundo; 0: sem limite. O tráfego normal não conta",
                "The most that giving back sends to the external store in a second; 0: no limit. Live traffic is not limited",
            ),
            live=True,
        ),
        Setting(
            "NOBREAK_UPLOAD_EXPIRES",
            "upload_expires",
            seconds(0, 365 * DAY),
            "604800",
            Text(
                "Tempo sem parte nova após o qual um envio multipart inacabado é abortado; 0: nunca",
                "Time without a new part after which an unfinished multipart upload is aborted; 0: never",
            ),
        ),
        Setting(
            "NOBREAK_ON_CONFLICT",
            "on_conflict",
            choice(*OnConflict),
            "keep-both",
            Text(
                "Se outra pessoa mudou no externo o que espera aqui: `ours`: fica o nosso; `theirs`: fica o de lá; `keep-both`: o nosso, e o de lá numa cópia",
                "If somebody else changed there what waits here: `ours` stays, `theirs` stays, or `keep-both`: ours, and theirs as a copy",
            ),
        ),
    ),
)

LOCAL = Section(
    "local",
    Text("Disco local", "Local disk"),
    (
        Setting(
            "NOBREAK_DATA_DIR",
            "data_dir",
            path(),
            "",
            Text("Onde ficam o journal e os dados locais", "Where journal and local data live"),
            Text(
                "`/var/lib/nobreak` se puder ser gravado, senão `~/.local/state/nobreak`",
                "`/var/lib/nobreak` when writable, else `~/.local/state/nobreak`",
            ),
        ),
        Setting(
            "NOBREAK_LOCAL_MAX_BYTES",
            "max_bytes",
            size(),
            "0",
            Text("Máximo de dados pendentes; 0: sem limite", "Most pending data; 0: no limit"),
        ),
        Setting(
            "NOBREAK_MIN_FREE_BYTES",
            "min_free_bytes",
            size(),
            "256M",
            Text("Espaço livre que sempre sobra no disco", "Free space always left on the disk"),
        ),
        Setting(
            "NOBREAK_CACHE_BYTES",
            "cache_bytes",
            size(),
            "0",
            Text(
                "Cópias locais de objetos do servidor externo, para lê-los na queda; 0: nenhuma",
                "Local copies of objects of the external server, to read them in an outage; 0: none",
            ),
        ),
    ),
)

S3 = Section(
    "s3",
    Text("Gateway S3", "S3 gateway"),
    (
        Setting(
            "NOBREAK_S3_LISTEN",
            "listen",
            listen(),
            "127.0.0.1:9000",
            Text("Onde o gateway S3 atende", "Where the S3 gateway listens"),
        ),
        Setting(
            "NOBREAK_ACCESS_KEY",
            "access_key",
            ACCESS_KEY,
            "",
            Text("Com que os clientes S3 do gateway assinam", "What clients of the gateway use"),
            Text("o par do storage externo", "the external store's pair"),
        ),
        Setting(
            "NOBREAK_SECRET_KEY",
            "secret_key",
            SECRET,
            "",
            Text("A chave secreta desse par", "The secret key of that pair"),
            Text("o par do storage externo", "the external store's pair"),
            secret=True,
        ),
        Setting(
            "NOBREAK_S3_KEYS_FILE",
            "keys_file",
            path(),
            "",
            Text(
                "Arquivo TOML com mais pares de chaves e seus limites; relido quando muda",
                "A TOML file with more key pairs and their limits; read again when it changes",
            ),
            NONE,
        ),
        Setting(
            "NOBREAK_S3_DOMAIN",
            "domain",
            host(),
            "",
            Text(
                "Domínio em que `bucket.domínio` é o endereço de um bucket",
                "The domain in which `bucket.domain` is a bucket's address",
            ),
            NONE,
        ),
        Setting(
            "NOBREAK_S3_TLS_CERT",
            "tls_cert",
            path(),
            "",
            Text(
                "Certificado (PEM, com a cadeia) para HTTPS; relido quando muda",
                "Certificate (PEM, with its chain) for HTTPS; read again when it changes",
            ),
            Text("sem TLS", "no TLS"),
        ),
        Setting(
            "NOBREAK_S3_TLS_KEY",
            "tls_key",
            path(),
            "",
            Text("A chave desse certificado, sem senha", "The certificate's key, unencrypted"),
            Text("sem TLS", "no TLS"),
        ),
    ),
)

API = Section(
    "api",
    Text("API HTTP", "HTTP API"),
    (
        Setting(
            "NOBREAK_API_LISTEN",
            "listen",
            listen(),
            "127.0.0.1:8001",
            Text(
                "Onde a API atende; além de loopback, só com token",
                "Where the API listens; beyond loopback only with a token",
            ),
        ),
        Setting(
            "NOBREAK_API_TOKEN",
            "token",
            SECRET,
            "",
            Text("Token (Bearer) que a API exige", "The bearer token that the API asks for"),
            NONE,
            secret=True,
        ),
        Setting(
            "NOBREAK_PUBLIC_FILES",
            "public_files",
            flag(),
            "false",
            Text(
                "Havendo token: `GET /files` pode ser lido sem ele",
                "With a token: `GET /files` may be read without it",
            ),
        ),
    ),
)

REPORTING = Section(
    "reporting",
    Text("Log e idioma", "Log and language"),
    (
        Setting(
            "HEALTH_LOG_FILE",
            "log_file",
            path(),
            "/var/log/health_monitor.log",
            Text(
                "Onde fica o log; se não puder ser gravado, na pasta de dados",
                "Where the log is; in the data directory if it can't be written",
            ),
        ),
        Setting(
            "NOBREAK_LOG_FORMAT",
            "log_format",
            choice(*LogFormat),
            "text",
            Text("Formato das linhas", "The format of its lines"),
        ),
        Setting(
            "NOBREAK_LOG_MAX_BYTES",
            "log_max_bytes",
            size(),
            "10M",
            Text(
                "Tamanho que faz girar o log; 0: nunca (para o logrotate)",
                "The size at which it rotates; 0: never (leave it to logrotate)",
            ),
        ),
        Setting(
            "NOBREAK_LOG_BACKUPS",
            "log_backups",
            whole(1, 1000),
            "5",
            Text("Quantos logs antigos ficam", "How many old logs are kept"),
        ),
        Setting(
            "NOBREAK_LANG",
            "lang",
            choice(*Lang),
            "pt-BR",
            Text("Idioma do log e das mensagens", "Language of log and messages"),
        ),
    ),
)
