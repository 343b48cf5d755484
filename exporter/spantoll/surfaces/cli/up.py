"""`spantoll up`: the receiver as a process.

Input: flags, over the settings. Output: a running receiver, its addresses on stdout, and the exit
status of its shutdown. Raises ConfigurationError before it listens.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.defaults import GRPC_ADDRESS, HTTP_ADDRESS
from spantoll.surfaces.cli.options import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spantoll.forward import Forwarder, Target
    from spantoll.pricing import RateCard
    from spantoll.receiver import Receiver, ReceiverConfig
    from spantoll.receiver.mount import Application
    from spantoll.receiver.tls import TlsFiles
    from spantoll.settings import Settings
    from spantoll.storage import KeyRing, Store

__all__ = ["run_receiver", "up"]


Grpc = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help=f"OTLP over gRPC, or off. [{GRPC_ADDRESS}]"),
]
Http = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help=f"OTLP over HTTP, or off. [{HTTP_ADDRESS}]"),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Bearer tokens of senders, one a line, read again when it changes. "
        "Also SPANTOLL_TOKENS=a,b.",
    ),
]
Insecure = Annotated[
    bool | None,
    typer.Option("--insecure", help="Listen beyond this machine without tokens."),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Serve with TLS: this certificate, read again on change."),
]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="The key of the certificate.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Only clients with a certificate of this authority."),
]
Forward = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Send received traces on, priced: http://jaeger:4318, grpc://jaeger:4317. Repeatable.",
    ),
]
ForwardQueue = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Keep what waits to be sent on in files, not in memory."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes that decode and price; with 1, the receiver does it itself. Unless given: "
        "2 on two cores and more, from the first load on.",
    ),
]
NoDashboard = Annotated[
    bool, typer.Option("--no-dashboard", help="Serve OTLP and the REST API, and no pages.")
]
Demo = Annotated[
    bool,
    typer.Option(
        "--demo",
        help="Show 30 days of made-up calls, in a ledger of their own that is removed at the end; "
        "on a free port of this machine unless --http names one.",
    ),
]
ForwardDurable = Annotated[
    bool | None,
    typer.Option(
        "--forward-durable",
        help="Acknowledge a request only when it is on the disk of --forward-queue.",
    ),
]
ForwardHeader = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[URL ]NAME=VALUE",
        help="Header for the target of --forward. Also SPANTOLL_FORWARD_HEADERS.",
    ),
]


def up(
    database: Database = None,
    grpc: Grpc = None,
    http: Http = None,
    token_file: TokenFile = None,
    insecure: Insecure = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    forward: Forward = None,
    forward_queue: ForwardQueue = None,
    forward_durable: ForwardDurable = None,
    forward_header: ForwardHeader = None,
    workers: Workers = None,
    no_dashboard: NoDashboard = False,
    demo: Demo = False,
) -> None:
    """Receive OTLP, price model calls and keep them, until SIGINT or SIGTERM."""
    from spantoll.settings import load_settings

    if demo:
        from spantoll.surfaces.cli.up_demo import run_demo

        refused = {
            "--database": database,
            "--grpc": grpc,
            "--token-file": token_file,
            "--insecure": insecure,
            "--forward": forward,
        }
        raise typer.Exit(run_demo(http, dashboard=not no_dashboard, refused=refused))

    settings = load_settings(
        database=database,
        grpc=grpc,
        http=http,
        token_file=token_file,
        insecure=insecure,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        forward=",".join(forward) if forward else None,
        forward_queue=forward_queue,
        forward_durable=forward_durable,
        forward_headers=",".join(forward_header) if forward_header else None,
        workers=workers,
    )
    raise typer.Exit(run_receiver(settings, dashboard=not no_dashboard))


def run_receiver(
    settings: Settings,
    *,
    dashboard: bool = True,
    demo: bool = False,
    listening: Callable[[str], None] = lambda url: None,
) -> int:
    """Run the receiver of these settings until it is stopped; return its exit status.

    `demo` marks the pages; `listening` gets the URL that takes calls. Raises ConfigurationError.
    """
    import logging

    from spantoll.pipeline.price_sync import start_refreshing
    from spantoll.pipeline.settle import make_settle
    from spantoll.pipeline.user_pricing import PriceFollower
    from spantoll.receiver import Bound, run
    from spantoll.semconv.kept import choose_attributes
    from spantoll.storage import open_store
    from spantoll.surfaces.cli.ledger import make_directory, now_ns
    from spantoll.surfaces.cli.upkeep import keep_ledger
    from spantoll.surfaces.cli.welcome import name_url, welcome

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    choose_attributes(settings.kept_attributes)
    headers = read_targets_with_headers(settings)
    make_directory(settings.database)
    keys = find_keys(settings)

    def ready(receiver: Receiver, bound: Bound) -> None:
        if retention is not None:
            receiver.metrics.add_retention(retention.read_counts)
        prices_used = follower.card.price_set
        for line in welcome(settings, bound, prices_used, dashboard=pages if dashboard else None):
            print(line, flush=True)
        if url := name_url(settings.http, bound.http, tls=settings.tls_cert is not None):
            listening(url)

    pages = dashboard and has_pages()
    config = read_config(settings, keys)
    prices = open_store(settings.database)
    follower = PriceFollower(prices.engine)
    follower.start()
    refresher = start_refreshing(prices, settings.price_sources, clock_ns=now_ns)
    try:
        with keep_ledger(prices, settings, card=follower.card) as retention:
            return run(
                settings.database,
                config,
                rate_card=follower.card,
                settle=make_settle(follower.card),
                onward=make_forwarder(settings, tuple(headers), headers) if headers else None,
                application=make_rest(settings, follower.card, keys, dashboard=pages, demo=demo),
                ready=ready,
            )
    finally:
        keys.close()
        refresher.close()
        follower.close()
        prices.close()


def read_targets_with_headers(settings: Settings) -> Mapping[Target, Mapping[str, str]]:
    """Read where traces go on to, each with its headers. Raises ConfigurationError."""
    from spantoll.forward import read_headers, read_targets

    targets = read_targets(settings.forward)
    headers = read_headers(settings.forward_headers.get_secret_value(), targets)
    check_targets(targets, settings)
    return headers


def check_targets(targets: Sequence[Target], settings: Settings) -> None:
    """Raise ConfigurationError for a target that is one of the addresses listened on."""
    from spantoll.receiver.address import Address

    listened = [Address.parse(text, flag="") for text in (settings.grpc, settings.http) if text]
    for target in targets:
        target.check_elsewhere([(address.host, address.port) for address in listened])


def make_forwarder(
    settings: Settings, targets: Sequence[Target], headers: Mapping[Target, Mapping[str, str]]
) -> Callable[[Store], Forwarder]:
    """Return what sends the received traces of a store on."""
    from spantoll.forward import Forwarder

    def onward(store: Store) -> Forwarder:
        return Forwarder(
            targets,
            store.engine,
            headers=headers,
            queue=settings.forward_queue,
            durable=settings.forward_durable,
        )

    return onward


def read_config(settings: Settings, keys: KeyRing) -> ReceiverConfig:
    """Return where the receiver listens, which keys it accepts and its limits.

    Raises ConfigurationError for what could not be listened to safely.
    """
    import re

    from spantoll.receiver import Limits, ReceiverConfig, Tokens

    given = re.split(r"[,\s]+", settings.tokens.get_secret_value())
    tokens = Tokens(given, file=settings.token_file, keys=keys)
    config = ReceiverConfig(
        grpc=settings.grpc,
        http=settings.http,
        limits=Limits(body_bytes=settings.max_body_bytes, budget_bytes=settings.max_inflight_bytes),
        tokens=tokens,
        insecure=settings.insecure,
        tls=read_tls(settings),
        workers=settings.workers,
        grace_s=settings.grace_s,
    )
    config.check()
    return config


def read_tls(settings: Settings) -> TlsFiles | None:
    """Return the files of TLS, if any are set. Raises ConfigurationError unless they fit."""
    from spantoll.errors import ConfigurationError
    from spantoll.receiver.tls import Tls, TlsFiles

    if settings.tls_cert is None or settings.tls_key is None:
        if settings.tls_cert or settings.tls_key or settings.tls_client_ca:
            raise ConfigurationError("TLS takes both --tls-cert and --tls-key")
        return None
    files = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    Tls(files)
    return files


def find_keys(settings: Settings) -> KeyRing:
    """Return the access keys of the ledger, if there is one already."""
    from spantoll.errors import NoLedger
    from spantoll.storage import KeyRing, open_store

    keys = KeyRing()
    with suppress(NoLedger):
        store = open_store(settings.database, create=False)
        try:
            keys.load(store.engine)
        finally:
            store.close()
    return keys


def has_pages() -> bool:
    """Return whether the extra of the dashboard is installed."""
    from importlib.util import find_spec

    return find_spec("jinja2") is not None


def make_rest(
    settings: Settings,
    rate_card: RateCard,
    keys: KeyRing,
    *,
    dashboard: bool,
    demo: bool = False,
) -> Callable[[Receiver], Application]:
    """Return what makes the REST API of a receiver, and loads it: it takes longer than the rest."""
    from spantoll.query import TraceUrl
    from spantoll.query.cache import open_cache
    from spantoll.receiver.address import Address

    answers = open_cache(settings.cache, ttl_s=settings.cache_s)
    links = TraceUrl(settings.trace_url) if settings.trace_url else None
    local = settings.http is None or Address.parse(settings.http, flag="--http").is_private()

    def application(receiver: Receiver) -> Application:
        from spantoll.surfaces.rest import Access, RestContext, make_application

        pages: Callable[..., None] | None = None
        if dashboard:
            from spantoll.surfaces.dashboard import add_dashboard

            pages = partial(add_dashboard, settings=settings)
        access = Access(keys, local=local, anybody=settings.insecure and not local)
        store = receiver.store
        keys.follow(store.engine)
        context = RestContext(
            store.engine,
            rate_card,
            settings.tz,
            links,
            commit=receiver.commit,
            store=store,
            fiscal_start=settings.fiscal_start,
            demo=demo,
            answers=answers,
        )
        receiver.metrics.add_cache(lambda: answers.counts)
        return make_application(context, access, pages=pages)

    return application
