"""Commands on terminals, for all tests of a process."""

from collections.abc import Iterator

import pytest
from terminals import Terminals


@pytest.fixture(scope="session")
def terminals(simulated) -> Iterator[Terminals]:
    pytest.importorskip("termios", reason="there are no terminals")
    made = Terminals(simulated.exposure, simulated.references)
    yield made
    made.close()
