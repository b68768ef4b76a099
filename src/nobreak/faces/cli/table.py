"""The table of commands, in the order in which `nobreak --help` shows them."""

from nobreak.faces.cli.group import Row
from nobreak.faces.cli.texts import said

_AT = "nobreak.faces.cli.commands."

COMMANDS = {
    "serve": Row(
        _AT + "serve",
        said("Monitora, atende e devolve: o serviço.", "Monitor, serve, give back: the service."),
    ),
    "status": Row(
        _AT + "status",
        said("Mostra o modo e o que está pendente.", "Show mode and pending writes."),
    ),
    "check": Row(
        _AT + "check",
        said("Verifica o servidor externo uma vez.", "Check the external server once."),
    ),
    "mode": Row(
        _AT + "mode", said("Mostra ou troca o modo à mão.", "Show the mode, or change it by hand.")
    ),
    "pending": Row(
        _AT + "pending",
        said(
            "Lista o que o servidor externo ainda não tem.",
            "List what the external server does not have yet.",
        ),
    ),
    "drain": Row(
        _AT + "drain",
        said("Acompanha a devolução até o fim.", "See everything given back."),
    ),
    "index": Row(
        _AT + "index",
        said(
            "Lê as listas do servidor externo, para tê-las numa queda.",
            "Read the external server's lists, to have them in an outage.",
        ),
    ),
    "drill": Row(
        _AT + "drill",
        said("Simula uma queda de propósito e confere.", "Play an outage on purpose, and verify."),
    ),
    "logs": Row(_AT + "logs", said("Mostra o log de saúde.", "Show the health log.")),
    "cp": Row(
        _AT + "cp",
        said("Copia arquivos de e para o storage.", "Copy files to and from the storage."),
    ),
    "ls": Row(_AT + "ls", said("Lista objetos.", "List objects.")),
    "cat": Row(_AT + "cat", said("Escreve objetos na saída.", "Write objects to stdout.")),
    "rm": Row(_AT + "rm", said("Apaga objetos.", "Delete objects.")),
    "doctor": Row(
        _AT + "doctor",
        said(
            "Examina configuração, servidor e disco, e aconselha.",
            "Examine settings, server and disk, and advise.",
        ),
    ),
    "demo": Row(
        _AT + "demo",
        said("Mostra uma queda de verdade, do começo ao fim.", "Show a real outage, start to end."),
    ),
    "version": Row(_AT + "version", said("Mostra a versão.", "Show the version.")),
}
