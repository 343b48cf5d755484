from spantoll.surfaces.rest.application import make_application, make_openapi
from spantoll.surfaces.rest.context import RestContext

__all__ = ["RestContext", "make_application", "make_openapi"]
