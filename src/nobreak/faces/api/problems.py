"""What went wrong, as a client is told: a status, a code for programs, a text for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from nobreak.errors import (
    RETRY_AFTER,
    BodyMismatchError,
    CorruptBodyError,
    InvalidRequestError,
    LocalStoreError,
    NotFoundError,
    OutageError,
    OutOfSpaceError,
    OvertakenError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    RefusedError,
    UnavailableError,
    UnsupportedError,
)
from nobreak.lang import Text
from nobreak.printable import printable

AGAIN = {"retry-after": str(RETRY_AFTER)}
CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is no success. `detail`: what is known beyond the text, in English."""

    status: int
    code: str
    text: Text
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A request that the API itself turns down."""

    def __init__(
        self, status: int, code: str, text: Text, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text.en)
        self.problem = Problem(status, code, text, headers=headers or {})


UNEXPECTED = Problem(500, "internal_error", Text("Erro interno", "Internal error"))
_AWAY = Text(
    "O storage externo está fora do ar, e só ele pode responder isto; tente de novo em instantes",
    "The external store is away, and only it can answer this; try again in a moment",
)
_DISK = Text("O disco local do servidor falhou", "The server's local disk failed")
_FULL = Text("Não há espaço no disco local do servidor", "The server's local disk has no room")
_INVALID = Text("Pedido inválido", "Invalid request")
_BROKEN = Text("A cópia local deste objeto está danificada", "The local copy is damaged")


def problem_of(error: Exception) -> Problem | None:
    """The problem behind an exception; None for one that nobody raised on purpose."""
    detail = printable(str(error))
    match error:
        case ApiError():
            return error.problem
        case NotFoundError():
            text = Text("O objeto não existe", "The object does not exist")
            return Problem(404, "not_found", text, printable(str(error.name)))
        case RangeNotSatisfiableError():
            text = Text("O intervalo está fora do objeto", "The range lies outside of the object")
            headers = {"content-range": f"bytes */{error.size}"}
            return Problem(416, "range_not_satisfiable", text, headers=headers)
        case PreconditionFailedError() | OvertakenError():
            text = Text("O objeto já é outro", "The object is another one by now")
            return Problem(412, "precondition_failed", text, printable(str(error.name)))
        case BodyMismatchError():
            text = Text(
                "O conteúdo não é o que foi anunciado", "The body is not what was announced"
            )
            return Problem(400, "body_mismatch", text, detail)
        case InvalidRequestError():
            return Problem(400, "invalid_request", _INVALID, detail)
        case UnavailableError():
            return Problem(503, "unavailable", _AWAY, detail, AGAIN)
        case RefusedError():
            return _refused(error)
        case _:
            return _failure(error, detail) or _from_framework(error)


def _failure(error: Exception, detail: str) -> Problem | None:
    """What is our side's fault. Paths of this machine's disk are not for clients."""
    match error:
        case OutageError():
            return Problem(503, "unavailable", _AWAY, detail, AGAIN)
        case OutOfSpaceError():
            return Problem(507, "out_of_space", _FULL)
        case LocalStoreError():
            return Problem(503, "local_store_failed", _DISK, headers=AGAIN)
        case CorruptBodyError():
            return Problem(500, "corrupt_body", _BROKEN)
        case UnsupportedError():
            text = Text("Sem suporte no storage externo", "The external store can't do this")
            return Problem(501, "unsupported", text, detail)
    return None


def _refused(error: RefusedError) -> Problem:
    """The external store's own answer, passed on."""
    text = Text("O storage externo recusou", "The external store refused")
    status = error.status if error.status in CLIENT_ERRORS else HTTPStatus.BAD_GATEWAY
    code = printable(error.code, 100) or "refused"
    return Problem(status, code, text, printable(error.message or str(error)))


def _from_framework(error: Exception) -> Problem | None:
    if isinstance(error, RequestValidationError):
        found = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        return Problem(422, "invalid_request", _INVALID, printable(found))
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        text = Text(_STATUS_PT.get(status, status.phrase), status.phrase)
        return Problem(status, status.name.lower(), text, headers=dict(error.headers or {}))
    return None


_STATUS_PT = {
    HTTPStatus.NOT_FOUND: "Não existe",
    HTTPStatus.METHOD_NOT_ALLOWED: "Método não permitido",
    HTTPStatus.BAD_REQUEST: "Pedido inválido",
}
