"""The Roman Space Telescope's exposure pipeline: kernels in Rust, orchestration in Python."""
