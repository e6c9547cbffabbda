"""Some runs that are disturbed, and the proof that the check would find what it looks for."""

import pytest
from torture.disturbed import Bench, Broken, table, torture

RUNS = 20


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("torture"))


@pytest.mark.slow
def test_nothing_is_lost_or_half_made(bench):
    outcomes = torture(bench, range(RUNS), workers=2)
    print(table(outcomes))
    assert outcomes.total() == RUNS
    assert any("killed" in outcome for outcome in outcomes)
    assert any("error" in outcome for outcome in outcomes)


@pytest.mark.parametrize("damage", ["truncated", "other", "left", "gone"])
def test_the_check_finds_damage(bench, tmp_path, damage):
    # The image, as the WCS of both runs is the same.
    name, old = next(item for item in bench.old.items() if item[0].endswith("_cal.asdf"))
    if damage == "truncated":
        (tmp_path / name).write_bytes((bench.directory / "new" / name).read_bytes()[:-1000])
    elif damage == "other":
        (tmp_path / name).write_bytes(old.read_bytes())
    elif damage == "left":
        (tmp_path / ".0123456789abcdef.part").write_bytes(b"half")
    with pytest.raises(Broken):
        bench._check_products(tmp_path, damage == "gone", "kill")
