import sys

from spantoll.surfaces.cli import main

sys.exit(main())
