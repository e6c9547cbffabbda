"""The law of the writer of heads: every reader of YAML reads what was written."""

import datetime

import pytest
import yaml
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from romancal_rs import _yaml_head
from romancal_rs._yaml_text import document

LOADERS = {getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader}
#: All that UTF-8 has, and more often what means something in YAML.
TEXTS = st.text(st.characters(exclude_categories=("Cs",))) | st.text(
    st.sampled_from(list("-?:,[]{}#&*!|>'\"%@` \t\n\r~=<.0123456789abeEnoxyTZ\x85\u2028\ufeff"))
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary(max_size=100)
    | st.dates(min_value=datetime.date(1000, 1, 1))
    | st.datetimes(min_value=datetime.datetime(1000, 1, 1))
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(TEXTS | st.integers(), inner, max_size=5)
        | inner.map(lambda value: [value, [value], {"again": value}])
    ),
    max_leaves=25,
)


@settings(deadline=None, max_examples=examples(200))
@given(tree=TREES)
def test_a_tree_is_read_as_it_was_written(tree):
    text = document(tree)
    for loader in LOADERS:
        assert yaml.load(text, Loader=loader) == tree


@settings(deadline=None, max_examples=examples(100))
@given(tree=st.dictionaries(TEXTS, st.none() | TEXTS | st.integers() | st.floats(allow_nan=False)))
def test_the_package_reads_its_own_heads(tree):
    assert _yaml_head.parse_tagged(document(tree).encode()) == tree


@settings(deadline=None, max_examples=examples(100))
@given(text=st.text())
def test_text_is_refused_only_where_utf8_has_none(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            document([text]).encode()
    else:
        assert yaml.safe_load(document([text]).encode()) == [text]
