//! Cuts ramps and planes into tiles that may be worked on at the same time.
//!
//! A tile that needs the pixels around it gets a copy of them, taken before any tile was worked on, and
//! only its own pixels are kept.

use std::ops::Range;

use ndarray::{Array, ArrayViewMut, Dimension, Ix2, Ix3};

use crate::band::{BandArray, Place, RampBand, col_axis, part, part_mut, row_axis};

impl RampBand<'_> {
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
                        ..place
                            .cols
                            .end
                            .min((place.cols.start + col.end).saturating_add(halo)),
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

/// Ranges that begin at `start` rather than at 0.
pub(crate) fn within(ranges: Vec<Range<usize>>, start: usize) -> Vec<Range<usize>> {
    let moved = ranges.into_iter();
    moved
        .map(|range| start + range.start..start + range.end)
        .collect()
}

/// What of the ranges lies in another.
pub(crate) fn clipped(ranges: Vec<Range<usize>>, into: &Range<usize>) -> Vec<Range<usize>> {
    let clipped = ranges.into_iter();
    clipped
        .map(|range| range.start.max(into.start)..range.end.min(into.end))
        .filter(|range| !range.is_empty())
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
    use crate::band::{BandKernel, Changes};
    use crate::error::KernelError;
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
}
