"""A few kills of a small batch; `make torture-batch` does it with many."""

import pytest
from torture.batch_kills import torture


@pytest.mark.slow
def test_a_batch_that_is_killed_loses_nothing_and_does_nothing_again(tmp_path):
    print(torture(tmp_path, "processes", exposures=24, kills=5, seed=7))
