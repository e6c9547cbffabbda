//! Rows of a ramp with their flags: what a kernel works on.
//!
//! A band borrows the caller's arrays where it can. A kernel that looks at its neighbours (see
//! [`BandKernel::halo`]) gets extra rows and columns around it, and works on a copy, since the pixels
//! next to a band belong to another band, which may be changing them at this moment. The whole image
//! is a band too: the one that begins at its first pixel.

use std::ops::Range;
use std::time::Duration;

use ndarray::{Array, Array2, Array3, ArrayView, ArrayViewMut, Axis, Dimension, Ix2, Ix3, Slice};

use crate::error::{KernelError, check_array, shape_text};
use crate::survey::Survey;

/// Which arrays of a ramp a kernel changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// The samples.
    pub data: bool,
    /// The flags of the samples.
    pub groupdq: bool,
    /// The flags of the pixels.
    pub pixeldq: bool,
}

impl Changes {
    /// The samples, and the flags of pixels.
    pub const DATA_AND_PIXELDQ: Self = Self {
        data: true,
        groupdq: false,
        pixeldq: true,
    };
    /// The flags of samples and of pixels.
    pub const FLAGS: Self = Self {
        data: false,
        groupdq: true,
        pixeldq: true,
    };

    /// What either changes.
    pub fn or(self, other: Self) -> Self {
        Self {
            data: self.data | other.data,
            groupdq: self.groupdq | other.groupdq,
            pixeldq: self.pixeldq | other.pixeldq,
        }
    }

    /// The names of the arrays.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("data", self.data),
            ("groupdq", self.groupdq),
            ("pixeldq", self.pixeldq),
        ];
        all.into_iter()
            .filter_map(|(name, changed)| changed.then_some(name))
    }
}

/// An algorithm that changes a ramp in place.
///
/// It says once all there is to know of it, and whoever runs it sees to the rest: whether that is a
/// function on a whole ramp or the one pass, in whatever tiles.
pub trait BandKernel: Sync {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// The arrays it changes; the others it may read.
    fn changes(&self) -> Changes;

    /// How many rows and columns around a pixel its result depends on.
    fn halo(&self) -> usize {
        0
    }

    /// Errs unless the kernel's references and parameters fit a ramp of this shape.
    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError>;

    /// Whether it works best on tiles of one channel of the read-out, all rows of it.
    fn by_channel(&self) -> bool {
        false
    }

    /// What the kernel has to see of the frame before it can work, if anything.
    fn survey(&self, _shape: (usize, usize, usize)) -> Option<Box<dyn Survey<'_> + '_>> {
        None
    }

    /// The kernel for bands of some columns of the image, where it prepares something for all of their
    /// rows.
    fn for_columns(&self, _cols: &Range<usize>) -> Option<Box<dyn BandKernel + '_>> {
        None
    }

    /// Corrects or flags a band. Pixels of the halo may come out wrong: nobody keeps them.
    fn apply(&self, band: &mut RampBand<'_>);

    /// What it found out, or made, besides the ramp. Asked once, after the last band.
    fn found(&self) -> Vec<(&'static str, Found)> {
        Vec::new()
    }
}

/// Something besides the ramp that a kernel found out, or made.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A number, such as a parameter of a fit.
    Number(f64),
    /// Counts of an amplifier, (n_resultants, n_rows, n_cols) [DN].
    Counts(Array3<u16>),
    /// Samples, (n_resultants, n_rows, n_cols) [DN].
    Samples(Array3<f32>),
    /// Resultant, row and column of samples, (n, 3).
    Indices(Array2<i16>),
}

/// What a kernel has to tell after a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Time that threads spent in it, summed over threads: also in its survey, and in making it ready
    /// for columns.
    pub took: Duration,
    /// What it found, by name.
    pub found: Vec<(&'static str, Found)>,
}

/// An array of a band. Its rows are contiguous in memory; planes and rows may be spaced.
pub enum BandArray<'a, T, D: Dimension> {
    /// The caller's array, only read.
    Shared(ArrayView<'a, T, D>),
    /// The caller's array, changed in place.
    InPlace(ArrayViewMut<'a, T, D>),
    /// A copy of its own.
    Scratch(Array<T, D>),
}

impl<T: Copy + Default, D: Dimension> BandArray<'_, T, D> {
    /// The array, wherever it is stored.
    pub fn view(&self) -> ArrayView<'_, T, D> {
        match self {
            Self::Shared(array) => array.view(),
            Self::InPlace(array) => array.view(),
            Self::Scratch(array) => array.view(),
        }
    }

    /// The array, to be changed.
    ///
    /// # Panics
    /// If the caller lent it for reading: a kernel says in its documentation what it changes.
    pub fn view_mut(&mut self) -> ArrayViewMut<'_, T, D> {
        match self {
            Self::InPlace(array) => array.view_mut(),
            Self::Scratch(array) => array.view_mut(),
            Self::Shared(_) => panic!("a kernel changes an array that was lent for reading only"),
        }
    }

    /// Some rows and columns of the array.
    fn window(&mut self, rows: Range<usize>, cols: Range<usize>) -> BandArray<'_, T, D> {
        if let Self::Shared(array) = self {
            return BandArray::Shared(part(array.view(), rows, cols));
        }
        BandArray::InPlace(part_mut(self.view_mut(), rows, cols))
    }
}

/// Where in the image a band lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The row of the image (and of the references) that is row 0 of the band.
    pub first_row: usize,
    /// The columns of the image that are its columns.
    pub cols: Range<usize>,
}

impl Place {
    /// That of an image of so many columns, or of whole rows of it from the first on.
    pub fn of_image(n_cols: usize) -> Self {
        Self {
            first_row: 0,
            cols: 0..n_cols,
        }
    }
}

/// Rows of a ramp, or a part of them.
pub struct RampBand<'a> {
    /// Where it lies in the image.
    pub place: Place,
    /// Samples [DN], (n_resultants, n_rows, n_cols).
    pub data: BandArray<'a, f32, Ix3>,
    /// Flags of each sample, (n_resultants, n_rows, n_cols).
    pub groupdq: BandArray<'a, u8, Ix3>,
    /// Flags of each pixel, (n_rows, n_cols).
    pub pixeldq: BandArray<'a, u32, Ix2>,
}

impl<'a> RampBand<'a> {
    /// A whole ramp.
    pub fn of_image(
        data: BandArray<'a, f32, Ix3>,
        groupdq: BandArray<'a, u8, Ix3>,
        pixeldq: BandArray<'a, u32, Ix2>,
    ) -> Self {
        Self {
            place: Place::of_image(data.view().dim().2),
            data,
            groupdq,
            pixeldq,
        }
    }

    /// (n_resultants, n_rows, n_cols) of the band.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.data.view().dim()
    }

    /// Errs unless there is a resultant and the arrays have the same shape.
    pub fn check(&self) -> Result<(), KernelError> {
        let (n_resultants, n_rows, n_cols) = self.shape();
        if n_resultants == 0 {
            return Err(KernelError::Shape {
                argument: "data",
                expected: "(n_resultants, n_rows, n_cols) with at least one resultant".into(),
                received: shape_text(&[n_resultants, n_rows, n_cols]),
            });
        }
        let cube = [n_resultants, n_rows, n_cols];
        check_array("data", &cube, &self.data.view())?;
        check_array("groupdq", &cube, &self.groupdq.view())?;
        check_array("pixeldq", &cube[1..], &self.pixeldq.view())
    }

    /// Some rows and columns of the band, as a band.
    pub(crate) fn window(&mut self, rows: Range<usize>, cols: Range<usize>) -> RampBand<'_> {
        let Place {
            first_row,
            cols: of,
        } = &self.place;
        RampBand {
            place: Place {
                first_row: first_row + rows.start,
                cols: of.start + cols.start..of.start + cols.end,
            },
            data: self.data.window(rows.clone(), cols.clone()),
            groupdq: self.groupdq.window(rows.clone(), cols.clone()),
            pixeldq: self.pixeldq.window(rows, cols),
        }
    }

    /// Some rows of the band.
    pub(crate) fn rows(&mut self, rows: Range<usize>) -> RampBand<'_> {
        let n_cols = self.shape().2;
        self.window(rows, 0..n_cols)
    }
}

impl RampBand<'_> {
    /// A copy of some rows and columns.
    pub(crate) fn copied<'c>(&self, rows: Range<usize>, cols: Range<usize>) -> RampBand<'c> {
        let place = Place {
            first_row: self.place.first_row + rows.start,
            cols: self.place.cols.start + cols.start..self.place.cols.start + cols.end,
        };
        let data = part(self.data.view(), rows.clone(), cols.clone()).to_owned();
        let groupdq = part(self.groupdq.view(), rows.clone(), cols.clone()).to_owned();
        let pixeldq = part(self.pixeldq.view(), rows, cols).to_owned();
        RampBand {
            place,
            data: BandArray::Scratch(data),
            groupdq: BandArray::Scratch(groupdq),
            pixeldq: BandArray::Scratch(pixeldq),
        }
    }

    /// Some resultants, rows and columns, the latter as numbered in the image, only to be read.
    pub(crate) fn seen(
        &self,
        resultants: &Range<usize>,
        rows: &Range<usize>,
        cols: &Range<usize>,
    ) -> RampBand<'_> {
        let first_row = self.place.first_row;
        let first_col = self.place.cols.start;
        let own_rows = rows.start - first_row..rows.end - first_row;
        let own_cols = cols.start - first_col..cols.end - first_col;
        let (mut data, mut groupdq) = (self.data.view(), self.groupdq.view());
        data.slice_axis_inplace(Axis(0), Slice::from(resultants.clone()));
        groupdq.slice_axis_inplace(Axis(0), Slice::from(resultants.clone()));
        RampBand {
            place: Place {
                first_row: rows.start,
                cols: cols.clone(),
            },
            data: BandArray::Shared(part(data, own_rows.clone(), own_cols.clone())),
            groupdq: BandArray::Shared(part(groupdq, own_rows.clone(), own_cols.clone())),
            pixeldq: BandArray::Shared(part(self.pixeldq.view(), own_rows, own_cols)),
        }
    }
}

/// Rows are the last axis but one, in planes and in cubes.
pub(crate) fn row_axis<D: Dimension>() -> Axis {
    Axis(D::NDIM.map_or(0, |ndim| ndim - 2))
}

/// Columns are the last axis.
pub(crate) fn col_axis<D: Dimension>() -> Axis {
    Axis(D::NDIM.map_or(1, |ndim| ndim - 1))
}

/// Some rows and columns of an array.
pub(crate) fn part<T, D: Dimension>(
    mut array: ArrayView<'_, T, D>,
    rows: Range<usize>,
    cols: Range<usize>,
) -> ArrayView<'_, T, D> {
    array.slice_axis_inplace(row_axis::<D>(), Slice::from(rows));
    array.slice_axis_inplace(col_axis::<D>(), Slice::from(cols));
    array
}

/// The same, to be changed.
pub(crate) fn part_mut<T, D: Dimension>(
    mut array: ArrayViewMut<'_, T, D>,
    rows: Range<usize>,
    cols: Range<usize>,
) -> ArrayViewMut<'_, T, D> {
    array.slice_axis_inplace(row_axis::<D>(), Slice::from(rows));
    array.slice_axis_inplace(col_axis::<D>(), Slice::from(cols));
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    #[should_panic(expected = "lent for reading only")]
    fn an_array_lent_for_reading_is_never_changed() {
        let lent = Array2::<u32>::zeros((2, 2));
        BandArray::Shared(lent.view()).view_mut()[[0, 0]] = 1;
    }
}
