"""A backend whose uploads survive an outage of the storage server.

    EXTERNAL_STORAGE_URL=s3+http://host:9000 ... uvicorn examples.fastapi_app:app --workers 4

`PUT /users/{user}/photo` is its own endpoint; what it stored is served by nobreak's router, at an
address that works before, during and after an outage. `GET /api/storage-status` tells how it is.
"""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request

from nobreak import Attributes, NobreakError, Store
from nobreak.integrations.fastapi import Storage

storage = Storage()
app = FastAPI()
app.include_router(storage.router)
app.add_exception_handler(NobreakError, storage.on_error)


@app.put("/users/{user}/photo", status_code=201)
async def put_photo(
    user: str, request: Request, store: Annotated[Store, Depends(storage)]
) -> dict[str, object]:
    """Keep a user's photo; the body streams through, whatever its size."""
    key = f"photos/{user}"
    content_type = request.headers.get("content-type", "application/octet-stream")
    photo = await store.put(
        storage.name(key),
        request.stream(),
        attributes=Attributes(headers={"content-type": content_type}),
    )
    return {"url": f"/files/{quote(key)}", "size": photo.size}
