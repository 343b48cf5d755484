from spantoll.surfaces.dashboard.pages import add_dashboard

__all__ = ["add_dashboard"]
