"""`python -m revcrypt`."""

import sys

from revcrypt.cli.main import main

sys.exit(main())
