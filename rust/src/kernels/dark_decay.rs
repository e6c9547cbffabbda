//! Dark decay: a signal of all pixels that fades after the reset is subtracted.
//!
//! It is `A exp(-t / tau)`, t counted from the middle of the first read, when it is A. A pixel is read
//! at `(k - 1.5) T + t(y, x)` for the k-th time, T being the frame time and `t(y, x)` when it is read
//! within a frame ([`super::read_times`]). Of a resultant the mean over its reads is subtracted, which
//! is a number of the resultant, a number of the row and a number of the column, multiplied:
//!
//! `data' = data - A mean_k exp(-(k - 1.5) T / tau) exp(-t(r) / tau) exp(-t(j) / tau)`
//!
//! in double precision, rounded once. All pixels, the border too, whatever their flags.
//!
//! Source: the dark_decay step of romancal 1.1.0.

use crate::band::{BandKernel, Changes, RampBand};
use crate::cadence::{ReadPattern, check_duration};
use crate::driver::CHANNEL_COLS;
use crate::error::KernelError;
use crate::kernels::read_times::{Detector, ReadTimes, check_origin};
use crate::lanes::{LANES, blocks, load, row_mut, store, vectorised};

/// The reads, counted from 1, at whose middle the signal is A.
const READ_OF_AMPLITUDE: f64 = 1.5;

/// A signal that fades.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// At the middle of the first read [DN].
    pub amplitude: f64,
    /// After how many seconds it is 1/e of that.
    pub time_constant: f64,
}

/// Subtracts the dark decay.
pub struct DarkDecay<'a> {
    decay: Decay,
    frame_time: f64,
    read_pattern: &'a ReadPattern,
    origin: (usize, usize),
    times: ReadTimes,
    /// The amplitude in each resultant, of a pixel that is read as soon as a frame begins [DN].
    amplitudes: Vec<f64>,
    /// What is left of it at each column of a pair of channels, over which it repeats, and of some more,
    /// so that those of a block lie one after the other wherever it begins.
    left_at_cols: Vec<f64>,
}

impl<'a> DarkDecay<'a> {
    /// For a detector whose pixel `origin` (row, column) is the first of the image.
    pub fn new(
        decay: Decay,
        frame_time: f64,
        read_pattern: &'a ReadPattern,
        detector: Detector,
        origin: (usize, usize),
    ) -> Self {
        let times = ReadTimes::new(detector, frame_time);
        let left_after = |seconds: f64| (-seconds / decay.time_constant).exp();
        let reads = read_pattern.reads(frame_time);
        let amplitudes = reads.into_iter().map(|reads| {
            let of_read = |read: f64| left_after((read - READ_OF_AMPLITUDE) * frame_time);
            let sum: f64 = reads.numbers().map(of_read).sum();
            decay.amplitude * (sum / f64::from(reads.count))
        });
        let cols = 0..2 * CHANNEL_COLS + LANES;
        Self {
            amplitudes: amplitudes.collect(),
            left_at_cols: cols.map(|x| left_after(times.of_col(x))).collect(),
            decay,
            frame_time,
            read_pattern,
            origin,
            times,
        }
    }
}

impl BandKernel for DarkDecay<'_> {
    fn name(&self) -> &'static str {
        "dark_decay"
    }

    fn changes(&self) -> Changes {
        Changes {
            data: true,
            ..Changes::default()
        }
    }

    fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        let Decay {
            amplitude,
            time_constant,
        } = self.decay;
        if !amplitude.is_finite() {
            return Err(KernelError::value(
                "amplitude",
                "a finite number",
                amplitude,
            ));
        }
        check_duration("time_constant", time_constant)?;
        check_duration("frame_time", self.frame_time)?;
        // Before the middle of the first read it is more than there, and where an image begins most.
        let is_sample = |amplitude: &f64| (*amplitude as f32).is_finite();
        if !is_sample(&amplitude) {
            let expected = "a number within the range of single precision";
            return Err(KernelError::value("amplitude", expected, amplitude));
        }
        if !self.amplitudes.iter().all(is_sample) {
            return Err(KernelError::value(
                "time_constant",
                "seconds within which the signal of the first read stays within the range of single \
                 precision",
                time_constant,
            ));
        }
        self.read_pattern.check(n_resultants)?;
        check_origin(self.origin, (n_rows, n_cols))
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let (first_row, first_col) = self.origin;
        let y = first_row + band.place.first_row;
        let x = (first_col + band.place.cols.start) % (2 * CHANNEL_COLS);
        let mut data = band.data.view_mut();
        for r in 0..data.dim().1 {
            let left = (-self.times.of_row(y + r) / self.decay.time_constant).exp();
            for (plane, amplitude) in data.outer_iter_mut().zip(&self.amplitudes) {
                subtract(row_mut(plane, r), amplitude * left, &self.left_at_cols, x);
            }
        }
    }
}

vectorised! {
    /// Subtracts what is left of an amplitude at the columns, from column `x` of a pair of channels on.
    fn subtract(samples: &mut [f32], amplitude: f64, left_at_cols: &[f64], x: usize) {
        for cols in blocks(samples.len()) {
            let start = (x + cols.start) % (2 * CHANNEL_COLS);
            let left = &left_at_cols[start..start + LANES];
            let mut block = load(samples, &cols);
            for lane in 0..LANES {
                block[lane] = (f64::from(block[lane]) - amplitude * left[lane]) as f32;
            }
            store(&block, samples, &cols);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array2, Array3};

    fn message(decay: (f64, f64), frame_time: f64, origin: (usize, usize)) -> String {
        let pattern = ReadPattern::from_reads(&[vec![1]], 3.0).unwrap();
        let (amplitude, time_constant) = decay;
        let decay = Decay {
            amplitude,
            time_constant,
        };
        let kernel = DarkDecay::new(decay, frame_time, &pattern, Detector::WFI18, origin);
        kernel.check((1, 8, 8)).unwrap_err().to_string()
    }

    #[test]
    fn the_signal_has_its_amplitude_in_the_middle_of_the_first_read() {
        // A first read alone, at its first pixel: half a frame earlier. Then the mean of reads 2 and 3.
        let (frame_time, tau) = (3.04, 13.5);
        let pattern = ReadPattern::from_reads(&[vec![1], vec![2, 3]], frame_time).unwrap();
        let decay = Decay {
            amplitude: 4.0,
            time_constant: tau,
        };
        let mut ramp = Ramp::of_pixels(&[[100.0, 200.0]; 2]);
        let kernel = DarkDecay::new(decay, frame_time, &pattern, Detector::WFI18, (0, 0));
        ramp.run(&kernel);
        let frame = |frames: f64| (-frames * frame_time / tau).exp();
        let first = 100.0 - 4.0 * frame(-0.5);
        let second = 200.0 - 4.0 * (frame(0.5) + frame(1.5)) / 2.0;
        assert_eq!(ramp.data[[0, 0, 0]], first as f32);
        assert_eq!(ramp.data[[1, 0, 0]], second as f32);
        assert_eq!(ramp.flags(0), [0, 0]);
    }

    #[test]
    fn a_crop_is_what_is_cut_of_the_whole() {
        let pattern = ReadPattern::from_reads(&[vec![1], vec![2, 3]], 3.04).unwrap();
        let decay = Decay {
            amplitude: 50.0,
            time_constant: 2.0,
        };
        let run = |origin: (usize, usize), (n_rows, n_cols): (usize, usize)| {
            let mut ramp = Ramp {
                data: Array3::from_elem((2, n_rows, n_cols), 1000.0),
                groupdq: Array3::zeros((2, n_rows, n_cols)),
                pixeldq: Array2::zeros((n_rows, n_cols)),
            };
            let detector = Detector::named("WFI07").unwrap();
            ramp.run(&DarkDecay::new(decay, 3.04, &pattern, detector, origin));
            ramp.data
        };
        let whole = run((0, 0), (300, 600));
        for (y, x) in [(0, 0), (13, 100), (250, 129), (7, 255), (40, 511)] {
            let crop = run((y, x), (20, 85));
            let cut = crate::band::part(whole.view(), y..y + 20, x..x + 85);
            assert_eq!(crop, cut);
        }
    }

    #[test]
    fn wrong_parameters_say_what_is_wrong() {
        assert!(message((f64::NAN, 1.0), 3.0, (0, 0)).starts_with("amplitude: expected a finite"));
        for tau in [0.0, -1.0, f64::NAN] {
            assert!(
                message((1.0, tau), 3.0, (0, 0)).starts_with("time_constant: expected a finite, ")
            );
        }
        // Half a frame before it is 1 DN it would be exp(1500) DN.
        for (decay, argument) in [((1.0, 0.001), "time_constant"), ((1e308, 1.0), "amplitude")] {
            assert!(message(decay, 3.0, (0, 0)).starts_with(&format!("{argument}: expected")));
        }
        assert!(message((1.0, 1.0), 0.0, (0, 0)).starts_with("frame_time: expected a finite"));
        for origin in [(4089, 0), (0, 4089), (usize::MAX, 0)] {
            let message = message((1.0, 1.0), 3.0, origin);
            assert!(
                message.starts_with("origin: expected a first row and column"),
                "{message}"
            );
        }
    }
}
