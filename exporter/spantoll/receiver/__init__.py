from spantoll.receiver.config import ReceiverConfig
from spantoll.receiver.limits import Limits
from spantoll.receiver.server import Bound, Receiver, run, serve
from spantoll.receiver.tokens import Tokens

__all__ = ["Bound", "Limits", "Receiver", "ReceiverConfig", "Tokens", "run", "serve"]
