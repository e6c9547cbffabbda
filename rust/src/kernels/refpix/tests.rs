use std::sync::atomic::AtomicUsize;

use ndarray::{Array2, Array3};

use super::*;
use crate::band::{BandArray, Found};
use crate::driver;

/// A ramp of channels of 32 columns, with its 33rd amplifier.
struct Small {
    data: Array3<f32>,
    pixeldq: Array2<u32>,
    amp33: Array3<u16>,
    /// gamma, zeta and alpha.
    coefficients: [Array2<Complex<f64>>; 3],
    switches: Switches,
}

const WIDTH: usize = 32;

impl Small {
    /// 9000 DN, and 5000 DN in the 33rd amplifier; nothing is done but the means removed.
    fn new(n_resultants: usize, n_rows: usize, n_channels: usize) -> Self {
        let shape = (n_channels, Plan::n_frequencies(n_rows, WIDTH));
        Self {
            data: Array3::from_elem((n_resultants, n_rows, n_channels * WIDTH), 9000.0),
            pixeldq: Array2::zeros((n_rows, n_channels * WIDTH)),
            amp33: Array3::from_elem((n_resultants, n_rows, WIDTH), 5000),
            coefficients: std::array::from_fn(|_| Array2::default(shape)),
            switches: Switches {
                remove_trends: false,
                cosine_interpolate: false,
                fft_interpolate: false,
                ..Switches::default()
            },
        }
    }

    /// Has the correction be the sequence of the left border (0), the right one or the amplifier (2).
    fn unit(mut self, which: usize) -> Self {
        self.coefficients[which].fill(Complex::new(1.0, 0.0));
        self
    }

    /// Corrects the ramp; what else is found.
    fn run(&mut self, tile_cols: Option<usize>) -> Vec<(&'static str, Found)> {
        let [gamma, zeta, alpha] = &self.coefficients;
        let groupdq = Array3::zeros(self.data.dim());
        let kernel = ReferencePixels {
            amp33: self.amp33.view().into(),
            gamma: gamma.view().into(),
            zeta: zeta.view().into(),
            alpha: alpha.view().into(),
            switches: self.switches,
            channels: Channels {
                width: WIDTH,
                gap_kernel: 32,
            },
        };
        let mut ramp = RampBand::of_image(
            BandArray::InPlace(self.data.view_mut()),
            BandArray::Shared(groupdq.view()),
            BandArray::Shared(self.pixeldq.view()),
        );
        let outcomes = driver::run(
            &[&kernel],
            &mut ramp,
            &mut Execution {
                max_threads: None,
                band_rows: Some(3),
                tile_cols,
                interrupt: &mut || false,
                done: &AtomicUsize::new(0),
            },
        );
        outcomes.unwrap().remove(0).found
    }
}

/// L + 2 over L.
fn gain(n_rows: usize) -> f64 {
    let length = (n_rows * (WIDTH + 12)) as f64;
    (length + 2.0) / length
}

fn assert_near(value: f32, expected: f64) {
    assert!(
        (f64::from(value) - expected).abs() < 1.1e-3,
        "{value} for {expected}"
    );
}

#[test]
fn coefficients_of_1_give_the_sequence_of_the_amplifier_itself() {
    // An even and an odd number of rows, a prime one, and more than 16 frequencies of a column.
    for n_rows in [8, 9, 11, 40] {
        let mut small = Small::new(2, n_rows, 2).unit(2);
        let deviation = |y: usize, j: usize| ((y * 31 + j * 17) % 23) as u16;
        for ((g, y, j), count) in small.amp33.indexed_iter_mut() {
            *count = if g == 0 {
                5000 + deviation(y, j)
            } else {
                5000 - deviation(y, j)
            };
        }
        small.run(None);
        for ((g, y, col), &sample) in small.data.indexed_iter() {
            // The second channel is read from right to left.
            let j = if col < WIDTH {
                col
            } else {
                2 * WIDTH - 1 - col
            };
            let sign = if g == 0 { 1.0 } else { -1.0 };
            let correction = sign * f64::from(deviation(y, j)) * gain(n_rows);
            assert_near(sample, 9000.0 - correction);
        }
    }
}

#[test]
fn coefficients_of_1_give_the_columns_of_the_border_in_the_steps_of_their_channel() {
    for (which, n_channels) in [(0, 2), (1, 2), (1, 3), (1, 1)] {
        let n_rows = 10;
        let mut small = Small::new(2, n_rows, n_channels).unit(which);
        let first = if which == 0 {
            0
        } else {
            n_channels * WIDTH - BORDER
        };
        let deviation = |y: usize, i: usize| (y + 3 * i) as f32;
        for y in 0..n_rows {
            for i in 0..BORDER {
                small.data[[0, y, first + i]] += deviation(y, i);
                small.data[[1, y, first + i]] -= deviation(y, i);
            }
        }
        let before = small.data.clone();
        small.run(None);
        // Of the last channel, when it is read from right to left, the last column comes first.
        let is_reversed = |channel: usize| channel % 2 == 1;
        let step = |channel: usize, own: usize| {
            if is_reversed(channel) {
                WIDTH - 1 - own
            } else {
                own
            }
        };
        let of_border = first / WIDTH;
        for ((g, y, col), &sample) in small.data.indexed_iter() {
            let j = step(col / WIDTH, col % WIDTH);
            let seen = (0..BORDER).find(|i| step(of_border, (first + i) % WIDTH) == j);
            let sign = if g == 0 { 1.0 } else { -1.0 };
            // Four columns stand for all 44 steps of a row.
            let correction = seen.map_or(0.0, |i| sign * f64::from(deviation(y, i)) * 11.0);
            assert_near(
                sample,
                f64::from(before[[g, y, col]]) - correction * gain(n_rows),
            );
        }
    }
}

#[test]
fn lines_are_removed_from_all_rows_of_a_channel() {
    let n_rows = 9;
    let mut small = Small::new(2, n_rows, 2);
    small.switches.remove_trends = true;
    // Of the first channel, 0.01 DN for each step of time, with opposite signs in the two resultants.
    let drift = |y: usize, col: usize| 0.01 * (44 * y + col) as f32;
    for ((g, y, col), sample) in small.data.indexed_iter_mut() {
        if col < WIDTH {
            *sample += if g == 0 {
                drift(y, col)
            } else {
                -drift(y, col)
            };
        }
    }
    small.run(None);
    assert!(
        small
            .data
            .iter()
            .all(|&sample| (sample - 9000.0).abs() < 1.1e-3)
    );
}

#[test]
fn neither_samples_nor_what_is_found_depend_on_tiles() {
    let (n_rows, n_channels) = (17, 3);
    let number = |i: usize| ((i * 7919) % 1009) as f64 / 500.0 - 1.0;
    let of = |tile_cols| {
        let mut small = Small::new(3, n_rows, n_channels);
        for (i, sample) in small.data.iter_mut().enumerate() {
            *sample += 20.0 * number(i) as f32;
        }
        for (i, count) in small.amp33.iter_mut().enumerate() {
            *count = (5000.0 + 20.0 * number(3 * i)) as u16;
        }
        for (shift, coefficients) in small.coefficients.iter_mut().enumerate() {
            for (i, coefficient) in coefficients.iter_mut().enumerate() {
                *coefficient = Complex::new(number(i + shift), number(5 * i + shift));
            }
        }
        small.switches.remove_trends = true;
        let found = small.run(tile_cols);
        (small.data, found)
    };
    let expected = of(None);
    for tile_cols in [1, 5, 32, 33, 96] {
        assert_eq!(of(Some(tile_cols)), expected, "{tile_cols}");
    }
    let (data, found) = expected;
    let Some((_, Found::Samples(bottom))) = found.iter().find(|f| f.0 == "border_ref_pix_bottom")
    else {
        panic!("the border is found");
    };
    for ((g, r, col), sample) in bottom.indexed_iter() {
        assert_eq!(*sample, data[[g, n_rows - BORDER + r, col]]);
    }
}

fn number(found: &[(&'static str, Found)], name: &str) -> f64 {
    match found.iter().find(|found| found.0 == name) {
        Some((_, Found::Number(number))) => *number,
        _ => panic!("{name} is found"),
    }
}

#[test]
fn coefficients_that_are_not_finite_are_0_and_counted_once() {
    let of = |spoiled: bool, tile_cols| {
        let mut small = Small::new(2, 9, 3).unit(2);
        for (i, count) in small.amp33.iter_mut().enumerate() {
            *count += (i % 23) as u16;
        }
        for (at, value) in [
            ([0, 5], f64::NAN),
            ([1, 70], f64::INFINITY),
            ([2, 0], 1e300),
        ] {
            small.coefficients[2][at] = if spoiled {
                Complex::new(value, 1.0)
            } else {
                Complex::default()
            };
        }
        if spoiled {
            // Of a constant only the real part counts.
            small.coefficients[0][[1, 0]] = Complex::new(0.0, f64::NAN);
        }
        let found = small.run(tile_cols);
        (small.data, number(&found, "unusable_coefficients"))
    };
    let (expected, none) = of(false, None);
    assert_eq!(none, 0.0);
    for tile_cols in [None, Some(1), Some(40)] {
        assert_eq!(of(true, tile_cols), (expected.clone(), 3.0));
    }
}

#[test]
fn the_share_of_usable_samples_is_that_of_the_worst_resultant() {
    let mut small = Small::new(2, 8, 1);
    small.amp33.index_axis_mut(ndarray::Axis(0), 1).fill(0);
    small.data[[0, 3, 1]] = f32::NAN;
    small
        .pixeldq
        .row_mut(7)
        .fill(crate::dq::pixel::BAD_REF_PIXEL);
    let found = small.run(None);
    for (name, expected) in [
        ("usable_left", 27.0 / 32.0),
        ("usable_right", 28.0 / 32.0),
        ("usable_top", 127.0 / 128.0),
        ("usable_bottom", 96.0 / 128.0),
        ("usable_amp33", 0.0),
    ] {
        assert_eq!(number(&found, name), expected, "{name}");
    }
}
