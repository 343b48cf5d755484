from spantoll.pipeline.commit import Committed, GroupCommit
from spantoll.pipeline.ingest import Batch, Ingest
from spantoll.pipeline.ledger import Ledger
from spantoll.pipeline.settle import make_settle

__all__ = ["Batch", "Committed", "GroupCommit", "Ingest", "Ledger", "make_settle"]
