"""A process that writes records in a random order and in batches of random size, and settles them.

    python -m tests.storage.half_writer URL FILE SEED

FILE has the records, pickled. Waits for a line on standard input before it begins.
"""

from __future__ import annotations

import pickle
import random
import sys
from pathlib import Path

from spantoll.pipeline.settle import make_settle
from spantoll.pricing import load_rate_card
from spantoll.storage import open_store


def main(url: str, file: str, seed: str) -> None:
    order = random.Random(int(seed))
    records = pickle.loads(Path(file).read_bytes())
    order.shuffle(records)
    settle = make_settle(load_rate_card())
    store = open_store(url)
    print("open", flush=True)
    sys.stdin.readline()
    while records:
        size = order.randint(1, 7)
        store.write(records[:size], settle=settle)
        del records[:size]
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
