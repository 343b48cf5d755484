"""One folder per SDK: its `__init__` has the `PROVIDER` that the registry finds.

`hooks` names the functions of the SDK, `readings` where its values are, `content` its messages in
the convention's shape, where those are not of an API that several SDKs speak
(`spantoll.instrumentation.apis`). No folder imports another: each can be deleted.
"""
