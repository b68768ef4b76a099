"""A multipart form with one file (RFC 7578), parsed as it arrives: the file is never held whole.

The file's bytes end only when the whole form has proved well: a second file, or a form that is
cut short, fails the write that they feed, and leaves no trace.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from nobreak.faces.api.problems import ApiError
from nobreak.lang import Text

FIELD = b"file"
MAX_SKIPPED = 1024 * 1024
"""What other fields and preambles may hold in all (bytes)."""
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:[ \t]*;[^,\x00-\x1f\x7f]*)?")

_NO_FORM = Text(
    'Envie um formulário multipart/form-data com o campo "file"',
    'Send a multipart/form-data form with the field "file"',
)
_NO_FILE = Text('Falta o arquivo no campo "file"', 'The field "file" has no file')
_TWO_FILES = Text("Envie um arquivo de cada vez", "Send one file at a time")
_MALFORMED = Text("O formulário está malformado", "The form is malformed")
_CUT_SHORT = Text("O formulário acabou antes do fim", "The form ended too early")
_TOO_MUCH = Text("Há dados demais fora do arquivo", "There is too much data beside the file")


@dataclass(frozen=True, slots=True)
class FormFile:
    """What the form says of its file. `content_type` is empty when it says nothing usable."""

    filename: str
    content_type: str


class UploadForm:
    """A form on its way in. `file` first, then `content`. Both raise `ApiError`."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._parser = MultipartParser(
            _boundary_of(content_type),
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name_comes,
                "on_header_value": self._header_value_comes,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_are_finished,
                "on_part_data": self._data_comes,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
        )
        self._file: FormFile | None = None
        self._within_file = False
        self._ended = False
        self._skipped = 0
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._ready: list[bytes] = []

    async def file(self) -> FormFile:
        """Read up to the file, and say what the form says of it."""
        while self._file is None:
            if not await self._read_on():
                raise ApiError(422, "file_missing", _NO_FILE)
        return self._file

    async def content(self) -> AsyncIterator[bytes]:
        """The file's bytes."""
        while True:
            ready, self._ready = self._ready, []
            for data in ready:
                yield data
            if not await self._read_on():
                break
        if not self._ended:
            raise ApiError(400, "form_cut_short", _CUT_SHORT)

    async def _read_on(self) -> bool:
        """Parse some more; False when nothing is left."""
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ApiError(400, "form_malformed", _MALFORMED) from error
        return True

    def _part_begins(self) -> None:
        self._headers = {}

    def _header_name_comes(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value_comes(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _headers_are_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if options.get(b"name") != FIELD or not options.get(b"filename"):
            return
        if self._file is not None:
            raise ApiError(422, "two_files", _TWO_FILES)
        given = self._headers.get(b"content-type", b"").decode("latin-1").strip()
        content_type = given if _TYPE.fullmatch(given) else ""
        self._file = FormFile(options[b"filename"].decode(errors="replace"), content_type)
        self._within_file = True

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        if self._within_file:
            self._ready.append(data[start:end])
            return
        self._skipped += end - start
        if self._skipped > MAX_SKIPPED:
            raise ApiError(400, "form_too_big", _TOO_MUCH)

    def _part_ends(self) -> None:
        self._within_file = False

    def _form_ends(self) -> None:
        self._ended = True


def _boundary_of(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 70:  # noqa: PLR2004 - RFC 2046
        raise ApiError(400, "form_required", _NO_FORM)
    return boundary
