from spantoll.receiver.limits import Limits
from spantoll.receiver.server import GRPC, HTTP, Bound, Receiver, run, serve

__all__ = ["GRPC", "HTTP", "Bound", "Limits", "Receiver", "run", "serve"]
