from __future__ import annotations

from collections.abc import Iterator

from spantoll.forward import read_targets
from spantoll.pricing.result import PriceSet
from spantoll.receiver import Bound
from spantoll.settings import Settings, load_settings
from spantoll.storage import hide_password

__all__ = ["name_url", "welcome"]

EVERYWHERE = ("", "0.0.0.0", "[::]")  # noqa: S104  compared, not listened on


def welcome(
    settings: Settings, bound: Bound, prices: PriceSet, *, dashboard: bool | None = None
) -> Iterator[str]:
    """Return lines: what to open, where to send, where the ledger is, which prices are used.

    `dashboard` is False where its extra is missing, None where it is switched off.
    """
    tls = settings.tls_cert is not None
    http = name_url(settings.http, bound.http, tls=tls)
    grpc = name_url(settings.grpc, bound.grpc, tls=tls)
    if http and dashboard:
        yield f"Dashboard  {http}/"
    elif http and dashboard is False:
        yield "Dashboard  pip install 'spantoll[dashboard]', or say --no-dashboard"
    if http:
        yield f"REST       {http}/api/v1/openapi.json"
    if grpc:
        yield f"OTLP/gRPC  {grpc}"
    if http:
        yield f"OTLP/HTTP  {http}  (POST /v1/traces)"
    yield f"Ledger     {hide_password(settings.database)}"
    yield f"Prices     {prices.source} {prices.version} of {prices.as_of}, {prices.rows:,} models"
    for target in read_targets(settings.forward):
        yield f"Forward    {target}"
    # `spantoll run` sends over HTTP by default
    protocol = "" if http else "OTEL_EXPORTER_OTLP_PROTOCOL=grpc "
    if http or grpc:
        endpoint = f"{protocol}OTEL_EXPORTER_OTLP_ENDPOINT={http or grpc}"
        yield f"Send       {endpoint} spantoll run -- python app.py"
    elsewhere = settings.database != load_settings().database
    where = f" --database {hide_password(settings.database)}" if elsewhere else ""
    yield f"See        spantoll usage --by model{where}"


def name_url(address: str | None, port: int | None, *, tls: bool = False) -> str | None:
    """Return the URL of a bound address for a client on this machine; None if there is none."""
    if address is None or port is None:
        return None
    host = address.rpartition(":")[0]
    return f"{'https' if tls else 'http'}://{'127.0.0.1' if host in EVERYWHERE else host}:{port}"
