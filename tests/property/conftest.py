"""What the laws of kernels share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def three_threads() -> Iterator[None]:
    """A pool of three on any machine, of which each call may use fewer."""
    from romancal_rs import kernels

    before = kernels.num_threads()
    kernels.set_num_threads(3)
    yield
    kernels.set_num_threads(before)
