"""JSON inside the chunks of a stream or in a body, decoded only where it can hold a value.

Input: bytes or text of the wire. Output: JSON objects, passed on to the `Observer` of the call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.observer import Observer

__all__ = ["DecodingObserver", "decode_object"]


def decode_object(text: str | bytes | bytearray) -> dict[str, Any] | None:
    """Decode a JSON object; None for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class DecodingObserver:
    """Shows an observer the JSON object inside each chunk of a stream.

    `extract` returns that text, empty for a chunk without one. It is decoded where one of `markers`
    is in it, or where content is captured; any other chunk counts as an empty object.

    `is_end` recognises the chunk after which the SDK reads no further. The span ends there: the SDK
    keeps the stream to itself, so that nobody would read it to its end or close it.
    """

    __slots__ = (
        "_extract",
        "_is_end",
        "_markers",
        "_observer",
        "add_call",
        "end_with",
        "fail",
        "finish",
        "mark_left",
        "observe_event",
        "observe_response",
        "set_value",
    )

    def __init__(
        self,
        observer: Observer,
        extract: Callable[[Any], Any],
        markers: tuple[Any, ...],
        *,
        is_end: Callable[[Any], bool] | None = None,
    ) -> None:
        self._observer = observer
        self._extract = extract
        self._markers = markers
        self._is_end = is_end
        self.fail, self.finish = observer.fail, observer.finish
        self.mark_left, self.end_with = observer.mark_left, observer.end_with
        self.observe_event, self.observe_response = (
            observer.observe_event,
            observer.observe_response,
        )
        self.set_value, self.add_call = observer.set_value, observer.add_call

    @property
    def ended(self) -> bool:
        """Whether the span has ended."""
        return self._observer.ended

    @property
    def captures_content(self) -> bool:
        """Whether the application asked for content."""
        return self._observer.captures_content

    @guarded(lambda *_: True)
    def observe_chunk(self, chunk: Any) -> bool:
        """Decode a chunk and pass its object on; False if the caller must not get it."""
        text = self._extract(chunk)
        if not text:
            if self._is_end is not None and self._is_end(chunk):
                self._observer.finish()
            return True
        wanted = self._observer.captures_content or any(mark in text for mark in self._markers)
        return self._observer.observe_chunk((decode_object(text) or {}) if wanted else {})
