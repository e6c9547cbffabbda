"""What a file holds, and what is wrong with it: any file of the mission.

`describe_file` and `validate_file` take exposures of all levels, reference files, mosaics,
catalogues, segmentation maps, parameter files, associations, and other ASDF files, of which they
tell what can be told.

>>> about = describe_file("r0000101_0001_wfi07_f158_cal.asdf")      # doctest: +SKIP
>>> about.kind, about.instrument["detector"]                        # doctest: +SKIP
('wfi_image', 'WFI07')
>>> validate_file("r0000101_0001_wfi07_f158_cal.asdf").is_sound     # doctest: +SKIP
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
