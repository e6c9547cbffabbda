//! Saturation: samples that the A/D converter or the pixel cannot represent.
//!
//! - `data >= threshold`: SATURATED, and all later resultants of the pixel with it.
//! - `data <= floor`: AD_FLOOR and DO_NOT_USE, this resultant alone. The floor is the value of a count
//!   of 0: that is 0 DN, less what was added to the counts before they were sent.
//! - The saturated area may be grown, per resultant, by a square box: the charge of a saturated
//!   pixel spills over to the pixels around it.
//! - Resultants that average reads some of which are saturated may be flagged too: [`partial`].
//!
//! Source: the manual's section 8.1.12. Other than there, a pixel without a threshold (NaN, or
//! NO_SAT_CHECK in the reference) is never flagged, not even at 65535 DN.

mod limits;
mod partial;

use ndarray::{Array2, ArrayViewMut2};

use crate::band::{BandKernel, Changes, RampBand};
use crate::dq::group;
use crate::error::KernelError;
use crate::lanes::{
    LANES, Lanes, add_flags, blocks, load, row_mut, rows, rows_mut, store, vectorised,
};
use crate::reference::Plane;

use limits::{Limits, RowOfLimits};
pub use partial::{Partial, Rule};

/// Flags saturated samples and those at the floor of the A/D converter.
///
/// # Shapes
/// `threshold` [DN], `ref_dq`: (n_rows, n_cols) of the image.
pub struct Saturation<'a> {
    /// A sample at this value, or above, is saturated [DN].
    pub threshold: Plane<'a, f32>,
    /// Flags of the reference, which are added to those of the pixels.
    pub ref_dq: Plane<'a, u32>,
    /// A sample at this value, or below, lies at the floor of the A/D converter [DN].
    pub floor: f32,
    /// Half the size of the box by which the saturated area is grown; 0: not at all.
    pub n_pix_grow: usize,
    /// What is done about resultants that are saturated in part.
    pub partial: Partial<'a>,
}

impl BandKernel for Saturation<'_> {
    fn name(&self) -> &'static str {
        "saturation"
    }

    fn changes(&self) -> Changes {
        Changes::FLAGS
    }

    fn halo(&self) -> usize {
        self.partial.halo(self.n_pix_grow)
    }

    fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        self.threshold.check("threshold", (n_rows, n_cols))?;
        self.ref_dq.check("ref_dq", (n_rows, n_cols))?;
        self.partial.check(n_resultants)
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let limits = Limits {
            threshold: self.threshold,
            ref_dq: self.ref_dq,
        };
        let place = &band.place;
        let data = band.data.view();
        let mut groupdq = band.groupdq.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        for r in 0..pixeldq.nrows() {
            flag_row(
                &rows(data, r),
                self.floor,
                &limits.row(place, r),
                &mut rows_mut(&mut groupdq, r),
                row_mut(pixeldq.view_mut(), r),
            );
        }
        self.partial.flag_before_growth(band, limits);
        if self.n_pix_grow > 0 {
            for mut plane in band.groupdq.view_mut().outer_iter_mut() {
                let is_saturated = |flags: &u8| u32::from(flags & group::SATURATED != 0);
                let saturated = plane.map(is_saturated);
                grow(&mut plane, &saturated, self.n_pix_grow, group::SATURATED);
            }
        }
        self.partial
            .flag_after_growth(band, limits, self.n_pix_grow);
    }
}

vectorised! {
    /// Flags the samples and the pixels of a row.
    fn flag_row(
        data: &[&[f32]],
        floor: f32,
        limits: &RowOfLimits<'_>,
        groupdq: &mut [&mut [u8]],
        pixeldq: &mut [u32],
    ) {
        for cols in blocks(pixeldq.len()) {
            let (limits, pixel_flags) = limits.block(&cols);
            add_flags(&pixel_flags, pixeldq, &cols);
            // SATURATED where this or an earlier resultant saturated.
            let mut reached = Lanes::all(0);
            for (samples, groupdq) in data.iter().zip(groupdq.iter_mut()) {
                let samples = load(samples, &cols);
                let mut flags = load(groupdq, &cols);
                for lane in 0..LANES {
                    reached[lane] |= if samples[lane] >= limits[lane] { group::SATURATED } else { 0 };
                    let at_floor = group::AD_FLOOR | group::DO_NOT_USE;
                    flags[lane] |= reached[lane] | if samples[lane] <= floor { at_floor } else { 0 };
                }
                store(&flags, groupdq, &cols);
            }
        }
    }
}

/// Adds a flag to the pixels around those that were found (1, else 0): in a box of 2 n + 1 rows and
/// columns about each. Running counts of what is in the box make the time for a pixel independent of
/// its size.
fn grow(flags: &mut ArrayViewMut2<'_, u8>, found: &Array2<u32>, n: usize, flag: u8) {
    if found.iter().all(|&is_found| is_found == 0) {
        return;
    }
    let (n_rows, n_cols) = flags.dim();
    // How many pixels of each column were found in rows r - n to r + n.
    let mut in_column = ndarray::Array1::<u32>::zeros(n_cols);
    for entering in found.outer_iter().take(n) {
        in_column += &entering;
    }
    for r in 0..n_rows {
        if let Some(entering) = r.checked_add(n).filter(|&row| row < n_rows) {
            in_column += &found.row(entering);
        }
        if let Some(leaving) = r.checked_sub(n).and_then(|row| row.checked_sub(1)) {
            in_column -= &found.row(leaving);
        }
        // How many of the columns c - n to c + n have one.
        let has_one = |c: usize| usize::from(in_column[c] > 0);
        let mut in_box: usize = (0..n_cols.min(n)).map(has_one).sum();
        for c in 0..n_cols {
            if let Some(entering) = c.checked_add(n).filter(|&col| col < n_cols) {
                in_box += has_one(entering);
            }
            if let Some(leaving) = c.checked_sub(n).and_then(|col| col.checked_sub(1)) {
                in_box -= has_one(leaving);
            }
            if in_box > 0 {
                flags[[r, c]] |= flag;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dq::pixel;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array2, Array3, arr2};

    const FLOOR: u8 = group::AD_FLOOR | group::DO_NOT_USE;

    #[test]
    fn saturation_lasts_and_the_floor_does_not() {
        let mut ramp = Ramp::of_pixels(&[
            [1.0, 100.0, 50.0, 120.0],
            [0.0, 10.0, -3.0, 99.0],
            [f32::NAN, 10.0, 20.0, 30.0],
        ]);
        ramp.run(&Saturation {
            threshold: Array2::from_elem((1, 3), 100.0).view().into(),
            ref_dq: Array2::zeros((1, 3)).view().into(),
            floor: 0.0,
            n_pix_grow: 0,
            partial: Partial::default(),
        });
        assert_eq!(ramp.flags(0), [0, 2, 2, 2]);
        assert_eq!(ramp.flags(1), [FLOOR, 0, FLOOR, 0]);
        assert_eq!(ramp.flags(2), [0, 0, 0, 0]);
        assert!(ramp.pixeldq.iter().all(|&flags| flags == 0));
    }

    #[test]
    fn the_floor_is_where_a_count_of_zero_lies() {
        let mut ramp = Ramp::of_pixels(&[[-5.0, -100.0, 3.0, -101.0]]);
        ramp.run(&Saturation {
            threshold: Array2::from_elem((1, 1), 100.0).view().into(),
            ref_dq: Array2::zeros((1, 1)).view().into(),
            floor: -100.0,
            n_pix_grow: 0,
            partial: Partial::default(),
        });
        assert_eq!(ramp.flags(0), [0, FLOOR, 0, FLOOR]);
    }

    #[test]
    fn pixels_without_a_threshold_are_never_saturated() {
        let mut ramp = Ramp::of_pixels(&[[10.0, 70000.0], [10.0, 70000.0], [10.0, 70000.0]]);
        ramp.pixeldq[[0, 0]] = 1024;
        ramp.run(&Saturation {
            threshold: arr2(&[[f32::NAN, 5.0, 65536.0]]).view().into(),
            ref_dq: arr2(&[[0, pixel::NO_SAT_CHECK, 2]]).view().into(),
            floor: 0.0,
            n_pix_grow: 0,
            partial: Partial::default(),
        });
        assert_eq!(ramp.flags(0), [0, 0]);
        assert_eq!(ramp.flags(1), [0, 0]);
        assert_eq!(ramp.flags(2), [0, 2]);
        assert_eq!(
            ramp.pixeldq,
            arr2(&[[1024 | pixel::NO_SAT_CHECK, pixel::NO_SAT_CHECK, 2]])
        );
    }

    #[test]
    fn growth_is_the_union_of_the_boxes() {
        let (n_rows, n_cols) = (9, 11);
        let mut state = 1_u64;
        for n in (0..14).chain([usize::MAX]) {
            let mut flags = Array2::from_shape_fn((n_rows, n_cols), |_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                if state >> 58 == 0 {
                    1 | group::SATURATED
                } else {
                    4
                }
            });
            let before = flags.clone();
            let saturated = before.map(|flags| u32::from(flags & group::SATURATED != 0));
            grow(&mut flags.view_mut(), &saturated, n, group::SATURATED);
            for ((r, c), &grown) in flags.indexed_iter() {
                let near = before.indexed_iter().any(|((row, col), &flag)| {
                    flag & group::SATURATED != 0 && row.abs_diff(r) <= n && col.abs_diff(c) <= n
                });
                let added = if near { group::SATURATED } else { 0 };
                assert_eq!(grown, before[[r, c]] | added);
            }
        }
    }

    #[test]
    fn growth_is_a_box_cut_at_the_edges() {
        let mut ramp = Ramp {
            data: Array3::from_elem((2, 4, 5), 10.0),
            groupdq: Array3::zeros((2, 4, 5)),
            pixeldq: Array2::zeros((4, 5)),
        };
        ramp.data[[1, 0, 3]] = 1000.0;
        ramp.run(&Saturation {
            threshold: Array2::from_elem((4, 5), 1000.0).view().into(),
            ref_dq: Array2::zeros((4, 5)).view().into(),
            floor: 0.0,
            n_pix_grow: 1,
            partial: Partial::default(),
        });
        assert_eq!(ramp.groupdq.index_axis(ndarray::Axis(0), 0).sum(), 0);
        assert_eq!(
            ramp.groupdq.index_axis(ndarray::Axis(0), 1),
            arr2(&[
                [0, 0, 2, 2, 2],
                [0, 0, 2, 2, 2],
                [0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0]
            ])
        );
    }
}
