"""Many exposures: planned once, calibrated by worker processes, recorded, and resumed."""
