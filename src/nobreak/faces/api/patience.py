"""uvicorn's HTTP protocol with an end to its patience: it waits for ever for a request to come."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from nobreak.faces.limits import limits_of, open_files

HEAD_WITHIN = 20.0
"""A request's line and headers must be here so soon after its first byte (seconds)."""


class PatientProtocol(H11Protocol):
    """Closes connections that send no whole request in time, or none at all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > limits_of(open_files()).to_api:
            transport.close()  # the journal's files go first
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._idle:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_WITHIN, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._idle:
            self.transport.close()
