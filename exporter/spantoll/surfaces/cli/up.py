from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database

__all__ = ["up"]


def up(
    database: Database = None,
    grpc: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="OTLP over gRPC, or off. [127.0.0.1:4317]"),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="OTLP over HTTP, or off. [127.0.0.1:4318]"),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Bearer tokens of senders, one a line, read again when it changes. "
            "Also SPANTOLL_TOKENS=a,b.",
        ),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Listen beyond this machine without tokens."),
    ] = None,
) -> None:
    """Receive OTLP, price model calls and keep them, until SIGINT or SIGTERM."""
    import logging
    import re

    from spantoll.pipeline.settle import make_settle
    from spantoll.pricing import load_rate_card
    from spantoll.receiver import Bound, Limits, Receiver, Tokens, run
    from spantoll.settings import load_settings
    from spantoll.surfaces.cli.ledger import prepare
    from spantoll.surfaces.cli.welcome import welcome

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    settings = load_settings(
        database=database, grpc=grpc, http=http, token_file=token_file, insecure=insecure
    )
    tokens = Tokens(
        re.split(r"[,\s]+", settings.tokens.get_secret_value()), file=settings.token_file
    )
    prepare(settings.database, create=True)

    def ready(_: Receiver, bound: Bound) -> None:
        for line in welcome(settings, bound):
            print(line, flush=True)

    status = run(
        database=settings.database,
        grpc=settings.grpc,
        http=settings.http,
        settle=make_settle(load_rate_card()),
        limits=Limits(body_bytes=settings.max_body_bytes, budget_bytes=settings.max_inflight_bytes),
        tokens=tokens,
        insecure=settings.insecure,
        grace_s=settings.grace_s,
        ready=ready,
    )
    raise typer.Exit(status)
