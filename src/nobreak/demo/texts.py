"""What the demo says to people, in both languages."""

from enum import IntEnum

from nobreak.lang import Text


class Act(IntEnum):
    """The acts of the play, in order."""

    SETUP = 0
    NORMAL = 1
    STRUCK = 2
    OUTAGE = 3
    RETURN = 4
    DRAIN = 5
    PROOF = 6


ACTS = {
    Act.SETUP: Text("Preparação", "Setting up"),
    Act.NORMAL: Text("Tudo normal", "All well"),
    Act.STRUCK: Text("Queda", "Outage"),
    Act.OUTAGE: Text("Em disco local", "On local disk"),
    Act.RETURN: Text("Retorno", "Return"),
    Act.DRAIN: Text("Devolução", "Giving back"),
    Act.PROOF: Text("Prova", "Proof"),
}

SCENES = {
    Act.SETUP: Text(
        "Iniciando um SeaweedFS real e o nobreak à frente dele...",
        "Starting a real SeaweedFS, and nobreak in front of it...",
    ),
    Act.NORMAL: Text(
        "Clientes gravam e leem: tudo vai direto ao servidor externo.",
        "Clients write and read: everything goes straight to the external server.",
    ),
    Act.STRUCK: Text("", ""),
    Act.OUTAGE: Text(
        "Fallback feito: gravações no disco local, nenhum cliente percebe.",
        "Fallback done: writes go to the local disk, no client notices.",
    ),
    Act.RETURN: Text("", ""),
    Act.DRAIN: Text(
        "Recovery feito: gravações vão ao externo, o journal está sendo devolvido.",
        "Recovery done: writes go external, the journal is being given back.",
    ),
    Act.PROOF: Text(
        "Lendo cada objeto direto do SeaweedFS e comparando os bytes...",
        "Reading every object directly from SeaweedFS, comparing the bytes...",
    ),
}

STRIKES = {
    "refuse": Text(
        "SIGKILL no servidor externo: conexões recusadas.",
        "SIGKILL for the external server: connections are refused.",
    ),
    "freeze": Text(
        "SIGSTOP no servidor externo: ele aceita conexões e nunca responde.",
        "SIGSTOP for the external server: it accepts connections and never answers.",
    ),
}
RETURNS = {
    "refuse": Text("Servidor externo iniciado de novo.", "The external server is started again."),
    "freeze": Text(
        "SIGCONT: o servidor externo descongela.", "SIGCONT: the external server thaws."
    ),
}

LOG = Text("Log do Health Monitor", "Health monitor log")
NOW = Text("Agora", "Now")
MODE = Text("Modo", "Mode")
JOURNAL = Text("Journal", "Journal")
ENTRIES = Text("itens", "entries")
DRAIN = Text("Devolução", "Drain")
RATE = Text("Operações/s", "Operations/s")
WRITES = Text("Gravações", "Writes")
READS = Text("Leituras", "Reads")
REFUSED = Text("503 honestos", "Honest 503s")
FAILURES = Text("Falhas", "Failures")
WAIT_RECENT = Text("Espera (5 s)", "Wait (5 s)")
WAIT_LONGEST = Text("Maior espera", "Longest wait")
LEFT = Text("faltam", "left")
IDLE = Text("nada a devolver", "nothing to give back")

RESULT = Text("Resultado", "Result")
OPERATIONS = Text("Operações dos clientes", "Client operations")
CLIENT_FAILURES = Text("Falhas vistas por clientes", "Failures seen by clients")
FAILED_WRITES = Text("  das quais gravações", "  of which writes")
READS_REFUSED = Text("Leituras recusadas com honestidade (503)", "Reads refused honestly (503)")
READS_CUT = Text("Leituras cortadas pela queda", "Reads cut short by the outage")
LONGEST = Text("Maior espera de um cliente", "Longest wait of a client")
LOST = Text("Gravações confirmadas perdidas", "Acknowledged writes lost")
WRONG = Text("Leituras com bytes errados", "Wrong bytes read")
STRANGE = Text("Objetos a mais no servidor externo", "Objects too many on the external server")
COMPARED = Text("Objetos comparados no SeaweedFS", "Objects compared on SeaweedFS")
TO_FALLBACK = Text("Da queda ao fallback", "From outage to fallback")
TO_DRAINED = Text("Do retorno à devolução completa", "From return to fully drained")
PROVED = Text("✅ NADA PERDIDO, NINGUÉM ESPEROU", "✅ NOTHING LOST, NOBODY WAITED")
NOT_PROVED = Text("❌ PROMESSA QUEBRADA", "❌ PROMISE BROKEN")
KEPT = Text("Arquivos em", "Files in")
STOPPED = Text("Interrompido.", "Interrupted.")
