"""The pipeline against an independent simulation, at scale. `docs/validation.md` says what for."""
