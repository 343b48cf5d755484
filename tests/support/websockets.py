"""A WebSocket server on loopback that real SDKs connect to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websockets.sync.server import ServerConnection, serve

__all__ = ["serve_websockets"]


@contextmanager
def serve_websockets(talk: Callable[[ServerConnection], None]) -> Iterator[str]:
    """Serve each connection by `talk`; give the server's host and port."""
    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()
