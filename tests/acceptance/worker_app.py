"""The example's router, and an endpoint that tells which worker answered, and what it reads."""

import os

from examples.fastapi_app import app, storage


@app.get("/worker")
async def worker(key: str = "") -> dict[str, object]:
    body = (await storage.store.read(storage.name(key))).decode() if key else ""
    mode = storage.nobreak.status()["current_mode"]
    return {"pid": os.getpid(), "mode": mode, "body": body}
