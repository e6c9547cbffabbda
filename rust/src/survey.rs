//! What a kernel has to see of the frame before it can correct a pixel of it.
//!
//! Reference pixels, for example, tell of noise that all pixels share. Such a kernel gives a survey,
//! which says which part of the frame it has to see, looks at it, piece by piece, and concludes: it
//! becomes the kernel that does the work. What it sees are the samples as the kernels before it leave
//! them. Whoever runs kernels makes this pass before the other.

use std::ops::{Deref, Range};
use std::time::{Duration, Instant};

use crate::band::{BandKernel, RampBand};
use crate::driver::{Clock, Execution, apply_all, for_each_with, halo_of};
use crate::error::KernelError;
use crate::tiles::{clipped, cut, with_halo, within};

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

    /// The rectangles in pieces of at most `height` rows, all columns at once or, one after the other,
    /// those of each channel.
    fn pieces(&self, height: usize, tile_cols: Option<usize>) -> Vec<Pieces> {
        let mut pieces = Vec::new();
        for (rows, cols) in &self.pixels {
            let bands = within(cut(rows.len(), height), rows.start);
            match tile_cols {
                Some(size) => pieces.extend(
                    clipped(cut(cols.end, size), cols)
                        .into_iter()
                        .map(|cols| (bands.clone(), cols)),
                ),
                None => pieces.extend(bands.into_iter().map(|band| (vec![band], cols.clone()))),
            }
        }
        pieces
    }
}

/// Pieces of a rectangle that one thread looks at: bands of rows, of the same columns.
type Pieces = (Vec<Range<usize>>, Range<usize>);

/// A kernel that has not seen yet what it has to see.
pub trait Survey<'k>: Sync {
    /// What it has to see.
    fn part(&self) -> Part;

    /// Looks at a piece of it: some rows, and some columns, of one of the rectangles. Pieces come in any
    /// order, several at a time, so that what is concluded must not depend on it.
    fn look(&self, piece: &RampBand<'_>);

    /// The kernel, when all has been seen. What takes long is shared among threads as `execution` says.
    fn conclude(
        self: Box<Self>,
        execution: &mut Execution<'_>,
    ) -> Result<Box<dyn BandKernel + 'k>, KernelError>;
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

/// The kernels for some columns of the image. `took` is told which kernel took how long.
pub(crate) fn for_columns<'k>(
    kernels: &'k [Ready<'_>],
    cols: &Range<usize>,
    took: impl Fn(usize, Duration),
) -> Vec<Ready<'k>> {
    let kernels = kernels.iter().enumerate();
    kernels
        .map(|(index, kernel)| {
            let started = Instant::now();
            let Some(made) = kernel.for_columns(cols) else {
                return Ready::Given(&**kernel);
            };
            took(index, started.elapsed());
            Ready::Made(made)
        })
        .collect()
}

/// Shows surveys the ramp that they are of.
pub(crate) trait Show: Sync {
    /// Memory that a thread needs for it.
    type Memory;

    /// How many rows of the ramp to show at once, in tiles of so many columns, with a halo.
    fn height(&self, execution: &Execution<'_>, tile_cols: Option<usize>, halo: usize) -> usize;

    /// Memory for pieces of so many rows and columns, with a halo.
    fn memory(&self, height: usize, width: usize, halo: usize) -> Self::Memory;

    /// A piece of the ramp, with a halo.
    fn piece<'m>(
        &'m self,
        rows: &Range<usize>,
        cols: &Range<usize>,
        halo: usize,
        memory: &'m mut Self::Memory,
    ) -> RampBand<'m>;
}

/// Makes all kernels ready: has those with a survey look at what the kernels before them leave. The
/// time that this takes is that of the kernel.
pub(crate) fn conclude<'k, S: Show>(
    kernels: &[&'k dyn BandKernel],
    shape: (usize, usize, usize),
    ramp: &S,
    clocks: &[Clock],
    execution: &mut Execution<'_>,
) -> Result<Vec<Ready<'k>>, KernelError> {
    let n_cols = shape.2;
    let mut ready = Vec::with_capacity(kernels.len());
    for (&kernel, clock) in kernels.iter().zip(clocks) {
        let kernel = match kernel.survey(shape) {
            Some(survey) => {
                let part = survey.part();
                let halo = halo_of(&ready);
                let by_channel = ready.iter().any(|kernel| kernel.by_channel());
                let tile_cols = execution.tile_cols(by_channel, n_cols);
                let height = ramp.height(execution, tile_cols, halo);
                for_each_with(
                    part.pieces(height, tile_cols),
                    || ramp.memory(height, tile_cols.unwrap_or(n_cols), halo),
                    |memory, (bands, cols)| {
                        let started = Instant::now();
                        let seen_cols = with_halo(&cols, halo, n_cols);
                        let before = for_columns(&ready, &seen_cols, |_, _| ());
                        for rows in bands {
                            let mut piece = ramp.piece(&rows, &cols, halo, memory);
                            apply_all(&before, &mut piece, |_, _| ());
                            survey.look(&piece.seen(&part.resultants, &rows, &cols));
                        }
                        clock.add(started.elapsed());
                    },
                    execution,
                )?;
                let started = Instant::now();
                let kernel = survey.conclude(execution)?;
                clock.add(started.elapsed());
                Ready::Made(kernel)
            }
            None => Ready::Given(kernel),
        };
        ready.push(kernel);
    }
    Ok(ready)
}
