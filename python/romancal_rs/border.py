"""The frame of reference pixels around the science pixels of a detector."""

from __future__ import annotations

#: Width of the frame [pixels].
BORDER = 4

#: The science pixels of a full frame with its border.
SCIENCE = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
