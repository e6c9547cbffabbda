"""What a file holds, and what is wrong with it: any file of the mission.

`describe_file` and `validate_file` take exposures of all levels, reference files, mosaics,
catalogues, segmentation maps, parameter files, associations, and other ASDF files, of which they
tell what can be told.

>>> from romancal_rs.inspection import describe_file, validate_file
>>> about = describe_file("exposure_cal.asdf")
>>> about.kind, about.instrument["detector"]
('wfi_image', 'WFI01')
>>> validate_file("exposure_cal.asdf").is_sound
True
"""

from .. import _lazy
from ._describing import describe_file
from ._description import ArrayDescription, Column, FileDescription, Plain, Table
from ._statistics import ArrayStatistics, array_statistics
from ._tree_text import print_tree
from ._validation import Finding, Verdict, validate_file

__all__ = [
    "ArrayDescription",
    "ArrayStatistics",
    "Column",
    "FileDescription",
    "Finding",
    "Plain",
    "Table",
    "Verdict",
    "array_statistics",
    "describe_file",
    "print_tree",
    "validate_file",
]

__dir__ = _lazy.listing(__all__)
