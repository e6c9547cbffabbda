//! Likelihood fit: the rate of each pixel from the differences of its samples, with the covariance that
//! photons and reads give them, and the search for hits of cosmic rays in them.
//!
//! With the differences `D_i` of neighbouring resultants that can be used, their times `Delta_i` and their
//! covariance C (tridiagonal, see `tables.rs`), rate and chi2 are
//!
//! ```text
//! a = (Delta' C^-1 D) / (Delta' C^-1 Delta),  chi2 = (D - a Delta)' C^-1 (D - a Delta)
//! err^2 = 1 / (Delta' C^-1 Delta) = var_rnoise + var_poisson
//! ```
//!
//! The covariance needs a rate: that of a first fit. A difference can be used if neither of its samples is
//! SATURATED, DO_NOT_USE or not a number, and the later one is not JUMP_DET.
//!
//! A hit adds to one difference or, in the middle of a resultant, to two neighbouring ones, always upwards.
//! What leaving them out takes off chi2 is the likelihood ratio of a hit; the best one counts if it is above
//! the square of the rejection threshold (`search.rs`). The rate is then that without the hit, or the mean
//! over the reads in which it may have been (`average.rs`). [`Rule::Likely`] is the search of stcal 1.20.0
//! (`likely.rs`).
//!
//! Most pixels are fitted in lanes, in single precision (`block.rs`), which also proves for nearly all of
//! them that there is no hit (`screen.rs`); the others in small groups, in double precision (`suspects.rs`).
//! Which it is depends on the pixel alone.
//!
//! Sources: Brandt 2024, PASP 136, 045004 (fit) and 045005 (jumps); Kubik et al. 2016, PASP 128, 104504.

mod average;
mod block;
mod likely;
mod screen;
mod search;
mod suspects;
mod sweep;
mod tables;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::Array2;

use block::{Block, FitRow, fit_block};
use suspects::{GROUP, Group, Suspect};
pub(super) use tables::Tables;

use super::gain_is_known;
use super::rate_rows::{RATE_IMAGE, Rate, RateRows};
use crate::band::{Found, RampBand};
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel as of_pixel};
use crate::error::KernelError;
use crate::lanes::{self, blocks, chosen, flags_in, rows, rows_mut, vectorised};
use crate::planes::{Fit, Planes, Quantity};
use crate::reference::Plane;

/// Rejection threshold at most [sigma]: its square has to be a number in single precision.
const MAX_THRESHOLD: f64 = 1e9;

/// How hits are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Whose rules the search follows.
    pub rule: Rule,
    /// The likelihood ratio of a hit has to be above its square [sigma].
    pub rejection_threshold: f64,
    /// Whether to look for hits at all.
    pub find_jumps: bool,
    /// Whether the rate of a pixel with one hit is the mean over the reads in which it may have been,
    /// rather than that of what the hit leaves. Not for [`Rule::Likely`].
    pub average_hits: bool,
    /// Whether to note down the samples that are flagged.
    pub record_jumps: bool,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            rule: Rule::Gls,
            rejection_threshold: 4.5,
            find_jumps: true,
            average_hits: true,
            record_jumps: false,
        }
    }
}

/// Which differences a hit may be in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rule {
    /// Those in which it can be, upwards.
    #[default]
    Gls,
    /// As stcal 1.20.0 has it: upwards and downwards.
    Likely,
}

/// Fits the ramps of a band, and flags JUMP_DET the sample after each hit.
///
/// # Shapes
/// `gain` [e-/DN], `read_noise` [DN, of one read]: (n_rows, n_cols) of the image.
pub struct LikelihoodFit<'a> {
    gain: Plane<'a, f32>,
    read_noise: Plane<'a, f32>,
    read_pattern: &'a ReadPattern,
    search: Search,
    tables: Tables,
    /// (resultant, row, column) of the flagged samples, in no order.
    jumps: Mutex<Vec<[i16; 3]>>,
}

/// Gain [e-/DN] and noise of one read [DN] of a pixel.
#[derive(Debug, Clone, Copy)]
struct Detector {
    gain: f64,
    read_noise: f64,
}

impl<'a> LikelihoodFit<'a> {
    /// Errs unless the parameters are in their ranges and the reads of the pattern are known.
    pub fn new(
        gain: Plane<'a, f32>,
        read_noise: Plane<'a, f32>,
        read_pattern: &'a ReadPattern,
        search: Search,
    ) -> Result<Self, KernelError> {
        if !(0.0..=MAX_THRESHOLD).contains(&search.rejection_threshold) {
            return Err(KernelError::value(
                "rejection_threshold",
                "a number from 0 to 1e9",
                search.rejection_threshold,
            ));
        }
        Ok(Self {
            gain,
            read_noise,
            read_pattern,
            search,
            tables: Tables::new(read_pattern)?,
            jumps: Mutex::default(),
        })
    }

    fn note_jumps(
        &self,
        groupdq: &[&mut [u8]],
        (row, first_col): (usize, usize),
        found: &mut Vec<[i16; 3]>,
    ) {
        for (g, flags) in groupdq.iter().enumerate() {
            for cols in blocks(flags.len()) {
                // In most blocks there is none.
                if !has_jump(flags, &cols) {
                    continue;
                }
                for c in cols {
                    if flags[c] & group::JUMP_DET != 0 {
                        // It was checked that they are small enough.
                        found.push([g as i16, row as i16, (first_col + c) as i16]);
                    }
                }
            }
        }
    }
}

vectorised! {
    fn has_jump(flags: &[u8], cols: &Range<usize>) -> bool {
        flags_in(&[flags], cols) & group::JUMP_DET != 0
    }
}

impl Fit for LikelihoodFit<'_> {
    fn makes(&self) -> &'static [Quantity] {
        &RATE_IMAGE
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        let (n_resultants, n_rows, n_cols) = shape;
        self.gain.check("gain", (n_rows, n_cols))?;
        self.read_noise.check("read_noise", (n_rows, n_cols))?;
        let limit = i16::MAX as usize;
        if self.search.record_jumps && n_rows.max(n_cols) > limit {
            return Err(KernelError::value(
                "record_jumps",
                "an image of at most 32767 rows and columns",
                format!("{n_rows} x {n_cols}"),
            ));
        }
        self.read_pattern.check(n_resultants)
    }

    fn fit(&self, band: &mut RampBand<'_>, first_col: usize, out: &mut Planes<'_>) {
        let (n_resultants, n_rows, n_cols) = band.shape();
        let mut block = Block::new(self);
        let mut suspects = Vec::new();
        let mut group = Group::<GROUP>::new(n_resultants);
        let mut pixel = likely::Pixel::new(n_resultants);
        let mut fits = RateRows::new(n_cols);
        let mut jumps = Vec::new();
        let data = band.data.view();
        let mut groupdq = band.groupdq.view_mut();
        for r in 0..n_rows {
            let data = rows(data, r);
            let mut groupdq = rows_mut(&mut groupdq, r);
            let row = FitRow {
                data: &data,
                groupdq: &groupdq,
                pixeldq: lanes::row(band.pixeldq.view(), r),
                gain: self.gain.row(&band.place, r),
                read_noise: self.read_noise.row(&band.place, r),
            };
            for cols in blocks(n_cols) {
                fit_block(&row, &cols, &mut block, &mut fits);
                for lane in chosen(&block.suspect).take_while(|lane| *lane < cols.len()) {
                    let (gain, read_noise) = (block.gain[lane], block.read_noise[lane]);
                    let (c, dq) = (cols.start + lane, block.dq[lane]);
                    if gain_is_known(gain) && read_noise.is_finite() && read_noise >= 0.0 {
                        let detector = Detector {
                            gain: gain.into(),
                            read_noise: read_noise.into(),
                        };
                        suspects.push(Suspect::new(c, detector, dq));
                    } else {
                        let no_gain = of_pixel::NO_GAIN_VALUE;
                        let dq = dq | if gain_is_known(gain) { 0 } else { no_gain };
                        fits.put(c, dq | of_pixel::DO_NOT_USE, &Rate::default());
                    }
                }
            }
            match self.search.rule {
                Rule::Gls => {
                    self.fit_suspects(&data, &mut groupdq, &mut suspects, &mut group, &mut fits);
                }
                Rule::Likely => {
                    self.fit_as_likely(&data, &mut groupdq, &mut suspects, &mut pixel, &mut fits);
                }
            }
            if self.search.record_jumps {
                let inside: Vec<&mut [u8]> = groupdq
                    .into_iter()
                    .map(|flags| &mut flags[first_col..][..out.n_cols()])
                    .collect();
                let place = (band.place.first_row + r, band.place.cols.start + first_col);
                self.note_jumps(&inside, place, &mut jumps);
            }
            fits.copy_into(out, r, first_col);
        }
        let mut all = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        all.append(&mut jumps);
    }

    fn found(&self) -> Vec<(&'static str, Found)> {
        if !self.search.record_jumps {
            return Vec::new();
        }
        let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted = std::mem::take(&mut *jumps);
        sorted.sort_unstable();
        let indices = Array2::from_shape_fn((sorted.len(), 3), |(k, axis)| sorted[k][axis]);
        vec![("jump_indices", Found::Indices(indices))]
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
