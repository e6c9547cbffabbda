//! Half precision, in which Level 2 files hold errors and variances.

use ::half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use crate::driver::{Execution, for_each};
use crate::error::KernelError;

/// Numbers of a task.
const CHUNK: usize = 1 << 18;

/// Numbers that are clipped, and converted, before the next: they stay in the nearest cache.
const PIECE: usize = 1 << 10;

/// Converts numbers to the bits of half precision, rounded to the nearest (to even in between). What
/// is larger than the largest finite number, infinity too, becomes that number; NaN stays NaN.
///
/// # Panics
/// If `halves` has another length than `numbers`.
pub fn to_half(
    numbers: &[f32],
    halves: &mut [u16],
    execution: &mut Execution<'_>,
) -> Result<(), KernelError> {
    assert_eq!(numbers.len(), halves.len(), "one half for each number");
    let tasks = numbers.chunks(CHUNK).zip(halves.chunks_mut(CHUNK));
    for_each(
        tasks.collect(),
        |(from, into)| convert(from, into),
        execution,
    )
}

fn convert(numbers: &[f32], halves: &mut [u16]) {
    let largest = ::half::f16::MAX.to_f32();
    let mut clipped = [0.0; PIECE];
    for (numbers, halves) in numbers.chunks(PIECE).zip(halves.chunks_mut(PIECE)) {
        let clipped = &mut clipped[..numbers.len()];
        for (clipped, number) in clipped.iter_mut().zip(numbers) {
            *clipped = number.clamp(-largest, largest);
        }
        halves
            .reinterpret_cast_mut::<::half::f16>()
            .convert_from_f32_slice(clipped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_even_and_clipped() {
        // 1 + 2^-11 lies between two halves, 1 + 3 x 2^-11 too; 2^-24 is the smallest half.
        let cases = [
            (1.0, 0x3c00),
            (1.0 + 2.0_f32.powi(-11), 0x3c00),
            (1.0 + 3.0 * 2.0_f32.powi(-11), 0x3c02),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65520.0, 0x7bff),
            (f32::INFINITY, 0x7bff),
            (-1e30, 0xfbff),
            (2.0_f32.powi(-24), 0x0001),
            (2.0_f32.powi(-25), 0x0000),
            (-0.0, 0x8000),
        ];
        // More than a piece, so that its end counts.
        let numbers: Vec<f32> = cases
            .iter()
            .cycle()
            .map(|case| case.0)
            .take(PIECE + 7)
            .collect();
        let mut halves = vec![0; numbers.len()];
        Execution::uninterrupted(|execution| to_half(&numbers, &mut halves, execution)).unwrap();
        let expected = cases.iter().cycle().map(|case| case.1);
        assert!(halves.iter().copied().eq(expected.take(numbers.len())));
        let mut nan = [0];
        Execution::uninterrupted(|execution| to_half(&[f32::NAN], &mut nan, execution)).unwrap();
        assert!(::half::f16::from_bits(nan[0]).is_nan());
    }
}
