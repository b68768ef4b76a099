"""`/files/{key}`: plain HTTP for applications that speak no S3. Any key, any size, streamed."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from nobreak.engine.reading import Reading
from nobreak.faces.api.bodies import incoming, open_response
from nobreak.faces.api.guard import Guard
from nobreak.faces.api.headers import attributes_of, md5_of, object_headers, size_of
from nobreak.faces.api.names import FILE_ROUTE, key_of, url_of_same
from nobreak.faces.api.problems import ApiError
from nobreak.faces.api.sharing import Api, as_error
from nobreak.faces.http_conditions import CONDITIONAL, Conditions, Verdict, range_of
from nobreak.lang import Text
from nobreak.words import Mode, ObjectInfo, ObjectName, RangeRequest


def files_router(api: Api) -> APIRouter:
    """The routes of `/files`."""
    guard, files = Guard(api), Files(api)
    router = APIRouter(tags=["files"], route_class=api.route_class(as_error))
    everything, reading = [Depends(guard.everything)], [Depends(guard.reading)]
    router.add_api_route(
        FILE_ROUTE,
        files.put,
        methods=["PUT"],
        status_code=201,
        dependencies=everything,
    )
    router.add_api_route(FILE_ROUTE, files.get, methods=["GET"], dependencies=reading)
    router.add_api_route(FILE_ROUTE, files.head, methods=["HEAD"], dependencies=reading)
    router.add_api_route(
        FILE_ROUTE, files.delete, methods=["DELETE"], status_code=204, dependencies=everything
    )
    return router


class Files:
    """The endpoints. Errors of the store go up to the route, which knows their answers."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def put(self, request: Request) -> Response:
        """Store an object under this key."""
        _refuse_conditions(request)
        name = self._name(request)
        info = await self._api.current().store.put(
            name,
            incoming(request),
            attributes=attributes_of(request.headers),
            size=size_of(request.headers),
            md5=md5_of(request.headers),
        )
        url = url_of_same(request, name.key)
        stored = {
            "key": name.key,
            "size": info.size,
            "etag": info.etag,
            "url": url,
            "external": info.mode is Mode.EXTERNAL,
        }
        return JSONResponse(stored, 201, headers={"etag": f'"{info.etag}"'})

    async def get(self, request: Request) -> Response:
        """The object, or one range of it."""
        name, conditions = self._name(request), Conditions(request.headers)
        range_ = range_of(request.headers.get("range"))
        if conditions.given:
            info = await self._api.current().store.head(name)
            if early := _instead(conditions, info):
                return early
            range_ = range_ if conditions.allow_range(info) else None
        reading = await self._open(name, range_)
        early = _instead(conditions, reading.info)
        if early is not None:
            await reading.aclose()
            return early
        if range_ is not None and not conditions.allow_range(reading.info):
            await reading.aclose()  # it changed between the two looks
            reading = await self._open(name, None)
        headers = object_headers(reading.info)
        status = 200
        if range_ is not None and reading.length < reading.info.size:
            status = 206
            last = reading.start + reading.length - 1
            extent = f"bytes {reading.start}-{last}/{reading.info.size}"
            headers.append((b"content-range", extent.encode()))
        return await open_response(reading, headers, status)

    async def head(self, request: Request) -> Response:
        """What is known of the object."""
        info = await self._api.current().store.head(self._name(request))
        if early := _instead(Conditions(request.headers), info):
            return early
        answer = Response()
        length = (b"content-length", str(info.size).encode())
        answer.raw_headers = [*object_headers(info), length]
        return answer

    async def delete(self, request: Request) -> Response:
        """Delete the object; one that is not there is a success."""
        _refuse_conditions(request)
        await self._api.current().store.delete(self._name(request))
        return Response(status_code=204)

    def _name(self, request: Request) -> ObjectName:
        return self._api.current().name(key_of(request))

    async def _open(self, name: ObjectName, range_: RangeRequest | None) -> Reading:
        return await self._api.current().store.get(name, range_=range_)


def _instead(conditions: Conditions, info: ObjectInfo) -> Response | None:
    """The answer that takes the object's place; None when it is to be sent."""
    match conditions.verdict(info):
        case Verdict.NOT_MODIFIED:
            answer = Response(status_code=304)
            kept = (b"content-type", b"content-disposition")
            answer.raw_headers = [each for each in object_headers(info) if each[0] not in kept]
            return answer
        case Verdict.FAILED:
            text = Text("O objeto já é outro", "The object is another one by now")
            raise ApiError(412, "precondition_failed", text)
        case Verdict.PROCEED:
            return None


def _refuse_conditions(request: Request) -> None:
    """No change can be made conditional here: to ignore the condition would be a lie (I2)."""
    given = [name for name in (*CONDITIONAL, "content-range") if name in request.headers]
    if given:
        name = given[0]
        text = Text(f"{name} não é aceito em gravações", f"{name} is not supported for changes")
        raise ApiError(501, "not_implemented", text)
