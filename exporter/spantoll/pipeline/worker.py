"""A worker process of a receiver: bodies in, priced records out, in the order they came.

Input: the messages of `packing`, over the socket that the receiver passes on. Output: one message
for each: the batch or error of a job, nothing for prices. It opens no database and no port, and it
ends when the receiver closes the socket or dies.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import BinaryIO

from spantoll.errors import BadRequest
from spantoll.pipeline.ingest import Batch, Ingest
from spantoll.pipeline.packing import (
    LENGTH,
    Job,
    Prices,
    pack_batch,
    pack_error,
    unpack_order,
)
from spantoll.process import collect_rarely
from spantoll.semconv.kept import choose_attributes

__all__ = ["answer_orders", "main"]

log = logging.getLogger(__name__)

NICENESS = 5
"""Where cores are short the receiver, which commits for all workers, goes first: workers wait for
each other and for it otherwise, and a core waits for them."""

STEPS: dict[str, Callable[..., Batch]] = {"traces": Ingest.traces, "logs": Ingest.logs}


def answer_orders(orders: BinaryIO, send: Callable[[bytes], object]) -> None:
    """Answer each message of `orders` until they end; the first one has to be prices."""
    ingest: Ingest | None = None
    while (message := _read_message(orders)) is not None:
        order = unpack_order(message)
        if isinstance(order, Prices):
            choose_attributes(order.attributes)
            ingest = Ingest(order.card)
            answer = b""
        else:
            answer = _run(ingest, order)
        send(LENGTH.pack(len(answer)) + answer)


def _run(ingest: Ingest | None, job: Job) -> bytes:
    try:
        if ingest is None:
            raise RuntimeError("a job came before prices")
        batch = STEPS[job.signal](
            ingest,
            job.body,
            received_ns=job.received_ns,
            content_type=job.content_type,
            tenant=job.tenant,
        )
        return pack_batch(batch)
    except BadRequest as error:
        return pack_error(error)
    # As in the receiver: an unknown error must not become a permanent code.
    except Exception as error:
        log.exception("request failed unexpectedly")
        return pack_error(error)


def _read_message(orders: BinaryIO) -> bytes | None:
    """Read one message; None where the receiver has ended, also in the middle of one."""
    head = orders.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size_bytes,) = LENGTH.unpack(head)
    message = orders.read(size_bytes)
    return message if len(message) == size_bytes else None


def main(descriptor: int) -> None:
    """Answer the receiver at the other end of the socket `descriptor` until it ends."""
    # A terminal signals the whole group of processes; what is under way is finished first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    with (
        socket.socket(fileno=descriptor) as connection,
        connection.makefile("rb") as orders,
    ):
        try:
            collect_rarely()
            os.nice(NICENESS)
            answer_orders(orders, connection.sendall)
        except ConnectionError:
            log.debug("the receiver has ended")


if __name__ == "__main__":
    main(int(sys.argv[1]))
