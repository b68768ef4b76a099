"""The HTTP API: status, health, events, files and uploads. Made of a router that fits any app."""

from nobreak.faces.api.app import create_app
from nobreak.faces.api.serve import api_server

__all__ = ["api_server", "create_app"]
