from spantoll.pipeline.commit import Committed, GroupCommit
from spantoll.pipeline.ingest import Batch, Ingest
from spantoll.pipeline.ledger import Ledger

__all__ = ["Batch", "Committed", "GroupCommit", "Ingest", "Ledger"]
