//! Rows of a ramp with their flags: what a kernel works on.
//!
//! A band borrows the caller's arrays where it can. A kernel that looks at its neighbours (see
//! [`BandKernel::halo`]) gets extra rows and columns around it, and works on a copy, since the pixels
//! next to a band belong to another band, which may be changing them at this moment. The whole image
//! is a band too: the one that begins at its first pixel.

use std::ops::Range;

use ndarray::{Array, ArrayView, ArrayViewMut, Axis, Dimension, Ix2, Ix3, Slice};

use crate::error::{KernelError, check_array, shape_text};
use crate::survey::Survey;

/// Which arrays of a ramp a kernel changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    pub data: bool,
    pub groupdq: bool,
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

    /// Cuts the band into tiles, each with `halo` pixels around it: for each range of columns the
    /// bands of its rows, from the first to the last.
    pub(crate) fn split(
        &mut self,
        rows: &[Range<usize>],
        cols: &[Range<usize>],
        halo: usize,
    ) -> Vec<Vec<BandTask<'_>>> {
        let place = &self.place;
        let data = split_array(&mut self.data, rows, cols, halo).into_iter();
        let mut groupdq = split_array(&mut self.groupdq, rows, cols, halo).into_iter();
        let mut pixeldq = split_array(&mut self.pixeldq, rows, cols, halo).into_iter();
        let mut task = |row: &Range<usize>, col: &Range<usize>, data| {
            Some(BandTask {
                place: Place {
                    first_row: place.first_row + row.start.saturating_sub(halo),
                    cols: place.cols.start + col.start.saturating_sub(halo)
                        ..place.cols.end.min(place.cols.start + col.end + halo),
                },
                data,
                groupdq: groupdq.next()?,
                pixeldq: pixeldq.next()?,
            })
        };
        let mut data = data;
        let mut of_columns = |col: &Range<usize>| {
            let bands = rows.iter();
            bands
                .filter_map(|row| task(row, col, data.next()?))
                .collect()
        };
        cols.iter().map(&mut of_columns).collect()
    }
}

impl RampBand<'_> {
    /// A copy of some rows and columns.
    pub(crate) fn copied(&self, rows: Range<usize>, cols: Range<usize>) -> RampBand<'static> {
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

    /// Cuts the band into bands of at most `height` rows.
    pub(crate) fn bands(&mut self, height: usize) -> Vec<BandTask<'_>> {
        let (_, n_rows, n_cols) = self.shape();
        self.split(&cut(n_rows, height), &all(n_cols), 0)
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Cuts `length` rows or columns into ranges of at most `size`.
pub(crate) fn cut(length: usize, size: usize) -> Vec<Range<usize>> {
    (0..length)
        .step_by(size)
        .map(|start| start..length.min(start + size))
        .collect()
}

/// The cut that leaves all rows or columns together.
pub(crate) fn all(length: usize) -> Vec<Range<usize>> {
    std::iter::once(0..length).collect()
}

/// A band to be worked on: the arrays a kernel will see, and where its results go.
pub(crate) struct BandTask<'a> {
    place: Place,
    data: Piece<'a, f32, Ix3>,
    groupdq: Piece<'a, u8, Ix3>,
    pixeldq: Piece<'a, u32, Ix2>,
}

impl<'a> BandTask<'a> {
    /// The columns of the image that the band has, with those around its own.
    pub(crate) fn cols(&self) -> &Range<usize> {
        &self.place.cols
    }

    /// The band, to be read: what is changed in a copy is not kept.
    pub(crate) fn into_band(self) -> RampBand<'a> {
        self.open().0
    }

    fn open(self) -> (RampBand<'a>, Homes<'a>) {
        let (data, data_home) = self.data.open();
        let (groupdq, groupdq_home) = self.groupdq.open();
        let (pixeldq, pixeldq_home) = self.pixeldq.open();
        let band = RampBand {
            place: self.place,
            data,
            groupdq,
            pixeldq,
        };
        (band, (data_home, groupdq_home, pixeldq_home))
    }

    /// Has the band worked on, and keeps the pixels that are its own.
    pub(crate) fn run(self, work: impl FnOnce(&mut RampBand<'_>)) {
        let (mut band, homes) = self.open();
        work(&mut band);
        keep(homes.0, &band.data);
        keep(homes.1, &band.groupdq);
        keep(homes.2, &band.pixeldq);
    }
}

/// One array of a [`BandTask`].
enum Piece<'a, T, D: Dimension> {
    /// The kernel may work on it directly.
    Direct(BandArray<'a, T, D>),
    /// Pixels to be changed in place, with copies of those around them, taken before any band was
    /// worked on.
    Surrounded {
        core: ArrayViewMut<'a, T, D>,
        /// How many rows above and columns left of the core there are.
        before: (usize, usize),
        above: Array<T, D>,
        below: Array<T, D>,
        left: Array<T, D>,
        right: Array<T, D>,
    },
}

/// The caller's pixels that a scratch array stands for, and how many rows and columns of halo lie
/// before them.
type Home<'a, T, D> = Option<((usize, usize), ArrayViewMut<'a, T, D>)>;
type Homes<'a> = (Home<'a, f32, Ix3>, Home<'a, u8, Ix3>, Home<'a, u32, Ix2>);

impl<'a, T: Copy + Default, D: Dimension> Piece<'a, T, D> {
    fn open(self) -> (BandArray<'a, T, D>, Home<'a, T, D>) {
        match self {
            Self::Direct(array) => (array, None),
            Self::Surrounded {
                core,
                before,
                above,
                below,
                left,
                right,
            } => {
                let n_rows = core.len_of(row_axis::<D>());
                let n_cols = core.len_of(col_axis::<D>());
                let mut shape = above.raw_dim();
                shape[row_axis::<D>().index()] += n_rows + below.len_of(row_axis::<D>());
                let all_cols = shape[col_axis::<D>().index()];
                let all_rows = shape[row_axis::<D>().index()];
                let mut scratch = Array::default(shape);
                let (rows, cols) = (before.0..before.0 + n_rows, before.1..before.1 + n_cols);
                let places = [
                    (above.view(), 0..rows.start, 0..all_cols),
                    (below.view(), rows.end..all_rows, 0..all_cols),
                    (left.view(), rows.clone(), 0..cols.start),
                    (right.view(), rows.clone(), cols.end..all_cols),
                    (core.view(), rows, cols),
                ];
                for (from, rows, cols) in places {
                    part_mut(scratch.view_mut(), rows, cols).assign(&from);
                }
                (BandArray::Scratch(scratch), Some((before, core)))
            }
        }
    }
}

fn keep<T: Copy + Default, D: Dimension>(home: Home<'_, T, D>, result: &BandArray<'_, T, D>) {
    if let Some((before, mut core)) = home {
        let rows = before.0..before.0 + core.len_of(row_axis::<D>());
        let cols = before.1..before.1 + core.len_of(col_axis::<D>());
        core.assign(&part(result.view(), rows, cols));
    }
}

/// Rows are the last axis but one, in planes and in cubes.
fn row_axis<D: Dimension>() -> Axis {
    Axis(D::NDIM.map_or(0, |ndim| ndim - 2))
}

/// Columns are the last axis.
fn col_axis<D: Dimension>() -> Axis {
    Axis(D::NDIM.map_or(1, |ndim| ndim - 1))
}

/// Some rows and columns of an array.
fn part<T, D: Dimension>(
    mut array: ArrayView<'_, T, D>,
    rows: Range<usize>,
    cols: Range<usize>,
) -> ArrayView<'_, T, D> {
    array.slice_axis_inplace(row_axis::<D>(), Slice::from(rows));
    array.slice_axis_inplace(col_axis::<D>(), Slice::from(cols));
    array
}

/// The same, to be changed.
fn part_mut<T, D: Dimension>(
    mut array: ArrayViewMut<'_, T, D>,
    rows: Range<usize>,
    cols: Range<usize>,
) -> ArrayViewMut<'_, T, D> {
    array.slice_axis_inplace(row_axis::<D>(), Slice::from(rows));
    array.slice_axis_inplace(col_axis::<D>(), Slice::from(cols));
    array
}

/// Cuts an array into tiles: those of the first columns first, from the first row to the last. The
/// ranges follow one another from 0 on.
pub(crate) fn cut_array<'a, T, D: Dimension>(
    array: ArrayViewMut<'a, T, D>,
    rows: &[Range<usize>],
    cols: &[Range<usize>],
) -> Vec<ArrayViewMut<'a, T, D>> {
    let mut tiles = Vec::with_capacity(rows.len() * cols.len());
    let mut rest = array;
    for col in cols {
        let (mut below, others) = rest.split_at(col_axis::<D>(), col.len());
        rest = others;
        for row in rows {
            let (tile, others) = below.split_at(row_axis::<D>(), row.len());
            below = others;
            tiles.push(tile);
        }
    }
    tiles
}

/// Cuts an array as [`cut_array`] does, with the pixels around each tile.
fn split_array<'a, T: Copy + Default, D: Dimension>(
    array: &'a mut BandArray<'_, T, D>,
    rows: &[Range<usize>],
    cols: &[Range<usize>],
    halo: usize,
) -> Vec<Piece<'a, T, D>> {
    let tiles = || {
        cols.iter()
            .flat_map(|col| rows.iter().map(move |row| (row, col)))
    };
    if let BandArray::Shared(view) = array {
        let (n_rows, n_cols) = (view.len_of(row_axis::<D>()), view.len_of(col_axis::<D>()));
        let with_its_halo = |(row, col)| {
            let (rows, cols) = (with_halo(row, halo, n_rows), with_halo(col, halo, n_cols));
            Piece::Direct(BandArray::Shared(part(view.clone(), rows, cols)))
        };
        return tiles().map(with_its_halo).collect();
    }
    let whole = array.view_mut();
    if halo == 0 {
        let cores = cut_array(whole, rows, cols).into_iter();
        return cores
            .map(|core| Piece::Direct(BandArray::InPlace(core)))
            .collect();
    }
    let (n_rows, n_cols) = (whole.len_of(row_axis::<D>()), whole.len_of(col_axis::<D>()));
    let copy = |rows: Range<usize>, cols: Range<usize>| part(whole.view(), rows, cols).to_owned();
    let surroundings: Vec<_> = tiles()
        .map(|(row, col)| {
            let (rows, cols) = (with_halo(row, halo, n_rows), with_halo(col, halo, n_cols));
            (
                (row.start - rows.start, col.start - cols.start),
                copy(rows.start..row.start, cols.clone()),
                copy(row.end..rows.end, cols.clone()),
                copy(row.clone(), cols.start..col.start),
                copy(row.clone(), col.end..cols.end),
            )
        })
        .collect();
    cut_array(whole, rows, cols)
        .into_iter()
        .zip(surroundings)
        .map(
            |(core, (before, above, below, left, right))| Piece::Surrounded {
                core,
                before,
                above,
                below,
                left,
                right,
            },
        )
        .collect()
}

/// A range of rows or columns with those around it that there are in an image of `length`.
pub(crate) fn with_halo(core: &Range<usize>, halo: usize, length: usize) -> Range<usize> {
    core.start.saturating_sub(halo)..length.min(core.end.saturating_add(halo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    /// Sets every sample to the largest of those next to it.
    struct Spread;

    impl BandKernel for Spread {
        fn name(&self) -> &'static str {
            "spread"
        }

        fn changes(&self) -> Changes {
            Changes::FLAGS
        }

        fn halo(&self) -> usize {
            1
        }

        fn check(&self, _: (usize, usize, usize)) -> Result<(), KernelError> {
            Ok(())
        }

        fn apply(&self, band: &mut RampBand<'_>) {
            let before = band.groupdq.view().to_owned();
            let (_, n_rows, n_cols) = band.shape();
            for ((g, r, c), flags) in band.groupdq.view_mut().indexed_iter_mut() {
                for row in r.saturating_sub(1)..n_rows.min(r + 2) {
                    for col in c.saturating_sub(1)..n_cols.min(c + 2) {
                        *flags = (*flags).max(before[[g, row, col]]);
                    }
                }
            }
        }
    }

    #[test]
    fn pixels_of_the_halo_are_seen_as_they_were_and_not_kept() {
        let mut alone = Array3::zeros((1, 5, 7));
        alone[[0, 2, 3]] = 7;
        for (height, width) in [(1, 1), (2, 3), (3, 2), (5, 7), (1, 7), (5, 1)] {
            let data = Array3::zeros((1, 5, 7));
            let mut groupdq = alone.clone();
            let mut pixeldq = Array2::zeros((5, 7));
            let mut ramp = RampBand::of_image(
                BandArray::Shared(data.view()),
                BandArray::InPlace(groupdq.view_mut()),
                BandArray::InPlace(pixeldq.view_mut()),
            );
            for task in ramp
                .split(&cut(5, height), &cut(7, width), 1)
                .into_iter()
                .flatten()
            {
                task.run(|band| Spread.apply(band));
            }
            for ((_, r, c), &flags) in groupdq.indexed_iter() {
                let near = r.abs_diff(2) <= 1 && c.abs_diff(3) <= 1;
                assert_eq!(flags, if near { 7 } else { 0 }, "({r}, {c})");
            }
        }
    }

    #[test]
    fn tiles_know_their_place() {
        let data = Array3::zeros((1, 5, 7));
        let (mut groupdq, mut pixeldq) = (Array3::zeros((1, 5, 7)), Array2::zeros((5, 7)));
        let mut ramp = RampBand::of_image(
            BandArray::Shared(data.view()),
            BandArray::InPlace(groupdq.view_mut()),
            BandArray::InPlace(pixeldq.view_mut()),
        );
        let places: Vec<_> = ramp
            .split(&cut(5, 3), &cut(7, 4), 1)
            .into_iter()
            .flatten()
            .map(|task| (task.place.first_row, task.place.cols.clone()))
            .collect();
        assert_eq!(places, [(0, 0..5), (2, 0..5), (0, 3..7), (2, 3..7)]);
    }

    #[test]
    #[should_panic(expected = "lent for reading only")]
    fn an_array_lent_for_reading_is_never_changed() {
        let lent = Array2::<u32>::zeros((2, 2));
        BandArray::Shared(lent.view()).view_mut()[[0, 0]] = 1;
    }
}
