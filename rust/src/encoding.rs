//! How counts were changed on board before they were sent, and what undoes it.
//!
//! ```text
//! sent = resultant - reference read + offset,  resultant = sent + reference read - offset
//! ```
//!
//! All of these are whole numbers far below 2^24, so that single precision holds each exactly.
//! Source: the schema of Level 1 files, and what the mission's own dq_init step adds and subtracts.

use crate::band::Place;
use crate::dq::group;
use crate::lanes::{LANES, Lanes, add_flags, blocks, store, vectorised};
use crate::reference::{Plane, Row};

/// What was done to the counts of an exposure. The default is nothing.
#[derive(Default)]
pub struct Encoding<'a> {
    /// The read that was subtracted from every resultant [DN], (n_rows, n_cols).
    pub reference_read: Option<Plane<'a, u16>>,
    /// What was added to every resultant, so that noise below 0 is not cut off [DN].
    pub offset: f32,
}

impl Encoding<'_> {
    /// The value of a sample whose count is 0, unless a reference read was subtracted from it [DN].
    pub fn floor(&self) -> f32 {
        -self.offset
    }

    /// Restores row `r` of one resultant of a band that lies at `place`. Where a reference read makes the floor of the A/D converter
    /// invisible afterwards, counts of 0 are flagged here: AD_FLOOR and DO_NOT_USE.
    ///
    /// `samples` are replaced, `groupdq` is added to.
    pub fn decode_row(
        &self,
        (place, r): (&Place, usize),
        raw: Row<'_, u16>,
        samples: &mut [f32],
        groupdq: &mut [u8],
    ) {
        match &self.reference_read {
            Some(read) => add_reference(raw, read.row(place, r), self.offset, samples, groupdq),
            None => subtract_offset(raw, self.offset, samples),
        }
    }
}

vectorised! {
    fn subtract_offset(raw: Row<'_, u16>, offset: f32, samples: &mut [f32]) {
        for cols in blocks(samples.len()) {
            store(&raw.block(&cols).map(|count| f32::from(count) - offset), samples, &cols);
        }
    }
}

vectorised! {
    fn add_reference(
        raw: Row<'_, u16>,
        reference: Row<'_, u16>,
        offset: f32,
        samples: &mut [f32],
        groupdq: &mut [u8],
    ) {
        for cols in blocks(samples.len()) {
            let (counts, reference) = (raw.block(&cols), reference.block(&cols));
            let mut values = Lanes::all(0.0);
            let mut flags = Lanes::all(0);
            for lane in 0..LANES {
                values[lane] = f32::from(counts[lane]) + f32::from(reference[lane]) - offset;
                let at_floor = group::AD_FLOOR | group::DO_NOT_USE;
                flags[lane] = if counts[lane] == 0 { at_floor } else { 0 };
            }
            store(&values, samples, &cols);
            add_flags(&flags, groupdq, &cols);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    fn decode(encoding: &Encoding<'_>, counts: [u16; 3]) -> ([f32; 3], [u8; 3]) {
        let raw = arr2(&[counts]);
        let (mut samples, mut flags) = ([f32::NAN; 3], [2; 3]);
        let raw = Plane::from(raw.view());
        let place = Place::of_image(3);
        encoding.decode_row((&place, 0), raw.row(&place, 0), &mut samples, &mut flags);
        (samples, flags)
    }

    #[test]
    fn without_an_encoding_counts_are_samples() {
        let (samples, flags) = decode(&Encoding::default(), [0, 3, 65535]);
        assert_eq!(samples, [0.0, 3.0, 65535.0]);
        assert_eq!(flags, [2; 3]);
    }

    #[test]
    fn an_offset_is_taken_off_below_zero() {
        let encoding = Encoding {
            reference_read: None,
            offset: 100.0,
        };
        let (samples, flags) = decode(&encoding, [0, 95, 65535]);
        assert_eq!(samples, [-100.0, -5.0, 65435.0]);
        assert_eq!(flags, [2; 3]); // the saturation step finds the floor, at -100
        assert_eq!(encoding.floor(), -100.0);
    }

    #[test]
    fn a_reference_read_is_added_beyond_sixteen_bits() {
        let reference = arr2(&[[5000, 6000, 65535]]);
        let encoding = Encoding {
            reference_read: Some(reference.view().into()),
            offset: 100.0,
        };
        let (samples, flags) = decode(&encoding, [0, 95, 65535]);
        assert_eq!(samples, [4900.0, 5995.0, 130_970.0]);
        assert_eq!(flags, [2 | group::AD_FLOOR | group::DO_NOT_USE, 2, 2]);
    }
}
