//! Rows of a ramp with their flags: what a kernel works on.
//!
//! A band borrows the caller's arrays where it can. A kernel that looks at its neighbours (see
//! [`BandKernel::halo`]) gets extra rows above and below, and works on a copy, since the rows next
//! to a band belong to another band, which may be changing them at this moment. The whole image
//! is a band too: the one that starts at row 0.

use std::ops::Range;

use ndarray::{Array, ArrayView, ArrayViewMut, Axis, Dimension, Ix2, Ix3, Slice};

use crate::error::{KernelError, check_array, shape_text};

/// An algorithm that changes a ramp in place.
pub trait BandKernel: Sync {
    /// How many rows above and below a row its result depends on.
    fn halo(&self) -> usize {
        0
    }

    /// Errs unless the kernel's references and parameters fit a ramp of this shape.
    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError>;

    /// Corrects or flags a band. Rows of the halo may come out wrong: nobody keeps them.
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

    /// Some rows of the array.
    fn window(&mut self, rows: Range<usize>) -> BandArray<'_, T, D> {
        let rows = Slice::from(rows);
        if let Self::Shared(array) = self {
            let mut window = array.view();
            window.slice_axis_inplace(row_axis::<D>(), rows);
            return BandArray::Shared(window);
        }
        let mut window = self.view_mut();
        window.slice_axis_inplace(row_axis::<D>(), rows);
        BandArray::InPlace(window)
    }
}

/// Rows of a ramp, from `first_row` of the image on.
pub struct RampBand<'a> {
    /// The row of the image (and of the references) that is row 0 of this band.
    pub first_row: usize,
    /// Samples [DN], (n_resultants, n_rows, n_cols).
    pub data: BandArray<'a, f32, Ix3>,
    /// Flags of each sample, (n_resultants, n_rows, n_cols).
    pub groupdq: BandArray<'a, u8, Ix3>,
    /// Flags of each pixel, (n_rows, n_cols).
    pub pixeldq: BandArray<'a, u32, Ix2>,
}

impl RampBand<'_> {
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

    /// Some rows of the band, as a band.
    pub(crate) fn window(&mut self, rows: Range<usize>) -> RampBand<'_> {
        RampBand {
            first_row: self.first_row + rows.start,
            data: self.data.window(rows.clone()),
            groupdq: self.groupdq.window(rows.clone()),
            pixeldq: self.pixeldq.window(rows),
        }
    }

    /// Cuts the band into bands of at most `height` rows, each with `halo` rows around it.
    pub(crate) fn split(&mut self, height: usize, halo: usize) -> Vec<BandTask<'_>> {
        let cuts = cut(self.shape().1, height);
        let data = split_array(&mut self.data, &cuts, halo);
        let groupdq = split_array(&mut self.groupdq, &cuts, halo);
        let pixeldq = split_array(&mut self.pixeldq, &cuts, halo);
        cuts.into_iter()
            .zip(data)
            .zip(groupdq.into_iter().zip(pixeldq))
            .map(|((core, data), (groupdq, pixeldq))| BandTask {
                first_row: self.first_row + core.start.saturating_sub(halo),
                data,
                groupdq,
                pixeldq,
            })
            .collect()
    }
}

/// Cuts `n_rows` rows into ranges of at most `height` rows.
pub(crate) fn cut(n_rows: usize, height: usize) -> Vec<Range<usize>> {
    (0..n_rows)
        .step_by(height)
        .map(|start| start..n_rows.min(start + height))
        .collect()
}

/// A band to be worked on: the arrays a kernel will see, and where its results go.
pub(crate) struct BandTask<'a> {
    first_row: usize,
    data: Piece<'a, f32, Ix3>,
    groupdq: Piece<'a, u8, Ix3>,
    pixeldq: Piece<'a, u32, Ix2>,
}

impl<'a> BandTask<'a> {
    /// The band, to be read: what is changed in a copy is not kept.
    pub(crate) fn into_band(self) -> RampBand<'a> {
        self.open().0
    }

    fn open(self) -> (RampBand<'a>, Homes<'a>) {
        let (data, data_home) = self.data.open();
        let (groupdq, groupdq_home) = self.groupdq.open();
        let (pixeldq, pixeldq_home) = self.pixeldq.open();
        let band = RampBand {
            first_row: self.first_row,
            data,
            groupdq,
            pixeldq,
        };
        (band, (data_home, groupdq_home, pixeldq_home))
    }

    /// Runs the kernel on the band and keeps the rows that are the band's own.
    pub(crate) fn run(self, kernel: &dyn BandKernel) {
        let (mut band, homes) = self.open();
        kernel.apply(&mut band);
        keep(homes.0, &band.data);
        keep(homes.1, &band.groupdq);
        keep(homes.2, &band.pixeldq);
    }
}

/// One array of a [`BandTask`].
enum Piece<'a, T, D: Dimension> {
    /// The kernel may work on it directly.
    Direct(BandArray<'a, T, D>),
    /// Rows to be changed in place, with copies of the rows around them, taken before any band
    /// was worked on.
    Surrounded {
        above: Array<T, D>,
        core: ArrayViewMut<'a, T, D>,
        below: Array<T, D>,
    },
}

/// The caller's rows that a scratch array stands for, and how many rows of halo lie above them.
type Home<'a, T, D> = Option<(usize, ArrayViewMut<'a, T, D>)>;
type Homes<'a> = (Home<'a, f32, Ix3>, Home<'a, u8, Ix3>, Home<'a, u32, Ix2>);

impl<'a, T: Copy + Default, D: Dimension> Piece<'a, T, D> {
    fn open(self) -> (BandArray<'a, T, D>, Home<'a, T, D>) {
        match self {
            Self::Direct(array) => (array, None),
            Self::Surrounded { above, core, below } => {
                let axis = row_axis::<D>();
                let parts = [above.view(), core.view(), below.view()];
                let mut shape = core.raw_dim();
                shape[axis.index()] = parts.iter().map(|part| part.len_of(axis)).sum();
                let mut scratch = Array::default(shape);
                let mut start = 0;
                for part in parts {
                    let end = start + part.len_of(axis);
                    scratch
                        .slice_axis_mut(axis, Slice::from(start..end))
                        .assign(&part);
                    start = end;
                }
                (
                    BandArray::Scratch(scratch),
                    Some((above.len_of(axis), core)),
                )
            }
        }
    }
}

fn keep<T: Copy + Default, D: Dimension>(home: Home<'_, T, D>, result: &BandArray<'_, T, D>) {
    if let Some((above, mut core)) = home {
        let axis = row_axis::<D>();
        let rows = above..above + core.len_of(axis);
        core.assign(&result.view().slice_axis(axis, Slice::from(rows)));
    }
}

/// Rows are the last axis but one, in planes and in cubes.
fn row_axis<D: Dimension>() -> Axis {
    Axis(D::NDIM.map_or(0, |ndim| ndim - 2))
}

fn split_array<'a, T: Copy + Default, D: Dimension>(
    array: &'a mut BandArray<'_, T, D>,
    cuts: &[Range<usize>],
    halo: usize,
) -> Vec<Piece<'a, T, D>> {
    let axis = row_axis::<D>();
    if let BandArray::Shared(view) = array {
        let n_rows = view.len_of(axis);
        let rows_of = |core| {
            let mut rows = view.clone();
            rows.slice_axis_inplace(axis, Slice::from(with_halo(core, halo, n_rows)));
            Piece::Direct(BandArray::Shared(rows))
        };
        return cuts.iter().map(rows_of).collect();
    }
    let mut rest = array.view_mut();
    let n_rows = rest.len_of(axis);
    let surroundings: Vec<_> = cuts
        .iter()
        .map(|core| {
            let rows = with_halo(core, halo, n_rows);
            let copy = |rows: Range<usize>| rest.slice_axis(axis, Slice::from(rows)).to_owned();
            (copy(rows.start..core.start), copy(core.end..rows.end))
        })
        .collect();
    let mut pieces = Vec::with_capacity(cuts.len());
    for (core, (above, below)) in cuts.iter().zip(surroundings) {
        let (core, others) = rest.split_at(axis, core.len());
        rest = others;
        pieces.push(if halo == 0 {
            Piece::Direct(BandArray::InPlace(core))
        } else {
            Piece::Surrounded { above, core, below }
        });
    }
    pieces
}

/// The rows of a band with those around it that there are in an image of `n_rows`.
pub(crate) fn with_halo(core: &Range<usize>, halo: usize, n_rows: usize) -> Range<usize> {
    core.start.saturating_sub(halo)..n_rows.min(core.end.saturating_add(halo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    /// Sets every sample to the largest of its column in the rows next to it.
    struct Spread;

    impl BandKernel for Spread {
        fn halo(&self) -> usize {
            1
        }

        fn check(&self, _: (usize, usize, usize)) -> Result<(), KernelError> {
            Ok(())
        }

        fn apply(&self, band: &mut RampBand<'_>) {
            let before = band.groupdq.view().to_owned();
            let n_rows = band.shape().1;
            for ((g, r, c), flags) in band.groupdq.view_mut().indexed_iter_mut() {
                for row in r.saturating_sub(1)..n_rows.min(r + 2) {
                    *flags = (*flags).max(before[[g, row, c]]);
                }
            }
        }
    }

    #[test]
    fn rows_of_the_halo_are_seen_as_they_were_and_not_kept() {
        for height in 1..=5 {
            let data = Array3::zeros((1, 5, 1));
            let mut groupdq =
                Array3::from_shape_vec((1, 5, 1), vec![0, 0, 7, 0, 0]).expect("five samples");
            let mut pixeldq = Array2::zeros((5, 1));
            let mut ramp = RampBand {
                first_row: 0,
                data: BandArray::Shared(data.view()),
                groupdq: BandArray::InPlace(groupdq.view_mut()),
                pixeldq: BandArray::InPlace(pixeldq.view_mut()),
            };
            for task in ramp.split(height, 1) {
                task.run(&Spread);
            }
            assert_eq!(groupdq.into_raw_vec_and_offset().0, [0, 7, 7, 7, 0]);
        }
    }

    #[test]
    #[should_panic(expected = "lent for reading only")]
    fn an_array_lent_for_reading_is_never_changed() {
        let lent = Array2::<u32>::zeros((2, 2));
        BandArray::Shared(lent.view()).view_mut()[[0, 0]] = 1;
    }
}
