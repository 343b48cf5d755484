from spantoll.surfaces.grafana.export import write_provisioning
from spantoll.surfaces.grafana.queries import (
    ALERTS,
    PANELS,
    VARIABLES,
    Alert,
    Panel,
    fill_query,
    list_values,
)

__all__ = [
    "ALERTS",
    "PANELS",
    "VARIABLES",
    "Alert",
    "Panel",
    "fill_query",
    "list_values",
    "write_provisioning",
]
