"""Manifests of extensions that are read in brief tell the same of tags."""

from importlib.metadata import distribution

import asdf
import pytest

from romancal_rs.datamodels import _asdf


def described(extension) -> tuple[object, ...]:
    """What an extension is for, and the names of its tags."""
    return (
        extension.extension_uri,
        str(extension.asdf_standard_requirement),
        [tag.tag_uri for tag in extension.tags],
        [type(converter.delegate).__name__ for converter in extension.converters],
    )


@pytest.mark.parametrize("package", _asdf.OBJECTS)
def test_an_extension_is_what_its_whole_manifest_says(package):
    points = distribution(package).entry_points.select(group="asdf.extensions")
    whole = [
        described(asdf.extension.ExtensionProxy(extension))
        for point in points
        for extension in point.load()()
    ]
    brief = [described(extension) for extension in _asdf._extensions_of(package)]
    assert brief == whole
    assert sum(len(tags) for _, _, tags, _ in brief) > 5


def test_a_manifest_in_brief_has_nothing_but_the_names_of_tags():
    manifest = b"""\
id: asdf://here/manifests/m-1.0.0
title: >-
  A title

  of two lines
extension_uri: asdf://here/extensions/m-1.0.0
asdf_standard_requirement:
  gte: 1.6.0
tags:
  - tag_uri: tag:here:a-1.0.0
    schema_uri: asdf://here/schemas/a-1.0.0
    title: A
  -   tag_uri: tag:here:b-1.0.0
      description: |-
        Of b:
          - tag_uri: no
      schema_uri:
        - asdf://here/schemas/b-1.0.0
        - asdf://here/schemas/c-1.0.0

  - tag:here:c-1.0.0"""
    uri = "asdf://here/manifests/m-1.0.0"
    brief = _asdf._BriefManifests({uri: manifest})[uri]
    assert (
        brief
        == b"""\
id: asdf://here/manifests/m-1.0.0
extension_uri: asdf://here/extensions/m-1.0.0
asdf_standard_requirement:
  gte: 1.6.0
tags:
  - tag:here:a-1.0.0
  - tag:here:b-1.0.0
  - tag:here:c-1.0.0
"""
    )
