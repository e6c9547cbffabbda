//! What a kernel has to see of the frame before it can correct a pixel of it.
//!
//! Reference pixels, for example, tell of noise that all pixels share. Such a kernel gives a survey,
//! which says which part of the frame it has to see, looks at it, piece by piece, and concludes: it
//! becomes the kernel that does the work. What it sees are the samples as the kernels before it leave
//! them. Whoever runs kernels makes this pass before the other.

use std::ops::{Deref, Range};

use crate::band::{BandKernel, RampBand};
use crate::error::KernelError;
use crate::tiles::{cut, within};

/// A part of a ramp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which resultants.
    pub resultants: Range<usize>,
    /// Which pixels: rectangles of rows and columns, which may overlap.
    pub pixels: Vec<(Range<usize>, Range<usize>)>,
}

impl Part {
    /// The frame of pixels, `width` wide, around an image of so many rows and columns.
    pub fn border(
        resultants: Range<usize>,
        width: usize,
        (n_rows, n_cols): (usize, usize),
    ) -> Self {
        let (top, bottom) = (width.min(n_rows), n_rows - width.min(n_rows));
        let (left, right) = (width.min(n_cols), n_cols - width.min(n_cols));
        Self {
            resultants,
            pixels: vec![
                (0..top, 0..n_cols),
                (bottom..n_rows, 0..n_cols),
                (0..n_rows, 0..left),
                (0..n_rows, right..n_cols),
            ],
        }
    }

    /// All pixels of some rows.
    pub fn rows(resultants: Range<usize>, rows: Range<usize>, n_cols: usize) -> Self {
        Self {
            resultants,
            pixels: vec![(rows, 0..n_cols)],
        }
    }

    /// The rectangles in pieces of at most `height` rows.
    pub(crate) fn pieces(&self, height: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let rectangles = self.pixels.iter();
        rectangles
            .flat_map(|(rows, cols)| {
                let bands = within(cut(rows.len(), height), rows.start).into_iter();
                bands.map(|rows| (rows, cols.clone()))
            })
            .collect()
    }
}

/// A kernel that has not seen yet what it has to see.
pub trait Survey<'k>: Sync {
    /// What it has to see.
    fn part(&self) -> Part;

    /// Looks at a piece of it: some rows of one of the rectangles. Pieces come in any order, several
    /// at a time, so that what is concluded must not depend on it.
    fn look(&self, piece: &RampBand<'_>);

    /// The kernel, when all has been seen.
    fn conclude(self: Box<Self>) -> Result<Box<dyn BandKernel + 'k>, KernelError>;
}

/// A kernel that can work: one that was given, or one that was made for what is at hand.
pub(crate) enum Ready<'k> {
    Given(&'k dyn BandKernel),
    Made(Box<dyn BandKernel + 'k>),
}

impl<'k> Deref for Ready<'k> {
    type Target = dyn BandKernel + 'k;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Given(kernel) => *kernel,
            Self::Made(kernel) => &**kernel,
        }
    }
}

/// The kernels for some columns of the image.
pub(crate) fn for_columns<'k>(kernels: &'k [Ready<'_>], cols: &Range<usize>) -> Vec<Ready<'k>> {
    kernels
        .iter()
        .map(|kernel| match kernel.for_columns(cols) {
            Some(made) => Ready::Made(made),
            None => Ready::Given(&**kernel),
        })
        .collect()
}

/// Makes all kernels ready. `look` shows a survey its part, as the kernels that are ready leave it.
pub(crate) fn conclude<'k>(
    kernels: &[&'k dyn BandKernel],
    shape: (usize, usize, usize),
    mut look: impl FnMut(&[Ready<'k>], &dyn Survey<'k>) -> Result<(), KernelError>,
) -> Result<Vec<Ready<'k>>, KernelError> {
    let mut ready = Vec::with_capacity(kernels.len());
    for &kernel in kernels {
        let kernel = match kernel.survey(shape) {
            Some(survey) => {
                look(&ready, &*survey)?;
                Ready::Made(survey.conclude()?)
            }
            None => Ready::Given(kernel),
        };
        ready.push(kernel);
    }
    Ok(ready)
}
