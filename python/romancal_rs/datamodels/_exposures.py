"""The models of exposures: Level 1, ramp, Level 2, and the optional product of the ramp fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _quantities, _schema
from ._base import DataModel
from ._defaults import complete, conform
from ._encoding import ENCODING_ARRAYS, Encoding, check_restored, is_encoded, mark_restored
from ._errors import ModelTypeError
from ._exposure_parts import (
    border_shapes,
    carry_over,
    check_arrays,
    inside_border,
    sibling,
    steps_to_do,
)
from ._kinds import words
from ._tree import Tree, deep_copy

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.nddata import CCDData
    from astropy.units import Quantity
    from numpy.typing import NDArray


class ScienceRawModel(DataModel):
    """Level 1: uncalibrated ramps, `data` (n_resultants, n_rows, n_cols) uint16 [DN]."""

    _kind = "wfi_science_raw"
    _new_version = "2.1.0"
    _for_steps = ("data", "amp33", "resultantdq")

    data: NDArray[np.uint16]
    amp33: NDArray[np.uint16]


class RampModel(DataModel):
    """Ramps between Level 1 and Level 2: `data` float32 [DN], `groupdq` uint8, `pixeldq` uint32.

    Ramps of guide stars may also have `dq`, a two-dimensional uint32 array.
    """

    _kind = "ramp"
    _new_version = "2.1.0"
    _for_steps = ("data", "groupdq", "pixeldq")
    _second_flags = "pixeldq2"

    data: NDArray[np.float32]
    groupdq: NDArray[np.uint8]
    pixeldq: NDArray[np.uint32]

    @classmethod
    def from_science_raw(cls, raw: ScienceRawModel | RampModel) -> RampModel:
        """Ramps of a Level 1 exposure, ready for the first step.

        Parameters
        ----------
        raw : ScienceRawModel or RampModel
            The exposure. A RampModel is returned as it is.

        Returns
        -------
        RampModel
            `data` as float32 and `amp33`, both as they were read out (see `Encoding`), `pixeldq`
            and `groupdq` zero (`groupdq` is `resultantdq` if the exposure has it, with AD_FLOOR and
            DO_NOT_USE where a reference read hides a count of 0), all else as `frame_of` has it.
            `data` of a file is cast as it is read: `raw` itself leaves it unread.

        Raises
        ------
        ModelTypeError
            If `raw` is another kind of model.
        ModelError
            If what it states of its encoding does not fit its arrays.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_uncal.asdf") as raw:
        ...     ramp = datamodels.RampModel.from_science_raw(raw)
        ...     print(raw.data.dtype, ramp.data.dtype, ramp.data.shape)
        uint16 float32 (6, 64, 128)
        """
        if isinstance(raw, RampModel):
            return raw
        ramp = cls.frame_of(raw)
        counts, encoding = raw.stored("data"), Encoding.of(raw)
        resultantdq = raw.get("resultantdq")
        if resultantdq is None:
            groupdq = np.zeros(counts.shape, np.uint8)
        else:
            groupdq = np.array(resultantdq, order="C")
        encoding.flag_floor(counts, groupdq)
        ramp._tree.data.update(
            data=encoding.samples(counts),
            pixeldq=np.zeros(counts.shape[1:], np.uint32),
            groupdq=groupdq,
        )
        return ramp

    @classmethod
    def frame_of(cls, raw: ScienceRawModel, *, share_file: bool = False) -> RampModel:
        """What a ramp of a Level 1 exposure has besides its samples and flags.

        Parameters
        ----------
        raw : ScienceRawModel
            The exposure.
        share_file : bool, optional
            Whether `amp33` may stay in the file of `raw`, which then must not be closed. The models
            that have it keep the file open.

        Returns
        -------
        RampModel
            The metadata (a copy), with every step INCOMPLETE, `amp33` as it was read out (shared
            with `raw` where that is as it was sent), the arrays of border reference pixels and,
            where the series has it, `pixeldq2` (zero), and what `raw` holds under names that no
            schema knows (arrays shared, the rest a copy). It has neither `data` nor other flags.

        Raises
        ------
        ModelTypeError
            If `raw` is another kind of model.
        ValidationError
            If an array is missing, or does not fit; see `check_arrays`.
        """
        if not isinstance(raw, ScienceRawModel):
            raise ModelTypeError(f"expected {words(ScienceRawModel)}, got {raw!r}")
        check_arrays(raw)
        old = raw._tree
        tag = sibling(raw.tag, cls)
        tree = Tree({}, tag, header=old.header, source=old.source, origin=old.origin)
        meta = deep_copy(raw._tree.data["meta"])
        meta["cal_step"] = steps_to_do(tree)
        mark_restored(meta)
        tree.data["meta"] = meta
        encoding = Encoding.of(raw)
        if encoding.changes_amp33:
            tree.data["amp33"] = encoding.amp33(raw.stored("amp33"))
        else:
            tree.share("amp33", raw._tree, share_file)
        ramp = cls._view(tree, owner=True)
        ramp.add_missing(raw.shape)
        carry_over(raw._tree, tree, share_file)
        return ramp

    @property
    def is_encoded(self) -> bool:
        """Whether the samples are still as they were sent, in a ramp that another library made.

        So they are where a reference read is there (`ENCODING_ARRAYS`), or an offset stated, and
        ``meta.cal_step.dq_init`` is INCOMPLETE. Only dq_init takes such a ramp.
        """
        return is_encoded(self)

    def restore_counts(self) -> None:
        """Undo the encoding of a ramp that `is_encoded`, as `from_science_raw` does.

        `data`, `amp33` and `groupdq` become new arrays, and the reference reads go. Nothing happens
        to any other ramp.

        Raises
        ------
        ModelError
            If what it states of its encoding does not fit its arrays, or contradicts its status.
        """
        if not self.is_encoded:
            check_restored(self)
            return
        counts, encoding = self.stored("data"), Encoding.of(self)
        groupdq = np.array(self.stored("groupdq"))
        encoding.flag_floor(counts, groupdq)
        content = self._tree.data
        if encoding.changes_amp33:
            content["amp33"] = encoding.amp33(self.stored("amp33"))
        content.update(data=encoding.samples(counts), groupdq=groupdq)
        for name in ENCODING_ARRAYS:
            content.pop(name, None)
        mark_restored(content["meta"])

    def add_missing(self, shape: tuple[int, ...] = ()) -> None:
        """Add what a ramp of the mission's library may lack and later steps fill.

        These are the border reference pixels and `pixeldq2`, which are zero, and names of types in
        ``meta.ref_file``, which are N/A.

        Parameters
        ----------
        shape : tuple of int
            Of `data`, if that is not there yet.
        """
        n_resultants, n_rows, n_cols = shape or self.shape
        content = self._tree.data
        references = content["meta"].get("ref_file")
        if isinstance(references, dict):
            place = self._tree.place("meta", "ref_file")
            content["meta"]["ref_file"] = complete(references, place)
        border = border_shapes(n_rows, n_cols)
        for side, size in border.items():
            cube = np.zeros((n_resultants, *size), np.float32)
            content.setdefault(f"border_ref_pix_{side}", cube)
        for side, size in border.items():
            content.setdefault(f"dq_border_ref_pix_{side}", np.zeros(size, np.uint32))
        if self._tree.schema((self._second_flags,)):
            content.setdefault(self._second_flags, np.zeros((n_rows, n_cols), np.uint32))

    def _before_writing(self, tree: Tree) -> None:
        # Series 1.0 to 1.6 require a cube of errors, which no step has ever filled.
        if "err" in tree.place().required:
            tree.data.setdefault("err", np.zeros(tree.data["data"].shape, np.float32))


class ImageModel(DataModel):
    """Level 2: a calibrated rate image.

    `data` float32 [DN/s], `dq` uint32, and `err`, `var_poisson`, `var_rnoise`, `var_flat`,
    `chisq`, `dumo`: float32 in memory, half precision in files.

    Examples
    --------
    >>> from romancal_rs import datamodels
    >>> image = datamodels.open("exposure_cal.asdf")
    >>> image.data.shape, image.data.dtype.name
    ((56, 120), 'float32')
    >>> image.meta.instrument.optical_element
    'F158'
    >>> image.close()
    """

    _kind = "wfi_image"
    _new_version = "2.1.0"
    _for_steps = ("data", "dq", "err", "var_poisson", "var_rnoise", "dumo")
    _second_flags = "dq2"

    data: NDArray[np.float32]
    dq: NDArray[np.uint32]
    err: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]
    var_flat: NDArray[np.float32]
    chisq: NDArray[np.float32]
    dumo: NDArray[np.float32]

    @property
    def has_wcs(self) -> bool:
        """Whether ``meta.wcs`` is there; it is not read for this, nor made."""
        return self._tree.data["meta"].get("wcs") is not None

    @property
    def rate(self) -> Quantity:
        """`data` with its unit [DN/s]: a view, not a copy.

        Assign a Quantity of such a unit to it. It is a `ModelError` if the data were
        converted to MJy/sr.
        """
        return _quantities.rate(self._tree, self["data"], "data")

    @rate.setter
    def rate(self, value: Quantity) -> None:
        self["data"] = _quantities.plain(self.rate, value, "rate", "data")

    @property
    def rate_error(self) -> Quantity:
        """`err` with its unit [DN/s], as `rate`."""
        return _quantities.rate(self._tree, self["err"], "err")

    @rate_error.setter
    def rate_error(self, value: Quantity) -> None:
        self["err"] = _quantities.plain(self.rate_error, value, "rate_error", "err")

    @property
    def surface_brightness(self) -> Quantity:
        """`data` times ``meta.photometry.conversion_megajanskys`` [MJy/sr].

        A new array, but a view where the data were converted before. A `ModelError` where the
        conversion is not known.
        """
        return _quantities.surface_brightness(self._tree, self["data"])

    @classmethod
    def from_ramp(
        cls,
        ramp: RampModel,
        *,
        data: NDArray[np.float32],
        dq: NDArray[np.uint32],
        err: NDArray[np.float32],
        var_poisson: NDArray[np.float32],
        var_rnoise: NDArray[np.float32],
        chisq: NDArray[np.float32],
        dumo: NDArray[np.float32],
    ) -> ImageModel:
        """The image that the ramp fit makes of a ramp.

        Parameters
        ----------
        ramp : RampModel
            Where the metadata (copied), `amp33`, the border reference pixels and content that no
            schema knows (shared) come from, and `dq2`, which is its `pixeldq2` without the border.
            It also fixes the series of the tag.
        data : ndarray, (n_rows, n_cols), float32
            Rate, its error, and the difference of the uniform fit to it [DN/s].
        dq : ndarray, (n_rows, n_cols), uint32
            Flags.
        err : ndarray, (n_rows, n_cols), float32
            Rate, its error, and the difference of the uniform fit to it [DN/s].
        var_poisson : ndarray, (n_rows, n_cols), float32
            Variances [DN^2/s^2].
        var_rnoise : ndarray, (n_rows, n_cols), float32
            Variances [DN^2/s^2].
        chisq : ndarray, (n_rows, n_cols), float32
            Chi squared of the fit.
        dumo : ndarray, (n_rows, n_cols), float32
            Rate, its error, and the difference of the uniform fit to it [DN/s].

        Returns
        -------
        ImageModel
            Without WCS and photometry (null), with the ramp's steps and log messages.

        Raises
        ------
        ValidationError
            If an array has the wrong type or number of dimensions.
        """
        old = ramp._tree
        tree = Tree({}, sibling(ramp.tag, cls), header=old.header, origin=old.origin)
        meta = deep_copy(old.data["meta"])
        meta["photometry"] = dict.fromkeys(
            ("conversion_megajanskys", "conversion_megajanskys_uncertainty", "pixel_area")
        )
        meta["wcs"] = None
        meta["product_type"] = "l2"
        meta["model_type"] = cls.__name__
        meta.setdefault("cal_logs", [])
        tree.data["meta"] = meta
        image = cls._view(tree, owner=True)
        arrays = dict(data=data, dq=dq, err=err, var_poisson=var_poisson, var_rnoise=var_rnoise)
        for name, array in {**arrays, "chisq": chisq, "dumo": dumo}.items():
            image[name] = array
        for name in ramp:
            if name == "amp33" or "border_ref_pix" in name:
                tree.share(name, old, share_file=True)
        if tree.schema((cls._second_flags,)):
            name = RampModel._second_flags
            flags = ramp[name] if name in ramp else np.zeros(dq.shape, np.uint32)
            image[cls._second_flags] = inside_border(flags, dq.shape, name).copy()
        carry_over(old, tree, share_file=True)
        return image

    def cutout(
        self,
        position: SkyCoord | tuple[float, float],
        size: int | Quantity | tuple[int | Quantity, int | Quantity],
    ) -> ImageModel:
        """A part of the image, as a separate image with its own WCS.

        Parameters
        ----------
        position : SkyCoord or (x, y)
            Its middle, on the sky, or in pixels: column and row, counted from 0 at the middle of
            the first pixel.
        size : int, Quantity, or two of them
            Its side, or height and width (rows, then columns), in pixels or as an angle, which is
            rounded to whole pixels of the size that they have at `position`.

        Returns
        -------
        ImageModel
            All arrays are cut, and copies. Where it would reach beyond the image it is smaller:
            what is missing is not made up. ``meta.wcs`` gives each pixel the position on the sky
            that it had, ``meta.wcsinfo.s_region`` is its outline, `jump_indices` lists the samples
            that are inside, and counts rows and columns from its corner. The reference pixels of
            the border, and `amp33`, are those of its rows and columns, as of a detector of its
            size. ``meta.cal_logs`` says where it was cut out; all other metadata are those of the
            image, such as ``meta.statistics``.

        Raises
        ------
        InputError
            If it has no pixel of the image, an argument is of the wrong kind, or needs a WCS that
            the image lacks.

        Notes
        -----
        Which pixels it has follows `astropy.nddata.Cutout2D`, with ``mode="trim"``.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     part = image.cutout((60, 30), 16)  # around column 60, row 30
        >>> part.data.shape
        (16, 16)
        """
        from ._cutout import cutout_tree

        return self._view(cutout_tree(self, position, size), owner=True)

    def to_ccddata(self) -> CCDData:
        """The image as `astropy.nddata.CCDData`, which photutils, ccdproc and jdaviz take.

        Returns
        -------
        CCDData
            `data` [DN/s, or MJy/sr where the mission's flux step has converted it] with `err` as
            its standard deviation, `mask` True where DO_NOT_USE is set, `flags` the whole `dq`,
            and `meta` the keywords of FITS that `romancal_rs.fits` writes (``ccd.meta["FILTER"]``).
            The arrays, but the mask, are those of this image: what is changed there is changed
            here. CCDData takes no WCS but that of FITS: `wcs` is the one that
            `romancal_rs.fits.fit_sip` makes of ``meta.wcs``; None if the image has none.

        Raises
        ------
        InputError
            If the WCS cannot be written as FITS has it.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     ccd = image.to_ccddata()
        >>> ccd.shape, str(ccd.unit), ccd.meta["FILTER"]
        ((56, 120), 'DN / s', 'F158')
        """
        from ._ccddata import ccddata_of

        return ccddata_of(self)


class RampFitOutputModel(DataModel):
    """The optional product of the ramp fit: what was fitted to each segment, in electrons."""

    _kind = "ramp_fit_output"
    _new_version = "1.7.0"

    @classmethod
    def from_ramp(cls, ramp: RampModel, **arrays: NDArray[np.float32]) -> RampFitOutputModel:
        """The optional product for a ramp.

        Parameters
        ----------
        ramp : RampModel
            Where the metadata come from. They are brought to the older schema of this product:
            what it requires and nobody knows is filled in as unknown.
        **arrays : ndarray, float32
            `slope`, `sigslope`, `yint`, `sigyint`, `weights`, `var_poisson`, `var_rnoise`
            (n_segments, n_rows, n_cols), `crmag` (n_jumps, n_rows, n_cols), `pedestal`
            (n_rows, n_cols); in electrons and seconds.

        Raises
        ------
        ValidationError
            If an array has the wrong type or number of dimensions.
        """
        tree = Tree({}, cls.new_tag(), header=ramp._tree.header)
        meta = deep_copy(ramp._tree.data["meta"])
        if meta["exposure"]["type"] in _schema.MANUAL_SPECTRAL_TYPES:
            meta["exposure"]["type"] = "WFI_SPECTRAL"
        tree.data["meta"] = conform(meta, tree.place("meta"))
        product = cls._view(tree, owner=True)
        for name, array in arrays.items():
            product[name] = array
        return product
