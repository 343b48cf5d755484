"""Settings of the ledger: flags over `SPANTOLL_...` over a TOML file over defaults.

Input: flags that were given, environment variables, `spantoll.toml` (or SPANTOLL_CONFIG). Output:
one frozen `Settings`. Raises ConfigurationError for a value or name that is wrong, at start.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from spantoll.defaults import GRPC_ADDRESS, HTTP_ADDRESS
from spantoll.errors import ConfigurationError

__all__ = [
    "PREFIX",
    "SECTIONS",
    "Settings",
    "default_database",
    "find_file",
    "list_origins",
    "load_settings",
    "read_section",
]

PREFIX = "SPANTOLL_"
FILE = "spantoll.toml"
FILE_VARIABLE = "SPANTOLL_CONFIG"
OFF = ("off", "none", "")
KEPT_PERIOD = re.compile(r"[1-9]\d{0,4}(d|w|mo|y)")
"""At least a day, in which late spans and duplicates of calls arrive."""
SECTIONS = ("prices", "aliases", "exchange_rates", "customers", "owners")
"""Tables of the file that are no settings; what they are for reads them with `read_section`."""


def default_database() -> str:
    """Name the file of the ledger in the user's data directory (XDG base directories)."""
    data = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return str(Path(data) / "spantoll" / "usage.db")


class Settings(BaseSettings):
    """Everything that can be set; read once at start and passed on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    database: str = Field(default_factory=default_database)
    """The ledger: the path of a file, or the URL of a database."""
    grpc: str | None = GRPC_ADDRESS
    """HOST:PORT of OTLP over gRPC; `off` does not listen."""
    http: str | None = HTTP_ADDRESS
    """HOST:PORT of OTLP over HTTP; `off` does not listen."""
    tokens: SecretStr = SecretStr("")
    """Bearer tokens that senders may use, comma separated; none = anybody who can connect."""
    token_file: Path | None = None
    """File of such tokens, one a line, read again when it changes."""
    insecure: bool = False
    """Listen beyond this machine without tokens."""
    tls_cert: Path | None = None
    """PEM file of the certificate that the ports are served with; read again when it changes."""
    tls_key: Path | None = None
    """PEM file of the key of that certificate."""
    tls_client_ca: Path | None = None
    """PEM file of the authority that must have signed the certificates of clients."""
    trace_url: str | None = None
    """Where people look at traces: http://.../{trace_id}, or a preset: jaeger=http://HOST:16686."""
    forward: str = ""
    """Where received traces go on to, priced: comma separated http://, https://, grpc:// URLs."""
    forward_queue: Path | None = None
    """Directory of a queue on disk for what is forwarded, so that it survives the process."""
    forward_durable: bool = False
    """Acknowledge a request when it is on the disk of that queue; refuse it while it cannot be."""
    forward_headers: SecretStr = SecretStr("")
    """Headers of what is forwarded, comma separated NAME=VALUE, or 'URL NAME=VALUE' for several."""
    max_body_bytes: int = Field(default=64 << 20, gt=0)
    """Bytes of the largest request that is taken, before and after decompression."""
    max_inflight_bytes: int = Field(default=128 << 20, gt=0)
    """Bytes of the bodies of all requests under way, decompressed."""
    workers: int | None = Field(default=None, ge=1, le=64)
    """Processes that decode and price what is received; with 1, the receiver's own. Unless set,
    2 on two cores and more, which start when there is work for them."""
    grace_s: float = Field(default=20.0, ge=0)
    """Seconds that a stopping receiver takes to finish what is under way."""
    price_sources: str = ""
    """What a running receiver imports prices from every 24 hours, comma separated: genai-prices,
    litellm, URLs, files; nothing unless set."""
    keep_attributes: str = ""
    """Attributes that records keep too, comma separated: keys, and prefixes such as `app.*`."""
    promoted_attributes: str = ""
    """Attributes that records keep and that are found by an index, comma separated keys."""
    retention: str = ""
    """For how long records are kept, such as 400d: `spantoll up` deletes older ones once a day,
    and keeps their sums; nothing unless set."""
    cache: str = "memory"
    """Where answers in real time are kept: memory, redis://HOST:PORT for several processes, off."""
    cache_s: float = Field(default=300.0, gt=0)
    """Seconds after which such an answer is made again."""
    tz: str = "UTC"
    """IANA zone of reports that name none."""
    fiscal_start: int = Field(default=1, ge=1, le=12)
    """Month in which fiscal quarters and years begin, where nothing else is asked for."""

    @field_validator("grpc", "http")
    @classmethod
    def _address(cls, text: str | None) -> str | None:
        return None if text is None or text.lower() in OFF else text

    @field_validator("keep_attributes")
    @classmethod
    def _attributes(cls, text: str) -> str:
        if text:
            from spantoll.semconv.kept import parse_attributes

            parse_attributes(text)
        return text

    @field_validator("retention")
    @classmethod
    def _period(cls, text: str) -> str:
        if text.lower() in OFF:
            return ""
        if not KEPT_PERIOD.fullmatch(text):
            raise ValueError("write a day or longer: 400d, 57w, 13mo or 2y; off keeps all")
        return text

    @field_validator("promoted_attributes")
    @classmethod
    def _promoted(cls, text: str) -> str:
        if text:
            from spantoll.semconv.kept import parse_attributes
            from spantoll.storage.promoted_names import parse_promoted

            parse_attributes(",".join(parse_promoted(text)))
        return text

    @property
    def kept_attributes(self) -> str:
        """Return what records keep: a promoted attribute is kept without being named twice."""
        return ",".join(filter(None, (self.keep_attributes, self.promoted_attributes)))

    @field_validator("tz")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from None
        return name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out .env files and secrets: one file format, one place to look."""
        return init_settings, env_settings, _SettingsOfFile(settings_cls, find_file())


def list_origins(settings: Settings) -> dict[str, str]:
    """Say of each setting where it comes from: a variable, a line of the file or the default."""
    path = find_file()
    text = "" if path is None else path.read_text("utf-8")
    of_file = tomllib.loads(text)
    variables = {name.upper(): name for name in os.environ}
    origins = {}
    for name in type(settings).model_fields:
        variable = variables.get(f"{PREFIX}{name}".upper())
        of_rest = f"{path}{_find_line(text, name)}" if name in of_file else "default"
        origins[name] = f"variable {variable}" if variable else of_rest
    return origins


def _find_line(text: str, name: str) -> str:
    """Return `, line 3` for a setting of a TOML file; nothing where its key is quoted or dotted."""
    key = re.compile(rf"\s*{re.escape(name)}\s*=")
    lines = enumerate(text.splitlines(), start=1)
    return next((f", line {number}" for number, line in lines if key.match(line)), "")


class _SettingsOfFile(TomlConfigSettingsSource):
    """The settings in the TOML file, without its other tables."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        read = super()._read_file(file_path)
        return {name: value for name, value in read.items() if name not in SECTIONS}


def read_section(name: str) -> list[dict[str, Any]]:
    """Read the tables `[[name]]` of the file, amounts as Decimal. Raises ConfigurationError."""
    path = find_file()
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file, parse_float=Decimal).get(name, [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigurationError(f"{path}: {name} must be tables: [[{name}]]")
    return tables


def load_settings(**flags: Any) -> Settings:
    """Read the settings, flags that are not None first. Raises ConfigurationError, in one line."""
    known = Settings.model_fields
    _check_environment(os.environ, known)
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(_first(error, known)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{find_file()}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{find_file()}: {error.strerror}") from None


def find_file() -> Path | None:
    """Find the configuration file: SPANTOLL_CONFIG, or `spantoll.toml` here."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ConfigurationError(f"{FILE_VARIABLE}: no file {named}")
        return Path(named)
    return Path(FILE) if Path(FILE).is_file() else None


def _check_environment(environment: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse what looks like a setting spelled wrong.

    Other variables with our prefix are left alone: Kubernetes sets SPANTOLL_PORT and its like in
    every pod beside a service of that name, and the instrumentation reads its own.
    """
    names = {PREFIX + name.upper() for name in known} | {FILE_VARIABLE}
    for name in environment:
        if name.startswith(PREFIX) and name not in names:
            close = get_close_matches(
                name.removeprefix(PREFIX), [n.removeprefix(PREFIX) for n in names], n=1, cutoff=0.75
            )
            if close:
                raise ConfigurationError(
                    f"unknown variable {name}: did you mean {PREFIX}{close[0]}?"
                )


def _first(error: ValidationError, known: Iterable[str]) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"setting {name}: {problem['msg'].removeprefix('Value error, ')}"
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown setting {name!r} in {find_file()}: {hint}one of {', '.join(known)}"
