from spantoll.exporter.span_exporter import SpantollSpanExporter

__all__ = ["SpantollSpanExporter"]
