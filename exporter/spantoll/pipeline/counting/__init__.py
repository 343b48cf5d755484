from spantoll.pipeline.counting.evidence import EVIDENCE, Evidence
from spantoll.pipeline.counting.verdicts import Verdict, count

__all__ = ["EVIDENCE", "Evidence", "Verdict", "count"]
