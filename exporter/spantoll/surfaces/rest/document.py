"""Write the OpenAPI document to stdout: `python -m spantoll.surfaces.rest.document`."""

from __future__ import annotations

import json

from sqlalchemy import create_engine

from spantoll.pricing import load_rate_card
from spantoll.surfaces.rest.application import make_application, make_openapi
from spantoll.surfaces.rest.context import RestContext

__all__ = ["main"]


def main() -> None:
    """Write the document; nothing is read of the ledger."""
    context = RestContext(create_engine("sqlite://"), load_rate_card())
    print(json.dumps(make_openapi(make_application(context)), indent=1))  # noqa: T201  its purpose


if __name__ == "__main__":
    main()
