use super::*;
use crate::band::BandArray;
use crate::dq::pixel;
use crate::kernels::testing::Ramp;
use ndarray::{Array2, Array3};

const MASKED: u8 = group::DO_NOT_USE | group::WFI18_TRANSIENT;

fn pattern(n_resultants: usize) -> ReadPattern {
    let reads: Vec<_> = (1..=n_resultants as i64).map(|read| vec![read]).collect();
    ReadPattern::from_reads(&reads, 3.0).unwrap()
}

fn ramp(n_resultants: usize, n_rows: usize, n_cols: usize) -> Ramp {
    let shape = (n_resultants, n_rows, n_cols);
    Ramp {
        data: Array3::from_shape_fn(shape, |(g, _, _)| 100.0 + 10.0 * g as f32),
        groupdq: Array3::zeros(shape),
        pixeldq: Array2::zeros((n_rows, n_cols)),
    }
}

fn run(ramp: &mut Ramp, mode: Mode, origin: (usize, usize)) {
    let pattern = pattern(ramp.data.dim().0);
    ramp.run(&Wfi18Transient {
        frame_time: 3.0,
        read_pattern: &pattern,
        mode,
        origin,
    });
}

fn excess(ramp: &mut Ramp) -> Vec<f64> {
    let pattern = pattern(ramp.data.dim().0);
    let band = RampBand::of_image(
        BandArray::InPlace(ramp.data.view_mut()),
        BandArray::InPlace(ramp.groupdq.view_mut()),
        BandArray::InPlace(ramp.pixeldq.view_mut()),
    );
    excess_of_rows(&band, &pattern).unwrap()
}

#[test]
fn a_known_transient_is_subtracted_inside_the_border_of_the_first_resultant() {
    let transient = Transient {
        amplitudes: [50.0, -20.0],
        time_constants: [0.1, 2.0],
    };
    let mut ramp = ramp(2, 12, 140);
    let before = ramp.data.clone();
    run(&mut ramp, Mode::Subtract(transient), (7, 100));
    let times = ReadTimes::new(Detector::WFI18, 3.0);
    for ((g, r, c), &sample) in ramp.data.indexed_iter() {
        let time = times.of_row(7 + r) + times.of_col(100 + c);
        let signal = 50.0 * (-time / 0.1).exp() - 20.0 * (-time / 2.0).exp();
        let is_changed = g == 0 && (4..8).contains(&r) && (4..136).contains(&c);
        let expected = if is_changed {
            100.0 - signal
        } else {
            before[[g, r, c]].into()
        };
        assert!((f64::from(sample) - expected).abs() < 1e-5, "{g} {r} {c}");
    }
    assert!(ramp.groupdq.iter().all(|&flags| flags == 0));
}

#[test]
fn the_rows_that_are_read_first_are_flagged_by_their_place_on_the_detector() {
    for (n_resultants, mode) in [(5, Mode::Mask), (4, Mode::Fit), (1, Mode::Fit)] {
        let mut ramp = ramp(n_resultants, 12, 9);
        let before = ramp.data.clone();
        run(&mut ramp, mode, (990, 0));
        for ((g, r, _), &flags) in ramp.groupdq.indexed_iter() {
            assert_eq!(flags, if g == 0 && r < 10 { MASKED } else { 0 });
        }
        assert_eq!(ramp.data, before);
    }
    let mut of_crop = ramp(5, 6, 6); // nothing but border
    run(&mut of_crop, Mode::Fit, (0, 0));
    assert!(
        of_crop
            .groupdq
            .index_axis(Axis(0), 0)
            .iter()
            .all(|&flags| flags == MASKED)
    );
    let mut beyond = ramp(5, 12, 12);
    run(&mut beyond, Mode::Mask, (1000, 0));
    assert!(beyond.groupdq.iter().all(|&flags| flags == 0));
}

#[test]
fn the_excess_of_a_row_is_that_over_the_line_through_the_next_two() {
    // 100 110 120 130 140: nothing. A row of 7 DN more in the first resultant.
    let mut ramp = ramp(5, 11, 20);
    ramp.data.index_axis_mut(Axis(0), 0).row_mut(5).fill(107.0);
    assert_eq!(excess(&mut ramp), [0.0, 7.0, 0.0]);
}

#[test]
fn bright_pixels_outliers_and_flagged_ones_do_not_count() {
    // Row 5: of 20 - 8 = 12 pixels four rise by more than the median. Row 4 is bright as a whole, but
    // no pixel more than the others.
    let mut ramp = ramp(5, 11, 20);
    for c in 4..8 {
        ramp.data[[0, 5, c]] = 900.0;
        ramp.data[[4, 5, c]] = 300.0;
    }
    ramp.data.index_axis_mut(Axis(0), 4).row_mut(4).fill(500.0);
    ramp.data.index_axis_mut(Axis(0), 0).row_mut(4).fill(103.0);
    // In row 6 a saturated sample, a bad one, a bad pixel and NaN.
    ramp.data.index_axis_mut(Axis(0), 0).row_mut(6).fill(101.0);
    for (c, g) in [(4, 0), (5, 1), (6, 4)] {
        ramp.data[[0, 6, c]] = 5000.0;
        ramp.groupdq[[g, 6, c]] = if g == 1 {
            group::DO_NOT_USE
        } else {
            group::SATURATED
        };
    }
    ramp.data[[0, 6, 7]] = 5000.0;
    ramp.pixeldq[[6, 7]] = pixel::DO_NOT_USE;
    ramp.data[[0, 6, 8]] = f32::NAN;
    ramp.data[[4, 6, 9]] = f32::NAN;
    assert_eq!(excess(&mut ramp), [3.0, 0.0, 1.0]);
    // One outlier of eight lies beyond three standard deviations, of seven (sd = sqrt(6) / 7) not.
    ramp.data[[0, 5, 10]] = 400.0;
    assert_eq!(excess(&mut ramp)[1], 0.0);
    ramp.pixeldq[[5, 11]] = pixel::DO_NOT_USE;
    assert!((excess(&mut ramp)[1] - 300.0 / 7.0).abs() < 1e-13);
    // A row without a pixel that counts.
    ramp.pixeldq.fill(pixel::DO_NOT_USE);
    assert!(excess(&mut ramp).iter().all(|excess| excess.is_nan()));
}

#[test]
fn a_flag_of_the_last_two_resultants_does_not_take_a_pixel_out_of_the_excess() {
    // No pixel of row 4 has a rise that is known, half of row 5; those of row 6 that are SATURATED are
    // bright, whatever their rise.
    let mut ramp = ramp(5, 11, 20);
    for (row, excess) in [(4, 7.0), (5, 3.0), (6, 2.0)] {
        let mut first = ramp.data.index_axis_mut(Axis(0), 0);
        first.row_mut(row).fill(100.0 + excess);
    }
    for c in 4..16 {
        ramp.groupdq[[4, 4, c]] = group::DO_NOT_USE;
    }
    for c in 4..10 {
        ramp.data[[3, 5, c]] = f32::NAN;
        ramp.groupdq[[4, 6, c]] = group::SATURATED;
        ramp.data[[0, 6, c]] = 900.0;
    }
    // Bright among those of row 5 that can be judged.
    ramp.data[[0, 5, 12]] = 900.0;
    ramp.data[[4, 5, 12]] = 300.0;
    assert_eq!(excess(&mut ramp), [7.0, 3.0, 2.0]);
}

#[test]
fn rows_read_before_those_that_are_known_are_flagged_but_for_a_few() {
    // 200 DN that fade in 0.05 s, 70 rows of 0.7 ms: 7 of them may be extrapolated over.
    let (n_rows, of_rows) = (60, ReadTimes::new(Detector::WFI18, 3.0));
    let signal = |row: usize, col: usize| {
        let time = of_rows.of_row(row) + of_rows.of_col(col);
        200.0 * (-time / 0.05).exp()
    };
    for (first_known, n_masked) in [(4, 0), (11, 0), (12, 5), (30, 23)] {
        let mut ramp = ramp(5, n_rows, 20);
        for ((g, r, c), sample) in ramp.data.indexed_iter_mut() {
            if g == 0 {
                *sample += signal(r, c) as f32;
            }
        }
        for row in 0..first_known {
            ramp.groupdq
                .index_axis_mut(Axis(0), 1)
                .row_mut(row)
                .fill(group::DO_NOT_USE);
        }
        let before = ramp.data.clone();
        run(&mut ramp, Mode::Fit, (0, 0));
        for r in 0..n_rows {
            let is_masked = r < n_masked;
            assert_eq!(
                ramp.groupdq[[0, r, 9]],
                if is_masked { MASKED } else { 0 },
                "{r}"
            );
            let sample = ramp.data[[0, r, 9]];
            if is_masked || !(4..n_rows - 4).contains(&r) {
                assert_eq!(sample, before[[0, r, 9]]);
            } else {
                assert!((sample - 100.0).abs() < 0.01, "{r}: {sample}");
            }
        }
    }
}
