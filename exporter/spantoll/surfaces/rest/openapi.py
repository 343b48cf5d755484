"""The OpenAPI document: what it says of every route.

Input: the model of an answer. Output: the `responses` of a route, in each format it is written in,
and the errors any route may give.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from spantoll.surfaces.rest.media import HTML, MEDIA_TYPES

__all__ = ["describe_files", "describe_formats", "describe_json", "describe_page"]

HEADERS: dict[str, Any] = {
    "ETag": {"schema": {"type": "string"}, "description": "For If-None-Match."},
}
TEXT = ("csv", "jsonl")
BINARY = {"type": "string", "format": "binary"}
NOT_MODIFIED: dict[str, Any] = {"description": "The client has this answer already."}


def describe_formats(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is written in every format."""
    others = {
        media: {"schema": {"type": "string"} if name in TEXT else BINARY}
        for name, media in MEDIA_TYPES.items()
        if name != "json"
    }
    return {200: {"model": model, "content": others, "headers": HEADERS}, 304: NOT_MODIFIED}


def describe_page(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is written in every format and as a page."""
    described = describe_formats(model)
    described[200]["content"][HTML] = {"schema": {"type": "string"}}
    return described


def describe_json(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is JSON only."""
    return {200: {"model": model, "headers": HEADERS}, 304: NOT_MODIFIED}


def describe_files() -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is a file, in every format but JSON."""
    contents = {
        media: {"schema": {"type": "string"} if name in TEXT else BINARY}
        for name, media in MEDIA_TYPES.items()
        if name != "json"
    }
    return {200: {"description": "The file.", "content": contents}}
