//! The saturation thresholds of the pixels, and which of them have none.

use std::ops::Range;

use crate::band::Place;
use crate::dq::pixel;
use crate::lanes::{LANES, Lanes};
use crate::reference::{Plane, Row};

/// The thresholds of all pixels, and which of them have none.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub threshold: Plane<'a, f32>,
    pub ref_dq: Plane<'a, u32>,
}

/// Those of a row.
pub(super) struct RowOfLimits<'a> {
    threshold: Row<'a, f32>,
    ref_dq: Row<'a, u32>,
}

impl<'a> Limits<'a> {
    pub fn row(&self, place: &Place, r: usize) -> RowOfLimits<'a> {
        RowOfLimits {
            threshold: self.threshold.row(place, r),
            ref_dq: self.ref_dq.row(place, r),
        }
    }
}

impl RowOfLimits<'_> {
    /// Of a block of columns: the thresholds, NaN where there is none, as nothing reaches that; and the
    /// flags of the reference, with NO_SAT_CHECK there.
    #[inline(always)]
    pub fn block(&self, cols: &Range<usize>) -> (Lanes, Lanes<u32>) {
        let mut limits = self.threshold.block(cols);
        let mut flags = self.ref_dq.block(cols);
        for lane in 0..LANES {
            let unchecked = limits[lane].is_nan() | (flags[lane] & pixel::NO_SAT_CHECK != 0);
            limits[lane] = if unchecked { f32::NAN } else { limits[lane] };
            flags[lane] |= if unchecked { pixel::NO_SAT_CHECK } else { 0 };
        }
        (limits, flags)
    }
}
