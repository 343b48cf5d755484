"""One request to one target: priced, split if large, each part attempted until it is taken.

Attempts and pauses are those of the Collector's exporters (`retry_on_failure` of exporterhelper).
Parts hold consecutive spans of a request, so that a number of spans identifies the sent parts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from spantoll.errors import StoreUnavailable
from spantoll.forward.counts import Tally
from spantoll.forward.request import QueuedRequest
from spantoll.forward.sender import Outcome, Reply, Sender
from spantoll.forward.split import split_request

__all__ = ["Delivery", "Retry"]

log = logging.getLogger(__name__)


class Retry(NamedTuple):
    """How an attempt is repeated; the defaults are the Collector's."""

    timeout_s: float = 5.0
    first_s: float = 5.0
    factor: float = 1.5
    longest_s: float = 30.0
    jitter: float = 0.5
    give_up_s: float = 300.0
    """When a request in memory is given up; also the longest pause that a target may ask for."""


class Delivery:
    """Delivers requests to one target, for one thread."""

    def __init__(
        self,
        name: str,
        sender: Sender,
        prepare: Callable[[QueuedRequest], bytes],
        tally: Tally,
        *,
        limit_bytes: int,
        retry: Retry,
        gives_up: bool,
        stopping: threading.Event,
    ) -> None:
        self._name = name
        self._sender = sender
        self._prepare = prepare
        self._tally = tally
        self._limit_bytes = limit_bytes
        self._retry = retry
        self._gives_up = gives_up
        self._stopping = stopping
        self._failing = False

    def deliver(self, request: QueuedRequest, record_sent: Callable[[int], None]) -> Outcome:
        """Send the unsent spans of a request; RETRY if it was given up or the process stops.

        `record_sent` is called with the spans of all parts that need no further attempt, except
        after the last part. A part that is refused does not keep back the others.
        """
        deadline = time.monotonic() + self._retry.give_up_s if self._gives_up else None
        body = self._price(request, deadline)
        if body is None:
            return Outcome.RETRY
        outcome = Outcome.TAKEN
        sent = request.sent_spans
        for part in split_request(body, self._limit_bytes, spans=request.spans, skip=sent):
            reply = self._send(part.body, request.hops, deadline)
            if reply.outcome is Outcome.RETRY:
                return Outcome.RETRY
            self._count(reply, part.spans)
            if reply.outcome is Outcome.REFUSED:
                outcome = Outcome.REFUSED
            sent += part.spans
            if sent < request.spans:
                record_sent(sent)
        return outcome

    def _price(self, request: QueuedRequest, deadline: float | None) -> bytes | None:
        while True:
            try:
                return self._prepare(request)
            except StoreUnavailable as error:
                if not self._pause(self._retry.first_s, deadline):
                    log.warning("%s: prices could not be read: %s", self._name, error)
                    return None

    def _send(self, body: bytes, hops: str, deadline: float | None) -> Reply:
        pause_s = self._retry.first_s
        while True:
            reply = self._sender.send(body, hops=hops, timeout_s=self._retry.timeout_s)
            if reply.outcome is not Outcome.RETRY:
                self._failing = False
                return reply
            if not self._failing:
                self._failing = True
                log.warning("%s: does not take requests at present: %s", self._name, reply.message)
            spread = self._retry.jitter
            jittered_s = pause_s * random.uniform(1 - spread, 1 + spread)  # noqa: S311  no secret
            if not self._pause(max(jittered_s, reply.after_s), deadline):
                if not self._stopping.is_set():
                    log.warning("%s: given up: %s", self._name, reply.message)
                return reply
            pause_s = min(pause_s * self._retry.factor, self._retry.longest_s)
            self._tally.add(retried=1)

    def _pause(self, pause_s: float, deadline: float | None) -> bool:
        """Wait before the next attempt; whether there is to be one."""
        if deadline is None:
            pause_s = min(pause_s, self._retry.give_up_s)
        elif time.monotonic() + pause_s > deadline:
            return False
        return not self._stopping.wait(pause_s)

    def _count(self, reply: Reply, spans: int) -> None:
        if reply.outcome is Outcome.REFUSED:
            log.warning("%s: refused %d spans: %s", self._name, spans, reply.message)
            self._tally.add(dropped_spans=spans)
            return
        # The target's number may be wrong; a counter must not fall.
        rejected = min(max(0, reply.rejected_spans), spans)
        if rejected or reply.message:
            log.warning("%s: %d spans rejected: %s", self._name, rejected, reply.message)
        self._tally.add(forwarded_spans=spans - rejected, rejected_spans=rejected)
