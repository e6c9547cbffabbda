//! The whole chain, from raw counts to the rate image, in one pass over memory.
//!
//! The image is cut into tiles: bands of rows or, where a kernel works channel by channel, channels of
//! the read-out, each of which is gone through in bands of its rows. A band is read into scratch
//! memory, few enough pixels that it stays in the caches, taken through the kernels there, and fitted;
//! only the rate image is written. The kernels are those that work on whole ramps, and see no
//! difference: a band has the pixels of halo around it that they need, all of them together.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ndarray::{Array2, Array3, ArrayViewMut, Axis, Dimension, Slice};

use crate::band::{BandArray, BandKernel, Found, Outcome, Place, RampBand};
use crate::dq::{group, pixel};
use crate::driver::{Clock, Execution, apply_all, for_each_with, halo_of, outcomes};
use crate::encoding::Encoding;
use crate::error::{KernelError, shape_text};
use crate::lanes::{Lanes, blocks, row_mut, rows_mut, store};
use crate::planes::{Fit, Planes};
use crate::reference::{Cube, Plane, Row};
use crate::survey::{Ready, Show, conclude, for_columns};
use crate::tiles::{clipped, cut, with_halo, within};

/// Rows of a band over all columns. More make the rows of halo, which are computed twice, matter less;
/// fewer make it stay nearer to the core.
const BAND_ROWS: usize = 16;

/// Rows of a band of a channel, which is much narrower.
const CHANNEL_BAND_ROWS: usize = 128;

/// Samples of a band at most (but always a row and its halo), so that scratch memory stays small
/// however long the ramps are.
const BAND_SAMPLES: usize = 1 << 21;

/// Columns of a row of scratch memory besides those that are used. They keep the same pixel of all
/// resultants from falling on the same place of a cache, which has room for a few of them only, and
/// leave room for rows to begin with a line of the cache.
const PADDING: usize = 128;

/// What is calibrated, and how.
pub struct Chain<'a> {
    /// The samples.
    pub source: Source<'a>,
    /// Flags that samples have from the beginning, (n_resultants, n_rows, n_cols).
    pub groupdq: Option<Cube<'a, u8>>,
    /// Flags that pixels have from the beginning, (n_rows, n_cols).
    pub pixeldq: Option<Plane<'a, u32>>,
    /// What the ramps go through, in order.
    pub kernels: Vec<&'a dyn BandKernel>,
    /// The fit of what is inside the border.
    pub fit: &'a dyn Fit,
    /// Width of the frame that is not fitted.
    pub border: usize,
}

/// Where the samples come from, (n_resultants, n_rows, n_cols).
pub enum Source<'a> {
    /// Counts as they were sent [DN], and what was done to them before.
    Counts(Cube<'a, u16>, Encoding<'a>),
    /// A ramp that has been worked on [DN], which stays as it is.
    Samples(Cube<'a, f32>),
}

/// What a run found out, besides the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Whether there is a science pixel that is neither bad, nor without a saturation check, nor
    /// saturated in the first resultant. If not, the exposure may be one that is saturated throughout.
    pub unsaturated: bool,
    /// Time that threads spent reading, summed over threads.
    pub read: Duration,
    /// Time that threads spent in the fit, summed over threads.
    pub fit: Duration,
    /// What each kernel has to tell.
    pub kernels: Vec<Outcome>,
    /// What the fit found, by name.
    pub found: Vec<(&'static str, Found)>,
}

impl Source<'_> {
    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Counts(raw, _) => raw.shape(),
            Self::Samples(data) => data.shape(),
        }
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        match self {
            Self::Counts(raw, encoding) => {
                raw.check("raw", shape)?;
                match &encoding.reference_read {
                    Some(read) => read.check("reference_read", (shape.1, shape.2)),
                    None => Ok(()),
                }
            }
            Self::Samples(data) => data.check("raw", shape),
        }
    }

    /// Takes row `r` of a resultant of a band that lies at `place`.
    fn read_row(
        &self,
        resultant: usize,
        (place, r): (&Place, usize),
        samples: &mut [f32],
        groupdq: &mut [u8],
    ) {
        match self {
            Self::Counts(raw, encoding) => {
                let raw = raw.plane(resultant).row(place, r);
                encoding.decode_row((place, r), raw, samples, groupdq);
            }
            Self::Samples(data) => copy(data.plane(resultant).row(place, r), samples),
        }
    }
}

impl<'a> Chain<'a> {
    /// Calibrates the exposure. `out` is as large as the image without its border.
    pub fn run(
        &self,
        out: &mut Planes<'_>,
        execution: &mut Execution<'_>,
    ) -> Result<Report, KernelError> {
        let (n_rows, n_cols) = self.check(out)?;
        let took = Times::new(self.kernels.len());
        let unsaturated = AtomicBool::new(false);
        let kernels = if n_rows > 0 && n_cols > 0 {
            let kernels = conclude(&self.kernels, self.shape(), self, &took.kernels, execution)?;
            self.run_tiles(&kernels, out, &took, &unsaturated, execution)?;
            outcomes(&kernels, &took.kernels)
        } else {
            vec![Outcome::default(); self.kernels.len()]
        };
        Ok(Report {
            unsaturated: unsaturated.into_inner(),
            read: took.read.get(),
            fit: took.fit.get(),
            kernels,
            found: self.fit.found(),
        })
    }

    fn shape(&self) -> (usize, usize, usize) {
        self.source.shape().into()
    }

    /// Errs unless all fits together; else the size of the result.
    fn check(&self, out: &Planes<'_>) -> Result<(usize, usize), KernelError> {
        let shape = self.shape();
        let (n_resultants, n_rows, n_cols) = shape;
        let frame = self.border.saturating_mul(2);
        if n_resultants == 0 || n_rows < frame || n_cols < frame {
            return Err(KernelError::Shape {
                argument: "raw",
                expected:
                    "(n_resultants, n_rows, n_cols) with at least one resultant and room for \
                           the border"
                        .into(),
                received: shape_text(&self.source.shape()),
            });
        }
        self.source.check(shape)?;
        if let Some(groupdq) = &self.groupdq {
            groupdq.check("groupdq", shape)?;
        }
        if let Some(pixeldq) = &self.pixeldq {
            pixeldq.check("pixeldq", (n_rows, n_cols))?;
        }
        for kernel in &self.kernels {
            kernel
                .check(shape)
                .map_err(|error| error.of(kernel.name()))?;
        }
        self.fit.check(shape).map_err(|error| error.of("fit"))?;
        let inside = (n_rows - frame, n_cols - frame);
        out.check(self.fit.makes(), inside)?;
        Ok(inside)
    }

    /// The rows and columns of the tiles, as they are in the image: of what is inside the border, but
    /// cut where the channels of the whole frame end.
    fn run_tiles(
        &self,
        kernels: &[Ready<'_>],
        out: &mut Planes<'_>,
        took: &Times,
        unsaturated: &AtomicBool,
        execution: &mut Execution<'_>,
    ) -> Result<(), KernelError> {
        let (_, n_rows, n_cols) = self.shape();
        let halo = halo_of(kernels);
        let by_channel = kernels.iter().any(|kernel| kernel.by_channel());
        let tile_cols = execution.tile_cols(by_channel, n_cols);
        let height = self.band_rows(execution, tile_cols, halo);
        let inside_rows = self.border..n_rows - self.border;
        let inside_cols = self.border..n_cols - self.border;
        let rows = within(cut(inside_rows.len(), height), self.border);
        let cols = match tile_cols {
            Some(size) => clipped(cut(n_cols, size), &inside_cols),
            None => vec![inside_cols],
        };
        let of_out = |ranges: &[Range<usize>]| -> Vec<_> {
            let inside = ranges.iter();
            inside
                .map(|range| range.start - self.border..range.end - self.border)
                .collect()
        };
        let mut planes = out.split(&of_out(&rows), &of_out(&cols)).into_iter();
        let mut tasks = Vec::new();
        for cols in &cols {
            let bands = rows.iter().cloned().zip(planes.by_ref());
            match tile_cols {
                Some(_) => tasks.push((cols.clone(), bands.collect())),
                None => tasks.extend(bands.map(|band| (cols.clone(), vec![band]))),
            }
        }
        let width = cols.iter().map(Range::len).max().unwrap_or(0);
        let count = |kernel: usize, time| took.kernels[kernel].add(time);
        let shared = match tile_cols {
            Some(_) => None,
            None => Some(for_columns(kernels, &(0..n_cols), count)),
        };
        let done = execution.done;
        for_each_with(
            tasks,
            || Scratch::new(self, height, width, halo),
            |scratch, (cols, bands)| {
                let own = match &shared {
                    Some(_) => Vec::new(),
                    None => for_columns(kernels, &self.seen_cols(&cols, halo), count),
                };
                let kernels = shared.as_ref().unwrap_or(&own);
                for (rows, mut planes) in bands {
                    let work = Work {
                        kernels,
                        took,
                        unsaturated,
                    };
                    let n_pixels = rows.len() * cols.len();
                    self.run_band((rows, cols.clone()), work, scratch, &mut planes);
                    done.fetch_add(n_pixels, Ordering::Relaxed);
                }
            },
            execution,
        )
    }

    fn band_rows(&self, execution: &Execution<'_>, tile_cols: Option<usize>, halo: usize) -> usize {
        let (n_resultants, n_rows, n_cols) = self.shape();
        let of_memory = BAND_SAMPLES / (n_resultants * tile_cols.unwrap_or(n_cols)).max(1);
        let rows = tile_cols.map_or(BAND_ROWS, |_| CHANNEL_BAND_ROWS);
        // The halo is computed besides the band's own rows, which should not be fewer.
        execution
            .band_rows
            .unwrap_or(of_memory.clamp(1, rows).max(halo))
            .min(n_rows)
    }

    /// The columns of a band, with those around its own.
    fn seen_cols(&self, cols: &Range<usize>, halo: usize) -> Range<usize> {
        let n_cols = self.shape().2;
        let seen = with_halo(cols, halo, n_cols);
        // Rows that begin where those of the image, or of a channel, do lie better in memory.
        let start = if cols.start == self.border {
            0
        } else {
            seen.start
        };
        let end = if cols.end + self.border == n_cols {
            n_cols
        } else {
            seen.end
        };
        start..end
    }

    /// Calibrates some rows and columns of the image.
    fn run_band(
        &self,
        (rows, cols): (Range<usize>, Range<usize>),
        work: Work<'_>,
        scratch: &mut Scratch,
        out: &mut Planes<'_>,
    ) {
        let (_, n_rows, _) = self.shape();
        let halo = halo_of(work.kernels);
        let seen_cols = self.seen_cols(&cols, halo);
        let mut ramp = scratch.ramp(
            Place {
                first_row: rows.start.saturating_sub(halo),
                cols: seen_cols.clone(),
            },
            with_halo(&rows, halo, n_rows).len(),
        );
        let started = Instant::now();
        self.read(&mut ramp);
        work.took.read.add(started.elapsed());
        apply_all(work.kernels, &mut ramp, |kernel, time| {
            work.took.kernels[kernel].add(time);
        });
        let started = Instant::now();
        let first_row = ramp.place.first_row;
        let mut own = ramp.rows(rows.start - first_row..rows.end - first_row);
        let first_col = cols.start - seen_cols.start;
        // One pixel decides: in most exposures the very first.
        if !work.unsaturated.load(Ordering::Relaxed) {
            let n_rows = own.shape().1;
            let inside = own.window(0..n_rows, first_col..first_col + cols.len());
            if has_unsaturated(&inside) {
                work.unsaturated.store(true, Ordering::Relaxed);
            }
        }
        self.fit.fit(&mut own, first_col, out);
        work.took.fit.add(started.elapsed());
    }

    /// Takes the rows of a band, with the flags they have from the beginning.
    fn read(&self, ramp: &mut RampBand<'_>) {
        let place = &ramp.place;
        let mut data = ramp.data.view_mut();
        let mut groupdq = ramp.groupdq.view_mut();
        let mut pixeldq = ramp.pixeldq.view_mut();
        for r in 0..pixeldq.nrows() {
            let samples_and_flags = rows_mut(&mut data, r)
                .into_iter()
                .zip(rows_mut(&mut groupdq, r));
            for (g, (samples, flags)) in samples_and_flags.enumerate() {
                match &self.groupdq {
                    Some(known) => copy(known.plane(g).row(place, r), flags),
                    None => flags.fill(0),
                }
                self.source.read_row(g, (place, r), samples, flags);
            }
            let flags = row_mut(pixeldq.view_mut(), r);
            match &self.pixeldq {
                Some(known) => copy(known.row(place, r), flags),
                None => flags.fill(0),
            }
        }
    }
}

impl Show for Chain<'_> {
    type Memory = Scratch;

    fn height(&self, execution: &Execution<'_>, tile_cols: Option<usize>, halo: usize) -> usize {
        self.band_rows(execution, tile_cols, halo)
    }

    fn memory(&self, height: usize, width: usize, halo: usize) -> Scratch {
        Scratch::new(self, height, width, halo)
    }

    fn piece<'m>(
        &'m self,
        rows: &Range<usize>,
        cols: &Range<usize>,
        halo: usize,
        scratch: &'m mut Scratch,
    ) -> RampBand<'m> {
        let (_, n_rows, n_cols) = self.shape();
        let place = Place {
            first_row: rows.start.saturating_sub(halo),
            cols: with_halo(cols, halo, n_cols),
        };
        let mut ramp = scratch.ramp(place, with_halo(rows, halo, n_rows).len());
        self.read(&mut ramp);
        ramp
    }
}

/// What a thread works with.
struct Work<'k> {
    kernels: &'k [Ready<'k>],
    took: &'k Times,
    unsaturated: &'k AtomicBool,
}

/// The times of a [`Report`], while threads add to them.
struct Times {
    read: Clock,
    kernels: Vec<Clock>,
    fit: Clock,
}

impl Times {
    fn new(kernels: usize) -> Self {
        Self {
            read: Clock::default(),
            kernels: (0..kernels).map(|_| Clock::default()).collect(),
            fit: Clock::default(),
        }
    }
}

fn copy<T: bytemuck::Pod + Default>(from: Row<'_, T>, into: &mut [T]) {
    for cols in blocks(into.len()) {
        store(&from.block(&cols), into, &cols);
    }
}

/// Whether a pixel is neither bad nor saturated from the beginning.
fn has_unsaturated(ramp: &RampBand<'_>) -> bool {
    let (_, n_rows, n_cols) = ramp.shape();
    let (groupdq, pixeldq) = (ramp.groupdq.view(), ramp.pixeldq.view());
    (0..n_rows).any(|r| {
        (0..n_cols).any(|c| {
            pixeldq[[r, c]] & (pixel::DO_NOT_USE | pixel::NO_SAT_CHECK) == 0
                && groupdq[[0, r, c]] & group::SATURATED == 0
        })
    })
}

/// Memory of one thread for the bands it works on.
pub(crate) struct Scratch {
    data: Array3<f32>,
    groupdq: Array3<u8>,
    pixeldq: Array2<u32>,
}

impl Scratch {
    /// For bands of so many rows and columns, and what is around them.
    fn new(chain: &Chain<'_>, height: usize, width: usize, halo: usize) -> Self {
        let (n_resultants, n_rows, n_cols) = chain.shape();
        let around = halo.saturating_mul(2);
        let height = height.saturating_add(around).min(n_rows);
        let around = halo.max(chain.border).saturating_mul(2);
        let width = width.saturating_add(around).min(n_cols) + PADDING;
        Self {
            data: Array3::zeros((n_resultants, height, width)),
            groupdq: Array3::zeros((n_resultants, height, width)),
            pixeldq: Array2::zeros((height, width)),
        }
    }

    /// A band of so many rows.
    fn ramp(&mut self, place: Place, n_rows: usize) -> RampBand<'_> {
        let n_cols = place.cols.len();
        RampBand {
            place,
            data: aligned(self.data.view_mut(), n_rows, n_cols),
            groupdq: aligned(self.groupdq.view_mut(), n_rows, n_cols),
            pixeldq: aligned(self.pixeldq.view_mut(), n_rows, n_cols),
        }
    }
}

/// So many rows and columns of padded memory, from the first column on that begins a line of the cache.
fn aligned<T, D: Dimension>(
    mut array: ArrayViewMut<'_, T, D>,
    n_rows: usize,
    n_cols: usize,
) -> BandArray<'_, T, D> {
    let (rows, cols) = (Axis(array.ndim() - 2), Axis(array.ndim() - 1));
    let misaligned = array.as_ptr() as usize % align_of::<Lanes>();
    let start = (align_of::<Lanes>() - misaligned) / size_of::<T>();
    array.slice_axis_inplace(rows, Slice::from(..n_rows));
    array.slice_axis_inplace(cols, Slice::from(start..start + n_cols));
    BandArray::InPlace(array)
}
