"""How many examples a property is tried on."""

import os


def examples(number: int) -> int:
    """That many in the ordinary tests; ``make fuzz`` asks for a multiple by FUZZ_FACTOR."""
    return number * int(os.environ.get("FUZZ_FACTOR", "1"))
