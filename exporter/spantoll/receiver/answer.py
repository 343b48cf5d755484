"""Map outcomes to the codes of both transports.

In: an error. Out: an `Answer`, and its google.rpc.Status and RetryInfo. Senders drop what is
answered with a permanent code, so only what can never be stored gets one; the rest is RETRY.
https://opentelemetry.io/docs/specs/otlp/#failures
"""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

from google.protobuf import any_pb2, duration_pb2, json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2

from spantoll.errors import (
    BadRequest,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)

__all__ = ["ACCEPTED", "Answer", "Overloaded", "Verdict", "refusal", "retry_info", "status"]

MESSAGE_CHARACTERS = 500
"""gRPC carries it twice in its trailers, which clients limit to 8 KiB."""


class Verdict(Enum):
    """The possible outcomes as (gRPC code, HTTP status)."""

    OK = (code_pb2.OK, 200)
    BAD = (code_pb2.INVALID_ARGUMENT, 400)
    UNAUTHENTICATED = (code_pb2.UNAUTHENTICATED, 401)
    MEDIA = (code_pb2.INVALID_ARGUMENT, 415)
    TOO_LARGE = (code_pb2.RESOURCE_EXHAUSTED, 413)
    METHOD = (code_pb2.UNIMPLEMENTED, 405)
    NOT_FOUND = (code_pb2.UNIMPLEMENTED, 404)
    HEADERS = (code_pb2.INVALID_ARGUMENT, 431)
    RETRY = (code_pb2.UNAVAILABLE, 503)

    def __init__(self, code: int, http: int) -> None:
        self.code = code
        self.http = http


class Answer(NamedTuple):
    """The answer to one request; `rejected` and `message` of an OK become its partial success."""

    verdict: Verdict
    message: str = ""
    rejected: int = 0
    retry_after_s: float = 0.0

    @property
    def retry_after_header(self) -> bytes:
        """Return whole seconds, at least one: clients read 0 and fractions as no delay."""
        return b"%d" % max(1, math.ceil(self.retry_after_s))


ACCEPTED = Answer(Verdict.OK)


class Overloaded(StoreUnavailable):
    """Raised when a request is refused unread; `retry_after_s` says when to send it again."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def refusal(error: Exception, *, retry_after_s: float = 1.0) -> Answer:
    """Map an error to an answer; RETRY for every error that is not listed here."""
    match error:
        case Unauthenticated():
            return Answer(Verdict.UNAUTHENTICATED, str(error))
        case TooLarge():
            return Answer(Verdict.TOO_LARGE, str(error))
        case UnsupportedMedia():
            return Answer(Verdict.MEDIA, str(error))
        case BadRequest():
            return Answer(Verdict.BAD, str(error))
        case Overloaded():
            return Answer(Verdict.RETRY, str(error), retry_after_s=error.retry_after_s)
        case StoreUnavailable():
            return Answer(Verdict.RETRY, str(error), retry_after_s=retry_after_s)
        case _:
            message = f"unexpected {type(error).__name__}, please send again"
            return Answer(Verdict.RETRY, message, retry_after_s=retry_after_s)


def retry_info(answer: Answer) -> bytes:
    """Encode google.rpc.RetryInfo."""
    encoded: bytes = _retry_info(answer).SerializeToString()
    return encoded


def status(answer: Answer, *, as_json: bool = False) -> bytes:
    """Encode google.rpc.Status: the body of every HTTP error and the details of a gRPC one."""
    message = status_pb2.Status(code=answer.verdict.code, message=shorten(answer.message))
    if answer.verdict is Verdict.RETRY:
        message.details.append(_packed(_retry_info(answer)))
    elif answer.verdict is Verdict.BAD:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field="body", description=shorten(answer.message)
        )
        message.details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if as_json:
        return json_format.MessageToJson(message, indent=None).encode()
    encoded: bytes = message.SerializeToString()
    return encoded


def shorten(text: str) -> str:
    """Cut a message to what every client accepts."""
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 3] + "..."


def _retry_info(answer: Answer) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(round(answer.retry_after_s * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _packed(message: error_details_pb2.RetryInfo | error_details_pb2.BadRequest) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
