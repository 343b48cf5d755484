"""One declarative file per SDK, each with a `PROVIDER`; the registry lists this folder."""
