//! The pixels of a block of columns, all at once, in single precision.

use std::ops::Range;

use super::LikelihoodFit;
use crate::kernels::gain_is_known;
use crate::kernels::rate_rows::{RateBlock, RateRows};
use crate::lanes::{LANES, Lanes, load, vectorised};
use crate::reference::Row;

/// One row of a band with its references.
pub struct FitRow<'a, 'b> {
    pub data: &'a [&'a [f32]],
    pub groupdq: &'a [&'b mut [u8]],
    pub pixeldq: &'a [u32],
    pub gain: Row<'a, f32>,
    pub read_noise: Row<'a, f32>,
}

/// A block of columns: what is fitted, and the fits.
pub struct Block {
    pub gain: Lanes,
    pub read_noise: Lanes,
    /// All flags of the pixel and its samples, but for samples that are not used.
    pub dq: Lanes<u32>,
    /// Which pixels have to be looked at closely.
    pub suspect: Lanes<u8>,
    pub fit: RateBlock,
}

impl Block {
    pub fn new(_n_resultants: usize) -> Self {
        Self {
            gain: Lanes::all(0.0),
            read_noise: Lanes::all(0.0),
            dq: Lanes::all(0),
            suspect: Lanes::all(0),
            fit: RateBlock::zeros(),
        }
    }
}

vectorised! {
    /// Takes a block of columns of a row, fits its pixels, and keeps the fits.
    pub fn fit_block(
        kernel: &LikelihoodFit<'_>,
        row: &FitRow<'_, '_>,
        cols: &Range<usize>,
        block: &mut Block,
        fits: &mut RateRows,
    ) {
        let _ = kernel;
        block.gain = row.gain.block(cols);
        block.read_noise = row.read_noise.block(cols);
        block.dq = load(row.pixeldq, cols);
        for lane in 0..LANES {
            block.suspect[lane] = u8::from(gain_is_known(block.gain[lane])) | 1;
        }
        for flags in row.groupdq {
            let flags = load(flags, cols);
            for lane in 0..LANES {
                block.dq[lane] |= u32::from(flags[lane] & crate::dq::group::OF_PIXELS);
            }
        }
        fits.put_block(cols, &block.dq, &block.fit);
    }
}
