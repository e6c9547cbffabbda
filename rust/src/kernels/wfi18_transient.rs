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
//! them as the image has.
//!
//! Source: the wfi18_transient step of romancal 1.1.0, whose fit starts from one guess. Other than there
//! a pixel counts by the median of its own row, and flagged samples do not.

mod fit;
mod rows;

use std::ops::Range;

use ndarray::Axis;

use crate::band::{BandKernel, Changes, Found, Place, RampBand};
use crate::cadence::ReadPattern;
use crate::dq::group;
use crate::driver::{CHANNEL_COLS, Execution};
use crate::error::KernelError;
use crate::kernels::read_times::{Detector, ReadTimes, check_frame_time, check_origin};
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
    pub frame_time: f64,
    pub read_pattern: &'a ReadPattern,
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
        check_frame_time(self.frame_time)?;
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
        let fitted = rows.and_then(|rows| {
            let (rows_seen, cols_seen) = (inside(0..n_rows, n_rows), inside(0..n_cols, n_cols));
            let n_seen = cols_seen.len() as f64;
            let of_cols = cols_seen
                .map(|col| times.of_col(first_col + col))
                .sum::<f64>()
                / n_seen;
            let of_rows: Vec<_> = rows_seen
                .map(|row| times.of_row(first_row + row) + of_cols)
                .collect();
            fit(&of_rows, &rows.means())
        });
        let (correction, rms) = match (kernel.mode, fitted) {
            (Mode::Subtract(transient), _) => (Correction::subtract(transient, times), None),
            (_, Some(fitted)) => (
                Correction::subtract(fitted.transient, times),
                Some(fitted.rms),
            ),
            _ => (Correction::Mask, None),
        };
        Ok(Box::new(Corrected {
            kernel,
            n_rows,
            n_cols,
            correction,
            rms,
        }))
    }
}

/// The kernel that works.
struct Corrected<'k> {
    kernel: &'k Wfi18Transient<'k>,
    n_rows: usize,
    n_cols: usize,
    correction: Correction,
    rms: Option<f64>,
}

enum Correction {
    Subtract {
        transient: Transient,
        times: ReadTimes,
        /// What is left of each exponential at each column of a pair of channels, over which it repeats,
        /// and of some more, so that those of a block lie one after the other wherever it begins.
        left_at_cols: [Vec<f64>; 2],
    },
    Mask,
}

impl Correction {
    fn subtract(transient: Transient, times: ReadTimes) -> Self {
        let left_at_cols = transient.time_constants.map(|time_constant| {
            let cols = 0..2 * CHANNEL_COLS + LANES;
            cols.map(|x| (-times.of_col(x) / time_constant).exp())
                .collect()
        });
        Self::Subtract {
            transient,
            times,
            left_at_cols,
        }
    }
}

impl Corrected<'_> {
    /// The rows of the image that are flagged.
    fn masked_rows(&self) -> usize {
        let first_row = self.kernel.origin.0;
        MASKED_ROWS.saturating_sub(first_row).min(self.n_rows)
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
        let Place { first_row, cols } = band.place.clone();
        let (_, n_rows, _) = band.shape();
        match &self.correction {
            Correction::Mask => {
                let mut groupdq = band.groupdq.view_mut();
                let mut first = groupdq.index_axis_mut(Axis(0), 0);
                for r in 0..n_rows.min(self.masked_rows().saturating_sub(first_row)) {
                    for flags in row_mut(first.view_mut(), r) {
                        *flags |= group::DO_NOT_USE | group::WFI18_TRANSIENT;
                    }
                }
            }
            Correction::Subtract {
                transient,
                times,
                left_at_cols,
            } => {
                // What of the band lies inside the border.
                let rows = inside(first_row..first_row + n_rows, self.n_rows);
                let cols_inside = inside(cols.clone(), self.n_cols);
                let (y, x) = self.kernel.origin;
                let mut data = band.data.view_mut();
                let mut first = data.index_axis_mut(Axis(0), 0);
                for row in rows.filter(|_| !cols_inside.is_empty()) {
                    let time = times.of_row(y + row);
                    let amplitudes = [0, 1].map(|i| {
                        transient.amplitudes[i] * (-time / transient.time_constants[i]).exp()
                    });
                    let samples = row_mut(first.view_mut(), row - first_row);
                    subtract(
                        &mut samples[cols_inside.start - cols.start..cols_inside.end - cols.start],
                        amplitudes,
                        [&left_at_cols[0], &left_at_cols[1]],
                        (x + cols_inside.start) % (2 * CHANNEL_COLS),
                    );
                }
            }
        }
    }

    fn found(&self) -> Vec<(&'static str, Found)> {
        let numbers = match &self.correction {
            Correction::Mask => vec![("masked_rows", self.masked_rows() as f64)],
            Correction::Subtract { transient, .. } => {
                let Transient {
                    amplitudes: [a, b],
                    time_constants: [ta, tb],
                } = *transient;
                let parameters = [
                    ("amplitude_1", a),
                    ("time_constant_1", ta),
                    ("amplitude_2", b),
                    ("time_constant_2", tb),
                ];
                let rms = self.rms.map(|rms| ("rms", rms));
                parameters.into_iter().chain(rms).collect()
            }
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::band::BandArray;
    use crate::dq::pixel;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array2, Array3};

    const MASKED: u8 = group::DO_NOT_USE | group::WFI18_TRANSIENT;

    fn pattern(n_resultants: usize) -> ReadPattern {
        let reads: Vec<_> = (1..=n_resultants as i64).map(|read| vec![read]).collect();
        ReadPattern::from_reads(&reads, 3.0).unwrap()
    }

    fn ramp(n_resultants: usize, n_rows: usize, n_cols: usize) -> Ramp {
        let shape = (n_resultants, n_rows, n_cols);
        Ramp {
            data: Array3::from_shape_fn(shape, |(g, _, _)| 100.0 + 10.0 * g as f32),
            groupdq: Array3::zeros(shape),
            pixeldq: Array2::zeros((n_rows, n_cols)),
        }
    }

    fn run(ramp: &mut Ramp, mode: Mode, origin: (usize, usize)) {
        let pattern = pattern(ramp.data.dim().0);
        ramp.run(&Wfi18Transient {
            frame_time: 3.0,
            read_pattern: &pattern,
            mode,
            origin,
        });
    }

    fn excess(ramp: &mut Ramp) -> Vec<f64> {
        let pattern = pattern(ramp.data.dim().0);
        let band = RampBand::of_image(
            BandArray::InPlace(ramp.data.view_mut()),
            BandArray::InPlace(ramp.groupdq.view_mut()),
            BandArray::InPlace(ramp.pixeldq.view_mut()),
        );
        excess_of_rows(&band, &pattern).unwrap()
    }

    #[test]
    fn a_known_transient_is_subtracted_inside_the_border_of_the_first_resultant() {
        let transient = Transient {
            amplitudes: [50.0, -20.0],
            time_constants: [0.1, 2.0],
        };
        let mut ramp = ramp(2, 12, 140);
        let before = ramp.data.clone();
        run(&mut ramp, Mode::Subtract(transient), (7, 100));
        let times = ReadTimes::new(Detector::WFI18, 3.0);
        for ((g, r, c), &sample) in ramp.data.indexed_iter() {
            let time = times.of_row(7 + r) + times.of_col(100 + c);
            let signal = 50.0 * (-time / 0.1).exp() - 20.0 * (-time / 2.0).exp();
            let is_changed = g == 0 && (4..8).contains(&r) && (4..136).contains(&c);
            let expected = if is_changed {
                100.0 - signal
            } else {
                before[[g, r, c]].into()
            };
            assert!((f64::from(sample) - expected).abs() < 1e-5, "{g} {r} {c}");
        }
        assert!(ramp.groupdq.iter().all(|&flags| flags == 0));
    }

    #[test]
    fn the_rows_that_are_read_first_are_flagged_by_their_place_on_the_detector() {
        for (n_resultants, mode) in [(5, Mode::Mask), (4, Mode::Fit), (1, Mode::Fit)] {
            let mut ramp = ramp(n_resultants, 12, 9);
            let before = ramp.data.clone();
            run(&mut ramp, mode, (990, 0));
            for ((g, r, _), &flags) in ramp.groupdq.indexed_iter() {
                assert_eq!(flags, if g == 0 && r < 10 { MASKED } else { 0 });
            }
            assert_eq!(ramp.data, before);
        }
        let mut of_crop = ramp(5, 6, 6); // nothing but border
        run(&mut of_crop, Mode::Fit, (0, 0));
        assert!(
            of_crop
                .groupdq
                .index_axis(Axis(0), 0)
                .iter()
                .all(|&flags| flags == MASKED)
        );
        let mut beyond = ramp(5, 12, 12);
        run(&mut beyond, Mode::Mask, (1000, 0));
        assert!(beyond.groupdq.iter().all(|&flags| flags == 0));
    }

    #[test]
    fn the_excess_of_a_row_is_that_over_the_line_through_the_next_two() {
        // 100 110 120 130 140: nothing. A row of 7 DN more in the first resultant.
        let mut ramp = ramp(5, 11, 20);
        ramp.data.index_axis_mut(Axis(0), 0).row_mut(5).fill(107.0);
        assert_eq!(excess(&mut ramp), [0.0, 7.0, 0.0]);
    }

    #[test]
    fn bright_pixels_outliers_and_flagged_ones_do_not_count() {
        // Row 5: of 20 - 8 = 12 pixels four rise by more than the median. Row 4 is bright as a whole, but
        // no pixel more than the others.
        let mut ramp = ramp(5, 11, 20);
        for c in 4..8 {
            ramp.data[[0, 5, c]] = 900.0;
            ramp.data[[4, 5, c]] = 300.0;
        }
        ramp.data.index_axis_mut(Axis(0), 4).row_mut(4).fill(500.0);
        ramp.data.index_axis_mut(Axis(0), 0).row_mut(4).fill(103.0);
        // In row 6 a saturated sample, a bad one, a bad pixel and NaN.
        ramp.data.index_axis_mut(Axis(0), 0).row_mut(6).fill(101.0);
        for (c, g) in [(4, 0), (5, 1), (6, 4)] {
            ramp.data[[0, 6, c]] = 5000.0;
            ramp.groupdq[[g, 6, c]] = if g == 1 {
                group::DO_NOT_USE
            } else {
                group::SATURATED
            };
        }
        ramp.data[[0, 6, 7]] = 5000.0;
        ramp.pixeldq[[6, 7]] = pixel::DO_NOT_USE;
        ramp.data[[0, 6, 8]] = f32::NAN;
        ramp.data[[4, 6, 9]] = f32::NAN;
        assert_eq!(excess(&mut ramp), [3.0, 0.0, 1.0]);
        // One outlier of eight lies beyond three standard deviations, of seven (sd = sqrt(6) / 7) not.
        ramp.data[[0, 5, 10]] = 400.0;
        assert_eq!(excess(&mut ramp)[1], 0.0);
        ramp.pixeldq[[5, 11]] = pixel::DO_NOT_USE;
        assert!((excess(&mut ramp)[1] - 300.0 / 7.0).abs() < 1e-13);
        // A row without a pixel that counts.
        ramp.pixeldq.fill(pixel::DO_NOT_USE);
        assert!(excess(&mut ramp).iter().all(|excess| excess.is_nan()));
    }
}
