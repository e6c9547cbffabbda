"""``python -m romancal_rs`` is ``romancal-rs``."""

import sys

from .cli import main

sys.exit(main())
