"""Opening a file as the model that fits it."""

from __future__ import annotations

import os
from typing import IO

from ._base import DataModel
from ._errors import ModelError
from ._kinds import class_for, read


def open(source: str | os.PathLike[str] | IO[bytes] | DataModel) -> DataModel:
    """Open a file as the model that fits its content.

    Files of today and of 2022 to 2024 are read; the latter are converted to today's structure in
    memory. Opening reads the metadata only: arrays, transforms and the WCS are read when they are
    first touched. Changes in memory never reach the file.

    Parameters
    ----------
    source : str, path, binary file, DataModel or model of roman_datamodels
        ``~`` and ``$VARIABLES`` in a path are expanded, unless there is a file of just that name. A
        file that is open is read from where it stands, and left there; it has to stay open until
        all is read. Of a model of the mission's library the arrays are shared, not copied. A model
        of this package is returned as a second view of the same content; closing that view leaves
        the model open.

    Returns
    -------
    DataModel
        Use it in a ``with`` statement, so that its file is closed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is not ASDF, is damaged, or holds no Roman data.
    UnknownModelError
        If there is no model for its kind.
    ModelTypeError
        If it is an association.
    InputError
        If it is a URL.

    Examples
    --------
    >>> from romancal_rs import datamodels
    >>> with datamodels.open("exposure_cal.asdf") as image:
    ...     print(type(image).__name__, image.data.shape, image.meta.exposure.type)
    ImageModel (56, 120) WFI_IMAGE
    """
    if isinstance(source, DataModel):
        return type(source)(source)
    tree = read(source)
    try:
        return class_for(tree)._view(tree, owner=True)
    except ModelError:
        tree.close()
        raise
