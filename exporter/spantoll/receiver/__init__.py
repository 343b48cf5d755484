from spantoll.receiver.limits import Limits
from spantoll.receiver.server import GRPC, HTTP, Bound, Receiver, run, serve
from spantoll.receiver.tokens import Tokens

__all__ = ["GRPC", "HTTP", "Bound", "Limits", "Receiver", "Tokens", "run", "serve"]
