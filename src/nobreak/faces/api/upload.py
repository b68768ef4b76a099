"""`POST /api/upload`: the seed's upload, whose address works before, during and after an outage."""

import mimetypes
import re
import uuid
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Depends, Request

from nobreak.faces.api.bodies import incoming
from nobreak.faces.api.forms import FormFile, UploadForm
from nobreak.faces.api.guard import Guard
from nobreak.faces.api.names import UPLOAD_PATH, url_beside_upload
from nobreak.faces.api.problems import Problem
from nobreak.faces.api.sharing import Api
from nobreak.lang import Lang
from nobreak.words import Attributes, Mode

UNKNOWN_TYPE = "application/octet-stream"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")
_DOCUMENT = re.compile(
    r"text/.+|application/(?:pdf|rtf|json|xml|msword|vnd\.(?:ms-|oasis\.opendocument|openxml).*)"
)
_FORM = {
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        }
    }
}


def upload_router(api: Api) -> APIRouter:
    """The one route. Its errors look as the seed's clients expect: `{success, error}`."""
    router = APIRouter(tags=["files"], route_class=api.route_class(as_failure))
    router.add_api_route(
        UPLOAD_PATH,
        Upload(api).post,
        methods=["POST"],
        dependencies=[Depends(Guard(api).everything)],
        openapi_extra={"requestBody": _FORM},
    )
    return router


class Upload:
    """The endpoint."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def post(self, request: Request) -> dict[str, Any]:
        """Store the form's `file` under a name of our own, and say where it can be had."""
        form = UploadForm(request.headers.get("content-type", ""), incoming(request))
        file = await form.file()
        filename, content_type = stored_name(file.filename), type_of(file)
        nobreak = self._api.current()
        info = await nobreak.store.put(
            nobreak.name(filename),
            form.content(),
            attributes=Attributes({"content-type": content_type}),
        )
        return {
            "success": True,
            "filename": filename,
            "url": url_beside_upload(request, filename),
            "size": info.size,
            "kind": kind_of(content_type),
            "external": info.mode is Mode.EXTERNAL,
        }


def stored_name(filename: str) -> str:
    """A unique, safe name that keeps the extension."""
    suffix = PurePosixPath(filename).suffix
    return uuid.uuid4().hex + (suffix.lower() if _SUFFIX.fullmatch(suffix) else "")


def type_of(file: FormFile) -> str:
    """The file's type: what the form says, else what its extension says."""
    if file.content_type and file.content_type != UNKNOWN_TYPE:
        return file.content_type
    return mimetypes.guess_type(stored_name(file.filename))[0] or UNKNOWN_TYPE


def kind_of(content_type: str) -> str:
    """What a person would call it: image, video, audio, document or other."""
    plain = content_type.partition(";")[0].strip().lower()
    main = plain.partition("/")[0]
    if main in {"image", "video", "audio"}:
        return main
    return "document" if _DOCUMENT.fullmatch(plain) else "other"


def as_failure(problem: Problem, lang: Lang) -> dict[str, Any]:
    """`{"success": false, "error": text}`, and the code for programs."""
    return {"success": False, "error": problem.text.within(lang), "code": problem.code}
