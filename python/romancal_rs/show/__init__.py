"""Pictures of exposures and reference files."""
