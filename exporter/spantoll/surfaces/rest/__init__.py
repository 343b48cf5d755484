from spantoll.surfaces.rest.application import make_application, make_openapi
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.guard import Access

__all__ = ["Access", "RestContext", "make_application", "make_openapi"]
