"""The types of reference files: how each is chosen, and what is in it.

This table is the one place that knows. The rules of selection, the checks, the data models, the
simulator and the factories of made-up files follow from it; a test holds it against the mission's
schemas and against the specifications of the official CRDS client.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Rows and columns of an image.
Size = tuple[int, int]
#: Lengths of arrays, by the dotted name of the array.
Shapes = Mapping[str, tuple[int, ...]]

_PIXELS = ("row", "column")

#: The columns that a channel of the read-out has, and the clocks between two of its rows.
CHANNEL_COLS = 128
CHANNEL_PAUSE = 12


@dataclass(frozen=True)
class Array:
    """An array of a reference file.

    Attributes
    ----------
    name : str
        Dotted; ``*`` stands for the name of any row of a table.
    dtype : str
        As NumPy names it.
    axes : tuple of str
        What each axis counts. Those of one name are of one length in a file; a ``*`` is the row of
        the table that the array is in. An image ends in ``row, column``.
    unit : str
        As astropy reads it; empty for none.
    optional : bool
        Whether a file may do without it.
    fewest : int
        The least length of the first axis.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    unit: str = ""
    optional: bool = False
    fewest: int = 0

    @property
    def is_image(self) -> bool:
        """Whether it covers the detector, pixel by pixel."""
        return self.axes[-2:] == _PIXELS

    def axes_of(self, name: str) -> tuple[str, ...] | None:
        """The axes of the array of this dotted name; None if that is another array."""
        found = re.fullmatch(re.escape(self.name).replace(r"\*", "([^.]+)"), name)
        if found is None:
            return None
        return tuple(axis.replace("*", "".join(found.groups())) for axis in self.axes)


#: Flags of a second kind, which the images of any type may come with from series 2.2.0 on.
SECOND_FLAGS = Array("dq2", "uint32", _PIXELS, optional=True)


@dataclass(frozen=True)
class ReferenceType:
    """A type of reference files.

    Attributes
    ----------
    reftype : str
        In capitals, as ``meta.reftype`` has it.
    tag : str
        Its name in the mission's tags; empty for a type of which there is no model here.
    keys : tuple of str
        By which metadata of the exposure a file is chosen, besides instrument and date, in the
        order of the mission's rules: ``detector``, ``optical_element``, ``exposure_type``. A file
        that does not state its element, or exposure types, fits them all.
    states : tuple of str
        What else of these a file states.
    any_detector : bool
        Whether a file that does not state its detector fits all.
    prefers_element : bool
        Whether a file for the exposure's optical element comes first, though any other serves.
    by_readout : bool
        Whether it may hold a plane per resultant, which fits but the read-out that it was made of.
    imaging_only : bool
        Whether exposures through the grism and the prism have none.
    arrays : tuple of Array
    others : tuple of str
        What it holds besides: tables, lists, transforms.
    may_be_trimmed : bool
        Whether its images may come without the border of reference pixels, as new ones do.
    channel_table : str
        Its table with a row for each channel of the read-out; empty if it has none.
    """

    reftype: str
    tag: str = ""
    keys: tuple[str, ...] = ("detector",)
    states: tuple[str, ...] = ()
    any_detector: bool = False
    prefers_element: bool = False
    by_readout: bool = False
    imaging_only: bool = False
    arrays: tuple[Array, ...] = ()
    others: tuple[str, ...] = ()
    may_be_trimmed: bool = False
    channel_table: str = ""

    @property
    def model(self) -> str:
        """The name of its class in `romancal_rs.datamodels`; empty if there is none."""
        return f"{self.tag.title().replace('_', '')}RefModel" if self.tag else ""

    @property
    def stated(self) -> frozenset[str]:
        """What a file states, of the metadata that files are chosen by."""
        return frozenset(("detector", *self.keys, *self.states))

    @property
    def images(self) -> tuple[Array, ...]:
        """The arrays that cover the detector."""
        return tuple(array for array in (*self.arrays, SECOND_FLAGS) if array.is_image)

    def has_key(self, name: str) -> bool:
        """Whether a file is chosen by this, or stands back where it states another value."""
        return name in self.keys or (name == "optical_element" and self.prefers_element)

    def sizes(self, full: Size, border: int) -> tuple[Size, ...]:
        """The sizes that its images may have.

        Parameters
        ----------
        full : tuple of int
            Rows and columns of the detector, with its border of reference pixels.
        border : int
            The width of that.
        """
        trimmed = full[0] - 2 * border, full[1] - 2 * border
        return (full, trimmed) if self.may_be_trimmed else (full,)

    def frame_problems(self, shapes: Shapes, full: Size) -> Iterator[str]:
        """What of the lengths of arrays that are no images does not fit the frame.

        Parameters
        ----------
        shapes : mapping
            As of `layout_problems`.
        full : tuple of int
            Rows and columns of the exposure, with its border of reference pixels.
        """
        n_rows, n_cols = full
        # Of the real Fourier transform of a channel, which is read as one series in time.
        n_samples = n_rows * (CHANNEL_COLS + CHANNEL_PAUSE)
        lengths = {"channel": n_cols // CHANNEL_COLS, "frequency": n_samples // 2 + 1}
        for array in self.arrays:
            if not set(array.axes).issubset(lengths):
                continue
            if n_cols % CHANNEL_COLS:
                yield f"is for channels of {CHANNEL_COLS} columns; there are {n_cols} columns"
                return
            expected = tuple(lengths[axis] for axis in array.axes)
            if array.name in shapes and shapes[array.name] != expected:
                yield (
                    f"{array.name} of shape {shapes[array.name]} does not fit {pixels(full)} "
                    f"pixels, which need {expected}"
                )

    def layout_problems(self, shapes: Shapes) -> Iterator[str]:
        """What is wrong with the lengths of arrays, whatever the exposure.

        Parameters
        ----------
        shapes : mapping
            Of all arrays of a file. Those that are not in the table, and those of another number
            of axes, are ignored: they are for the schema to judge.
        """
        alike: dict[tuple[str, ...], dict[str, tuple[int, ...]]] = defaultdict(dict)
        for array in (*self.arrays, SECOND_FLAGS):
            for name, shape in shapes.items():
                axes = array.axes_of(name)
                if axes is None or len(axes) != len(shape):
                    continue
                if shape[0] < array.fewest:
                    yield (
                        f"{name} of shape {shape}: a correction has at least {array.fewest} "
                        f"{array.axes[0]}s"
                    )
                alike[axes[-2:]][name] = shape[-2:]
        for sizes in alike.values():
            if len(set(sizes.values())) > 1:
                listed = ", ".join(f"{name} {pixels(size)}" for name, size in sizes.items())
                yield f"its arrays differ in size: {listed}"


def pixels(size: tuple[int, ...]) -> str:
    """A size in words: ``4096 x 4096``."""
    return " x ".join(map(str, size))


def _image(name: str, dtype: str = "float32", unit: str = "", *, optional: bool = False) -> Array:
    return Array(name, dtype, _PIXELS, unit, optional)


_FLAGS = _image("dq", "uint32")
_COEFFICIENTS = Array("coeffs", "float32", ("coefficient", *_PIXELS), fewest=2)
_BY_ELEMENT = ("detector", "optical_element")
_BY_EXPOSURE_TYPE = ("detector", "exposure_type")
_PLANES = ("resultant", *_PIXELS)

_TABLE = (
    ReferenceType(
        "APCORR",
        tag="apcorr",
        arrays=(
            Array("data.*.ap_corrections", "float64", ("fraction of *",)),
            Array("data.*.ee_fractions", "float64", ("fraction of *",)),
            Array("data.*.ee_radii", "float64", ("fraction of *",), "arcsec"),
        ),
        others=("data",),
    ),
    ReferenceType(
        "AREA",
        tag="pixelarea",
        states=("optical_element",),
        arrays=(_image("data"),),
        may_be_trimmed=True,  # the mission's tool makes it so
    ),
    ReferenceType("BAM", tag="bam", keys=(), others=("bam_quaternion",)),
    ReferenceType(
        "DARK",
        tag="dark",
        keys=_BY_EXPOSURE_TYPE,
        states=("optical_element",),
        prefers_element=True,
        by_readout=True,
        arrays=(
            Array("data", "float32", _PLANES, "DN", optional=True),  # until 2025
            _FLAGS,
            Array("err", "float32", _PLANES, "DN", optional=True),  # in 2022
            _image("dark_slope", unit="DN / s"),
            _image("dark_slope_error", unit="DN / s"),
        ),
    ),
    ReferenceType("DARKDECAYSIGNAL", tag="darkdecaysignal", keys=(), others=("decay_table",)),
    ReferenceType("DETECTORSTATUS", keys=()),
    ReferenceType(
        "DISTORTION",
        tag="distortion",
        keys=_BY_ELEMENT,
        others=("coordinate_distortion_transform",),
    ),
    ReferenceType(
        "EPSF",
        tag="epsf",
        keys=_BY_ELEMENT,
        imaging_only=True,
        arrays=(
            Array("psf", "float32", ("defocus", "spectral type", "position", "y", "x")),
            Array("extended_psf", "float32", ("y of the wings", "x of the wings"), optional=True),
        ),
    ),
    ReferenceType(
        "FLAT",
        tag="flat",
        keys=_BY_ELEMENT,
        imaging_only=True,
        arrays=(_image("data"), _FLAGS, _image("err")),
        may_be_trimmed=True,
    ),
    ReferenceType("GAIN", tag="gain", arrays=(_image("data", unit="electron / DN"),)),
    ReferenceType(
        "INTEGRALNONLINEARITY",
        tag="integralnonlinearity",
        arrays=(
            Array("value", "uint16", ("node",), "DN"),
            Array("inl_table.*.correction", "float64", ("node",), "DN"),
        ),
        others=("inl_table",),
        channel_table="inl_table",
    ),
    ReferenceType("INVERSELINEARITY", tag="inverselinearity", arrays=(_COEFFICIENTS, _FLAGS)),
    ReferenceType("LINEARITY", tag="linearity", arrays=(_COEFFICIENTS, _FLAGS)),
    ReferenceType("MASK", tag="mask", arrays=(_FLAGS,)),
    ReferenceType("MATABLE", keys=()),
    ReferenceType(
        "PHOTOM",
        tag="wfi_img_photom",
        any_detector=True,
        arrays=(
            Array("phot_table.*.wavelength", "float32", ("wavelength of *",), "um"),
            Array("phot_table.*.effective_area", "float32", ("wavelength of *",), "m2"),
        ),
        others=("phot_table",),
    ),
    ReferenceType(
        "READNOISE",
        tag="readnoise",
        keys=_BY_EXPOSURE_TYPE,
        arrays=(_image("data", unit="DN"),),
    ),
    ReferenceType(
        "REFPIX",
        tag="refpix",
        arrays=tuple(
            Array(name, "complex128", ("channel", "frequency"))
            for name in ("gamma", "zeta", "alpha")
        ),
    ),
    ReferenceType("SATURATION", tag="saturation", arrays=(_image("data", unit="DN"), _FLAGS)),
    ReferenceType("SKYCELLS", keys=()),
)

#: All types that are more than "one file for each detector", by their names in capitals.
TYPES: Mapping[str, ReferenceType] = {entry.reftype: entry for entry in _TABLE}

#: The types that can be opened. What a step of somebody else's calls its references is that step's
#: affair, and so is what the files call themselves.
KNOWN_TYPES = frozenset(entry.reftype for entry in _TABLE if entry.tag)


def type_of(reftype: str) -> ReferenceType:
    """What is known of a type; of one that is not in the table, that files are by detector.

    Parameters
    ----------
    reftype : str
        In capitals.
    """
    return TYPES.get(reftype) or ReferenceType(reftype)
