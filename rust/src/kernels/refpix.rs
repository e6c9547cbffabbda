//! Reference pixels: what they tell of the read-out's noise is taken off all pixels.
//!
//! The border of the detector and the 33rd amplifier, which reads no pixels, see no light. They see the
//! drifts of the read-out, and the noise that its 32 channels share. In each resultant,
//!
//! `data' = data - (slope t + level) - correction(t)`
//!
//! with t the time at which a sample was read. The line is fitted to the samples of the channel in the
//! first and last four rows. The correction is, in the spectrum of the channel's sequence of samples,
//! `gamma L + zeta R + alpha A`: L and R are the spectra of the left and right border, A that of the 33rd
//! amplifier, all of them without the mean over the resultants, and without their own line. The
//! coefficients, for each frequency of each channel, are the reference file's.
//!
//! Source: the refpix step of romancal 1.1.0; `docs/explanation/deviations.md` says what differs.
//!
//! - `fft`: the transforms,
//! - `frame`: what is seen of the border, and which of its samples are valid,
//! - `trend`, `gaps`: lines, and the filling of gaps in the 33rd amplifier's sequence,
//! - `seen`: all that is to be known of the reference pixels, made of these,
//! - `spectra`: from there to the correction of a channel,
//! - `channels`: the kernel when it has seen the border.

mod channels;
mod fft;
mod frame;
mod gaps;
mod seen;
mod spectra;
#[cfg(test)]
mod tests;
mod trend;

use std::sync::{Mutex, PoisonError};

use num_complex::Complex;

use crate::band::{BandKernel, Changes, RampBand};
use crate::driver::{CHANNEL_COLS, Execution};
use crate::error::{KernelError, shape_text};
use crate::reference::{Cube, Plane};
use crate::survey::{Part, Survey};
use channels::Concluded;
use frame::Frame;
use seen::Seen;
use spectra::{BORDER, Plan};

/// Corrects ramps by their reference pixels.
///
/// # Shapes
/// `amp33`: (n_resultants, n_rows, columns of a channel); `gamma`, `zeta`, `alpha`: (n_channels, n_rows x
/// (columns of a channel + 12) / 2 + 1).
pub struct ReferencePixels<'a> {
    /// Counts of the 33rd amplifier; those of 0 are missing.
    pub amp33: Cube<'a, u16>,
    /// The coefficients of the left border.
    pub gamma: Plane<'a, Complex<f64>>,
    /// The coefficients of the right border.
    pub zeta: Plane<'a, Complex<f64>>,
    /// The coefficients of the 33rd amplifier.
    pub alpha: Plane<'a, Complex<f64>>,
    /// Which parts of the correction are done.
    pub switches: Switches,
    /// How the columns are divided into channels.
    pub channels: Channels,
}

/// What is done.
#[derive(Debug, Clone, Copy)]
pub struct Switches {
    /// Whether to remove the mean over the resultants from reference pixels.
    pub remove_offset: bool,
    /// Whether to remove the lines.
    pub remove_trends: bool,
    /// Whether to fill gaps of the 33rd amplifier's sequence from what is around them.
    pub cosine_interpolate: bool,
    /// Whether to smooth its pauses then.
    pub fft_interpolate: bool,
    /// Whether any sample, also of a science pixel, that equals the mean over its resultants counts as
    /// missing and gets no line, and counts of 0 do not: romancal's rule, to compare with it.
    pub zero_is_missing: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            remove_offset: true,
            remove_trends: true,
            cosine_interpolate: true,
            fft_interpolate: true,
            zero_is_missing: false,
        }
    }
}

/// How the detector is read.
#[derive(Debug, Clone, Copy)]
pub struct Channels {
    /// Columns of a channel: 128, or 32 in small tests.
    pub width: usize,
    /// Samples from which a gap is filled.
    pub gap_kernel: usize,
}

impl Default for Channels {
    fn default() -> Self {
        Self {
            width: CHANNEL_COLS,
            gap_kernel: 32,
        }
    }
}

impl<'a> ReferencePixels<'a> {
    fn coefficients(&self) -> [(&'static str, Plane<'a, Complex<f64>>); 3] {
        [
            ("gamma", self.gamma),
            ("zeta", self.zeta),
            ("alpha", self.alpha),
        ]
    }
}

impl BandKernel for ReferencePixels<'_> {
    fn name(&self) -> &'static str {
        "refpix"
    }

    fn changes(&self) -> Changes {
        Changes {
            data: true,
            ..Changes::default()
        }
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        let (n_resultants, n_rows, n_cols) = shape;
        let width = self.channels.width;
        if ![32, CHANNEL_COLS].contains(&width) {
            return Err(KernelError::value("width", "128 or 32 columns", width));
        }
        if n_resultants < 2 || n_rows < 2 * BORDER || n_cols == 0 || !n_cols.is_multiple_of(width) {
            return Err(KernelError::Shape {
                argument: "data",
                expected: format!(
                    "(n_resultants, n_rows, n_cols) with at least 2 resultants, at least {} rows, and \
                     channels of {width} columns",
                    2 * BORDER
                ),
                received: shape_text(&[n_resultants, n_rows, n_cols]),
            });
        }
        self.amp33.check("amp33", (n_resultants, n_rows, width))?;
        let expected = (n_cols / width, Plan::n_frequencies(n_rows, width));
        for (name, coefficients) in self.coefficients() {
            coefficients.check(name, expected)?;
        }
        Ok(())
    }

    fn by_channel(&self) -> bool {
        true
    }

    fn survey(&self, shape: (usize, usize, usize)) -> Option<Box<dyn Survey<'_> + '_>> {
        Some(Box::new(Look {
            kernel: self,
            shape,
            frame: Mutex::new(Frame::new(shape)),
        }))
    }

    fn apply(&self, _: &mut RampBand<'_>) {
        unreachable!("it works when it has seen the border")
    }
}

/// Looks at the border.
struct Look<'k, 'a> {
    kernel: &'k ReferencePixels<'a>,
    shape: (usize, usize, usize),
    frame: Mutex<Frame>,
}

impl<'k> Survey<'k> for Look<'k, '_> {
    fn part(&self) -> Part {
        let (n_resultants, n_rows, n_cols) = self.shape;
        Part::border(0..n_resultants, BORDER, (n_rows, n_cols))
    }

    fn look(&self, piece: &RampBand<'_>) {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        for side in frame.sides_mut() {
            side.look(piece);
        }
    }

    fn conclude(
        self: Box<Self>,
        execution: &mut Execution<'_>,
    ) -> Result<Box<dyn BandKernel + 'k>, KernelError> {
        let frame = self.frame.into_inner();
        let mut frame = frame.unwrap_or_else(PoisonError::into_inner);
        let seen = Seen::new(self.kernel, self.shape, &mut frame, execution)?;
        Ok(match self.kernel.channels.width {
            CHANNEL_COLS => Box::new(Concluded::<64>::new(self.kernel, seen, frame)),
            _ => Box::new(Concluded::<16>::new(self.kernel, seen, frame)),
        })
    }
}

/// Whether a channel is read from right to left.
fn is_reversed(channel: usize) -> bool {
    channel % 2 == 1
}
