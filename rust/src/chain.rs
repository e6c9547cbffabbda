//! The whole chain, from raw counts to the rate image, in one pass over memory.
//!
//! The image is cut into bands of rows, few enough that a band stays in the caches. A band is read
//! from the raw cube into scratch memory, taken through the kernels there, and fitted; only the rate
//! image is written. The kernels are those that work on whole ramps, and see no difference: a band
//! has the rows of halo around it that they need, all of them together.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{Array2, Array3, ArrayViewMut, Axis, Dimension, Slice};

use crate::band::{BandArray, BandKernel, RampBand, cut, with_halo};
use crate::dq::{group, pixel};
use crate::driver::{Execution, for_each_with};
use crate::encoding::Encoding;
use crate::error::{KernelError, shape_text};
use crate::kernels::ramp_fit::{FitRows, RampFit};
use crate::lanes::{Lanes, blocks, row_mut, rows_mut, store};
use crate::reference::{Cube, Plane, Row};

/// Rows of a band. More make the rows of halo, which are computed twice, matter less; fewer make it
/// stay nearer to the core.
const BAND_ROWS: usize = 16;

/// Samples of a band at most (but always a row and its halo), so that scratch memory stays small
/// however long the ramps are.
const BAND_SAMPLES: usize = 1 << 21;

/// Columns of a row of scratch memory besides those that are used. They keep the same pixel of all
/// resultants from falling on the same place of a cache, which has room for a few of them only, and
/// leave room for rows to begin with a line of the cache.
const PADDING: usize = 128;

/// What is calibrated, and how.
pub struct Chain<'a> {
    /// Counts as they were sent [DN], (n_resultants, n_rows, n_cols).
    pub raw: Cube<'a, u16>,
    /// What was done to them before.
    pub encoding: Encoding<'a>,
    /// Flags that samples have from the beginning, (n_resultants, n_rows, n_cols).
    pub groupdq: Option<Cube<'a, u8>>,
    /// Flags that pixels have from the beginning, (n_rows, n_cols).
    pub pixeldq: Option<Plane<'a, u32>>,
    /// What the ramps go through, in order.
    pub kernels: Vec<&'a dyn BandKernel>,
    /// The fit of what is inside the border.
    pub fit: RampFit<'a>,
    /// Width of the frame that is not fitted.
    pub border: usize,
}

impl Chain<'_> {
    /// Calibrates the exposure. `out` is as large as the image without its border.
    ///
    /// Returns whether there is a science pixel that is neither bad, nor without a saturation check, nor
    /// saturated in the first resultant. If not, the exposure may be one that is saturated throughout.
    pub fn run(
        &self,
        out: &mut FitRows<'_>,
        execution: &mut Execution<'_>,
    ) -> Result<bool, KernelError> {
        let (n_rows, n_cols) = self.check(out)?;
        if n_rows == 0 || n_cols == 0 {
            return Ok(false);
        }
        let height = self.band_rows(execution);
        let unsaturated = AtomicBool::new(false);
        let bands = cut(n_rows, height).into_iter().zip(out.bands(height));
        for_each_with(
            bands.collect(),
            || Scratch::new(self, height),
            |scratch, (rows, mut out)| {
                let core = self.border + rows.start..self.border + rows.end;
                self.run_band(core, scratch, &mut out, &unsaturated);
            },
            execution,
        )?;
        Ok(unsaturated.into_inner())
    }

    /// Errs unless all fits together; else the size of the result.
    fn check(&self, out: &FitRows<'_>) -> Result<(usize, usize), KernelError> {
        let [n_resultants, n_rows, n_cols] = self.raw.shape();
        let shape = (n_resultants, n_rows, n_cols);
        if n_resultants == 0 || n_rows < 2 * self.border || n_cols < 2 * self.border {
            return Err(KernelError::Shape {
                argument: "raw",
                expected:
                    "(n_resultants, n_rows, n_cols) with at least one resultant and room for \
                           the border"
                        .into(),
                received: shape_text(&self.raw.shape()),
            });
        }
        self.raw.check("raw", shape)?;
        if let Some(reference_read) = &self.encoding.reference_read {
            reference_read.check("reference_read", (n_rows, n_cols))?;
        }
        if let Some(groupdq) = &self.groupdq {
            groupdq.check("groupdq", shape)?;
        }
        if let Some(pixeldq) = &self.pixeldq {
            pixeldq.check("pixeldq", (n_rows, n_cols))?;
        }
        for kernel in &self.kernels {
            kernel.check(shape)?;
        }
        self.fit.check(shape)?;
        let inside = (n_rows - 2 * self.border, n_cols - 2 * self.border);
        out.check(inside)?;
        Ok(inside)
    }

    fn halo(&self) -> usize {
        let halos = self.kernels.iter().map(|kernel| kernel.halo());
        halos.fold(0, usize::saturating_add)
    }

    fn band_rows(&self, execution: &Execution<'_>) -> usize {
        let [n_resultants, n_rows, n_cols] = self.raw.shape();
        let of_memory = BAND_SAMPLES / (n_resultants * n_cols).max(1);
        let few = of_memory.clamp(1, BAND_ROWS);
        // The halo is computed besides the band's own rows, which should not be fewer.
        execution
            .band_rows
            .unwrap_or(few.max(self.halo()))
            .min(n_rows)
    }

    /// Calibrates the rows `core` of the image.
    fn run_band(
        &self,
        core: Range<usize>,
        scratch: &mut Scratch,
        out: &mut FitRows<'_>,
        unsaturated: &AtomicBool,
    ) {
        let [_, n_rows, n_cols] = self.raw.shape();
        let rows = with_halo(&core, self.halo(), n_rows);
        let mut ramp = scratch.ramp(rows.len(), n_cols);
        ramp.first_row = rows.start;
        self.read(&mut ramp);
        let mut kernels = &self.kernels[..];
        while let Some(first) = kernels.first() {
            // Kernels that look at no neighbours work on a row one after the other: it stays near.
            let alone = kernels
                .iter()
                .take_while(|kernel| kernel.halo() == 0)
                .count();
            if alone == 0 {
                first.apply(&mut ramp);
                kernels = &kernels[1..];
            } else {
                for r in 0..rows.len() {
                    let mut row = ramp.window(r..r + 1);
                    for kernel in &kernels[..alone] {
                        kernel.apply(&mut row);
                    }
                }
                kernels = &kernels[alone..];
            }
        }
        let own = core.start - rows.start..core.end - rows.start;
        let own = ramp.window(own);
        // One pixel decides: in most exposures the very first.
        if !unsaturated.load(Ordering::Relaxed) && has_unsaturated(&own, self.border) {
            unsaturated.store(true, Ordering::Relaxed);
        }
        self.fit.fit_band(&own, self.border, out);
    }

    /// Takes the rows of a band from the raw cube, with the flags they have from the beginning.
    fn read(&self, ramp: &mut RampBand<'_>) {
        let mut data = ramp.data.view_mut();
        let mut groupdq = ramp.groupdq.view_mut();
        let mut pixeldq = ramp.pixeldq.view_mut();
        for r in 0..pixeldq.nrows() {
            let image_row = ramp.first_row + r;
            let samples_and_flags = rows_mut(&mut data, r)
                .into_iter()
                .zip(rows_mut(&mut groupdq, r));
            for (g, (samples, flags)) in samples_and_flags.enumerate() {
                match &self.groupdq {
                    Some(known) => copy(known.plane(g).row(image_row), flags),
                    None => flags.fill(0),
                }
                let raw = self.raw.plane(g).row(image_row);
                self.encoding.decode_row(image_row, raw, samples, flags);
            }
            let flags = row_mut(pixeldq.view_mut(), r);
            match &self.pixeldq {
                Some(known) => copy(known.row(image_row), flags),
                None => flags.fill(0),
            }
        }
    }
}

fn copy<T: bytemuck::Pod + Default>(from: Row<'_, T>, into: &mut [T]) {
    for cols in blocks(into.len()) {
        store(&from.block(&cols), into, &cols);
    }
}

/// Whether a pixel inside the border is neither bad nor saturated from the beginning.
fn has_unsaturated(ramp: &RampBand<'_>, border: usize) -> bool {
    let (_, n_rows, n_cols) = ramp.shape();
    let (groupdq, pixeldq) = (ramp.groupdq.view(), ramp.pixeldq.view());
    (0..n_rows).any(|r| {
        (border..n_cols - border).any(|c| {
            pixeldq[[r, c]] & (pixel::DO_NOT_USE | pixel::NO_SAT_CHECK) == 0
                && groupdq[[0, r, c]] & group::SATURATED == 0
        })
    })
}

/// Memory of one thread for the bands it works on.
struct Scratch {
    data: Array3<f32>,
    groupdq: Array3<u8>,
    pixeldq: Array2<u32>,
}

impl Scratch {
    /// For bands of so many rows and their halo.
    fn new(chain: &Chain<'_>, height: usize) -> Self {
        let [n_resultants, n_rows, n_cols] = chain.raw.shape();
        let halo = chain.halo().saturating_mul(2);
        let height = height.saturating_add(halo).min(n_rows);
        let shape = (n_resultants, height, n_cols + PADDING);
        Self {
            data: Array3::zeros(shape),
            groupdq: Array3::zeros(shape),
            pixeldq: Array2::zeros((height, n_cols + PADDING)),
        }
    }

    /// A band of so many rows.
    fn ramp(&mut self, n_rows: usize, n_cols: usize) -> RampBand<'_> {
        RampBand {
            first_row: 0,
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
