"""``python -m romancal_rs`` is ``romancal-rs``."""

from .cli import script

script()
