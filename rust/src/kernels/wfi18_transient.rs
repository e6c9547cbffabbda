//! The transient of detector WFI18: its first resultant has a signal that fades while it is read.
//!
//! The signal is the same for all pixels that are read at the same time, and the first resultant has it
//! alone. A survey of the frame finds how much each row has of it ([`rows`]), the sum of two
//! exponentials of the time at which a row is read is fitted to that ([`fit`]), and what they give at the
//! time of each pixel ([`super::read_times`]) is subtracted, in double precision, rounded once:
//!
//! `data_0' = data_0 - a exp(-t(y, x) / ta) - b exp(-t(y, x) / tb)`
//!
//! The border of reference pixels neither counts nor changes. Where there are fewer than five
//! resultants, or no fit, or on demand, the samples of the first resultant are flagged DO_NOT_USE and
//! WFI18_TRANSIENT instead in the rows that are read first: the detector's first 1000, or as many of
//! them as the image has. So are rows that are read before the first of which a mean is known, but for a
//! few ([`Transient::reach`]): backwards in time the exponentials grow, and nothing holds them.
//!
//! Source: the wfi18_transient step of romancal 1.1.0, whose fit starts from one guess. Other than there
//! a pixel counts by the median of its own row, and flagged samples do not.

mod fit;
mod rows;
#[cfg(test)]
mod tests;

use std::ops::Range;

use ndarray::Axis;

use crate::band::{BandKernel, Changes, Found, Place, RampBand};
use crate::cadence::{ReadPattern, check_duration};
use crate::dq::group;
use crate::driver::{CHANNEL_COLS, Execution};
use crate::error::KernelError;
use crate::kernels::read_times::{Detector, ReadTimes, check_origin};
use crate::lanes::{LANES, blocks, load, row_mut, store, vectorised};
use crate::survey::{Part, Survey};

pub use fit::{Fitted, Transient, fit};
use rows::{N_RESULTANTS, Rows};

/// How much the first resultant has too much of [DN], in each row inside the border of a ramp of five
/// resultants or more; NaN where no pixel counts.
pub fn excess_of_rows(
    ramp: &RampBand<'_>,
    read_pattern: &ReadPattern,
) -> Result<Vec<f64>, KernelError> {
    ramp.check()?;
    let (n_resultants, n_rows, n_cols) = ramp.shape();
    read_pattern.check(n_resultants)?;
    if n_resultants < N_RESULTANTS {
        return Err(KernelError::value(
            "data",
            "5 resultants or more",
            n_resultants,
        ));
    }
    let (seen_rows, seen_cols) = (inside(0..n_rows, n_rows), inside(0..n_cols, n_cols));
    let rows = Rows::new(read_pattern, (seen_rows.len(), seen_cols.len()));
    rows.see(
        &ramp.seen(&(0..N_RESULTANTS), &seen_rows, &seen_cols),
        (0, 0),
    );
    Ok(rows.means())
}

/// Width of the frame of reference pixels.
const BORDER: usize = 4;

/// Rows of the detector that are flagged where the transient is not subtracted.
const MASKED_ROWS: usize = 1000;

/// Subtracts the transient of detector WFI18 from the first resultant, or flags the rows that have it.
pub struct Wfi18Transient<'a> {
    /// Time of one read [s].
    pub frame_time: f64,
    /// Times and reads of the resultants.
    pub read_pattern: &'a ReadPattern,
    /// What is done: a fit, a subtraction, or flags.
    pub mode: Mode,
    /// The row and the column of the detector that are the first of the image.
    pub origin: (usize, usize),
}

/// What is done about the transient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// It is fitted and subtracted; where it cannot be fitted, rows are flagged.
    Fit,
    /// It is known, and subtracted.
    Subtract(Transient),
    /// Rows are flagged.
    Mask,
}

impl BandKernel for Wfi18Transient<'_> {
    fn name(&self) -> &'static str {
        "wfi18_transient"
    }

    fn changes(&self) -> Changes {
        Changes {
            data: true,
            groupdq: true,
            pixeldq: false,
        }
    }

    fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        check_duration("frame_time", self.frame_time)?;
        self.read_pattern.check(n_resultants)?;
        check_origin(self.origin, (n_rows, n_cols))
    }

    fn survey(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Option<Box<dyn Survey<'_> + '_>> {
        let shape = (
            inside(0..n_rows, n_rows).len(),
            inside(0..n_cols, n_cols).len(),
        );
        let can_fit = n_resultants >= N_RESULTANTS && shape.0 > 0 && shape.1 > 0;
        Some(Box::new(Seeing {
            kernel: self,
            n_rows,
            n_cols,
            rows: (self.mode == Mode::Fit && can_fit).then(|| Rows::new(self.read_pattern, shape)),
        }))
    }

    fn apply(&self, _: &mut RampBand<'_>) {
        unreachable!("what its survey concludes works in its place");
    }
}

/// The survey of the rows inside the border, if there is anything to survey.
struct Seeing<'k> {
    kernel: &'k Wfi18Transient<'k>,
    n_rows: usize,
    n_cols: usize,
    rows: Option<Rows>,
}

impl<'k> Survey<'k> for Seeing<'k> {
    fn part(&self) -> Part {
        let pixels = (
            inside(0..self.n_rows, self.n_rows),
            inside(0..self.n_cols, self.n_cols),
        );
        Part {
            resultants: 0..N_RESULTANTS,
            pixels: self.rows.iter().map(|_| pixels.clone()).collect(),
        }
    }

    fn look(&self, piece: &RampBand<'_>) {
        if let Some(rows) = &self.rows {
            let place = &piece.place;
            rows.see(piece, (place.first_row - BORDER, place.cols.start - BORDER));
        }
    }

    fn conclude(
        self: Box<Self>,
        _execution: &mut Execution<'_>,
    ) -> Result<Box<dyn BandKernel + 'k>, KernelError> {
        let Self {
            kernel,
            n_rows,
            n_cols,
            rows,
        } = *self;
        let times = ReadTimes::new(Detector::WFI18, kernel.frame_time);
        let (first_row, first_col) = kernel.origin;
        let rows_inside = inside(0..n_rows, n_rows);
        let cols_inside = inside(0..n_cols, n_cols);
        let n_inside = cols_inside.len() as f64;
        let of_cols = cols_inside
            .map(|col| times.of_col(first_col + col))
            .sum::<f64>()
            / n_inside;
        let of_row = |row: usize| times.of_row(first_row + row) + of_cols;
        let fitted = rows.and_then(|rows| {
            let of_rows: Vec<_> = rows_inside.clone().map(of_row).collect();
            fit(&of_rows, &rows.means())
        });
        let transient = match kernel.mode {
            Mode::Subtract(transient) => Some(transient),
            _ => fitted.map(|fitted| fitted.transient),
        };
        let masked_rows = match (transient, fitted) {
            (None, _) => MASKED_ROWS.saturating_sub(first_row).min(n_rows),
            (_, None) => 0,
            (Some(transient), Some(fitted)) => {
                let is_early = |row: &usize| of_row(*row) < fitted.from - transient.reach();
                match rows_inside.take_while(is_early).count() {
                    0 => 0,
                    n_early => BORDER + n_early,
                }
            }
        };
        Ok(Box::new(Corrected {
            kernel,
            n_rows,
            n_cols,
            masked_rows,
            subtracted: transient.map(|transient| Subtracted::new(transient, times)),
            fitted,
        }))
    }
}

/// The kernel that works.
struct Corrected<'k> {
    kernel: &'k Wfi18Transient<'k>,
    n_rows: usize,
    n_cols: usize,
    /// So many rows, the first of the image, are flagged.
    masked_rows: usize,
    /// From the others this is subtracted.
    subtracted: Option<Subtracted>,
    fitted: Option<Fitted>,
}

struct Subtracted {
    transient: Transient,
    times: ReadTimes,
    /// What is left of each exponential at each column of a pair of channels, over which it repeats,
    /// and of some more, so that those of a block lie one after the other wherever it begins.
    left_at_cols: [Vec<f64>; 2],
}

impl Subtracted {
    fn new(transient: Transient, times: ReadTimes) -> Self {
        let left_at_cols = transient.time_constants.map(|time_constant| {
            let cols = 0..2 * CHANNEL_COLS + LANES;
            cols.map(|x| (-times.of_col(x) / time_constant).exp())
                .collect()
        });
        Self {
            transient,
            times,
            left_at_cols,
        }
    }
}

impl Corrected<'_> {
    /// Flags those rows of a band that are flagged.
    fn mask(&self, band: &mut RampBand<'_>) {
        let (_, n_rows, _) = band.shape();
        let masked = self.masked_rows.saturating_sub(band.place.first_row);
        let mut groupdq = band.groupdq.view_mut();
        let mut first = groupdq.index_axis_mut(Axis(0), 0);
        for r in 0..n_rows.min(masked) {
            for flags in row_mut(first.view_mut(), r) {
                *flags |= group::DO_NOT_USE | group::WFI18_TRANSIENT;
            }
        }
    }

    /// Subtracts from what of the others lies inside the border.
    fn subtract(&self, subtracted: &Subtracted, band: &mut RampBand<'_>) {
        let Place { first_row, cols } = band.place.clone();
        let (_, n_rows, _) = band.shape();
        let rows = inside(first_row..first_row + n_rows, self.n_rows);
        let cols_inside = inside(cols.clone(), self.n_cols);
        if cols_inside.is_empty() {
            return;
        }
        let Subtracted {
            transient,
            times,
            left_at_cols: [of_first, of_second],
        } = subtracted;
        let (y, x) = self.kernel.origin;
        let mut data = band.data.view_mut();
        let mut first = data.index_axis_mut(Axis(0), 0);
        for row in rows.filter(|&row| row >= self.masked_rows) {
            let time = times.of_row(y + row);
            let amplitudes = [0, 1]
                .map(|i| transient.amplitudes[i] * (-time / transient.time_constants[i]).exp());
            let samples = row_mut(first.view_mut(), row - first_row);
            subtract(
                &mut samples[cols_inside.start - cols.start..cols_inside.end - cols.start],
                amplitudes,
                [of_first, of_second],
                (x + cols_inside.start) % (2 * CHANNEL_COLS),
            );
        }
    }
}

impl BandKernel for Corrected<'_> {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }

    fn changes(&self) -> Changes {
        self.kernel.changes()
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        self.kernel.check(shape)
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        self.mask(band);
        if let Some(subtracted) = &self.subtracted {
            self.subtract(subtracted, band);
        }
    }

    fn found(&self) -> Vec<(&'static str, Found)> {
        let mut numbers = vec![("masked_rows", self.masked_rows as f64)];
        if let Some(Subtracted { transient, .. }) = &self.subtracted {
            let Transient {
                amplitudes: [a, b],
                time_constants: [ta, tb],
            } = *transient;
            numbers.extend([
                ("amplitude_1", a),
                ("time_constant_1", ta),
                ("amplitude_2", b),
                ("time_constant_2", tb),
            ]);
        }
        if let Some(fitted) = &self.fitted {
            numbers.extend([("rms", fitted.rms), ("fitted_rows", fitted.n_values as f64)]);
        }
        let numbers = numbers.into_iter();
        numbers
            .map(|(name, number)| (name, Found::Number(number)))
            .collect()
    }
}

/// What of some rows, or columns, lies inside the border of an image of so many.
fn inside(range: Range<usize>, length: usize) -> Range<usize> {
    range.start.max(BORDER)..range.end.min(length.saturating_sub(BORDER))
}

vectorised! {
    /// Subtracts what is left of two amplitudes at the columns, from column `x` of a pair of channels on.
    fn subtract(samples: &mut [f32], [a, b]: [f64; 2], left_at_cols: [&[f64]; 2], x: usize) {
        for cols in blocks(samples.len()) {
            let start = (x + cols.start) % (2 * CHANNEL_COLS);
            let [of_a, of_b] = left_at_cols.map(|left| &left[start..start + LANES]);
            let mut block = load(samples, &cols);
            for lane in 0..LANES {
                let transient = a * of_a[lane] + b * of_b[lane];
                block[lane] = (f64::from(block[lane]) - transient) as f32;
            }
            store(&block, samples, &cols);
        }
    }
}
