"""The pipeline against an independent simulation, and fits against the best there is, at scale."""
