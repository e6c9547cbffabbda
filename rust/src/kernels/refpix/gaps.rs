//! Fills the gaps of a sequence: pauses between rows, and samples that are missing.

use std::f32::consts::PI;

/// Sets each sample that is missing to the mean of the others around it, weighted by the cosine of half
/// the kernel's length at most; 0 where there are none.
///
/// The kernel is `sin((j + 1) pi / n)`, j = 0 .. n - 1, the angle rounded to float32: so the last is not
/// quite 0.
pub fn fill(values: &mut [f32], is_valid: &[bool], kernel_length: usize) {
    let step = PI / kernel_length as f32;
    let weight = |j: usize| f64::from(f64::from((j + 1) as f32 * step).sin() as f32);
    let kernel: Vec<f64> = (0..kernel_length).map(weight).collect();
    // The sample at t + after - j has weight j.
    let after = kernel_length - kernel_length / 2 - 1;
    let before = kernel_length - 1 - after;
    let known: Vec<f32> = values.to_vec();
    for (t, value) in values.iter_mut().enumerate().filter(|&(t, _)| !is_valid[t]) {
        let around = t.saturating_sub(before)..known.len().min(t + after + 1);
        let weights = &kernel[t + after + 1 - around.end..=t + after - around.start];
        let samples = known[around.clone()].iter().zip(&is_valid[around]);
        let (mut sum, mut of_weights) = (0.0, 0.0);
        for ((&sample, &is_valid), weight) in samples.zip(weights.iter().rev()) {
            if is_valid {
                sum += weight * f64::from(sample);
                of_weights += weight;
            }
        }
        *value = if of_weights == 0.0 {
            0.0
        } else {
            (sum / of_weights) as f32
        };
    }
}

/// Smooths the pauses, three times: each value by those next to it, half its own and a quarter of each,
/// the first and the last of the sequence being next to each other.
///
/// That is the low-pass filter `(1 + cos(2 pi k / L)) / 2` of the sequence's spectrum.
pub fn smooth_pauses(values: &mut [f32], width: usize, cycle: usize) {
    let length = values.len();
    let mut smoothed = vec![0.0; cycle - width];
    for _ in 0..3 {
        // Pauses are apart from each other: the values next to one are not changed with another.
        for row in 0..length / cycle {
            let pause = row * cycle + width;
            for (i, smooth) in smoothed.iter_mut().enumerate() {
                let t = pause + i;
                let sum = f64::from(values[t - 1]) + f64::from(values[(t + 1) % length]);
                *smooth = (0.5 * f64::from(values[t]) + 0.25 * sum) as f32;
            }
            values[pause..pause + smoothed.len()].copy_from_slice(&smoothed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_filled_with_the_weighted_mean_around_it() {
        // Of 4 weights, sin(pi / 4) ... : of the samples at +1, 0, -1, -2.
        let mut values = [8.0, 2.0, 99.0, 6.0, 1.0];
        fill(&mut values, &[true, true, false, true, true], 4);
        let half = 0.5_f64.sqrt();
        let expected = (half * 6.0 + half * 2.0) / (2.0 * half);
        assert!((f64::from(values[2]) - expected).abs() < 1e-5);
        assert_eq!(
            [values[0], values[1], values[3], values[4]],
            [8.0, 2.0, 6.0, 1.0]
        );
    }

    #[test]
    fn what_is_far_from_all_samples_is_0() {
        let mut values = [5.0; 9];
        let mut is_valid = [false; 9];
        is_valid[0] = true;
        fill(&mut values, &is_valid, 4);
        assert_eq!(values[..3], [5.0, 5.0, 5.0]);
        assert_eq!(values[3..], [0.0; 6]);
    }

    #[test]
    fn pauses_are_smoothed_and_samples_are_not() {
        let mut values = [4.0, 0.0, 0.0, 8.0, 0.0, 0.0];
        smooth_pauses(&mut values, 1, 3);
        // By hand: (1, 2), (2, 1); then (2, 2), (2, 2) ...
        let (mut a, mut b) = (0.0, 0.0);
        let (mut c, mut d) = (0.0, 0.0);
        for _ in 0..3 {
            (a, b) = (0.5 * a + 0.25 * (4.0 + b), 0.5 * b + 0.25 * (a + 8.0));
            (c, d) = (0.5 * c + 0.25 * (8.0 + d), 0.5 * d + 0.25 * (c + 4.0));
        }
        assert_eq!(values, [4.0, a, b, 8.0, c, d]);
    }
}
