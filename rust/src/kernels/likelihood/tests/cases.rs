//! Values computed by hand, and rules for pixels that are not as they should be.

use super::super::suspects::Group;
use super::super::testing::Random;
use super::*;

const DO_NOT_USE: u32 = of_pixel::DO_NOT_USE;
const JUMP: u8 = group::JUMP_DET;
const JUMP_OF_PIXEL: u32 = JUMP as u32;

fn gls() -> Search {
    Search::default()
}

fn near(value: f32, expected: f64) {
    let off = (f64::from(value) - expected).abs();
    assert!(
        off <= 5e-7 * expected.abs().max(1e-30),
        "{value} instead of {expected}"
    );
}

#[test]
fn two_single_reads_give_their_difference() {
    // 5 s apart: 20 DN. var = 20 / 5 / 2 photons in DN, of 5 s, and two reads of 6 DN, over (5 s)^2.
    let mut ramp = Ramp::of_pixels(even(2, 1), &[[100.0, 120.0]]);
    let [fitted] = ramp.fit(gls())[..] else {
        unreachable!()
    };
    near(fitted.rate.slope, 4.0);
    near(fitted.rate.var_poisson, 4.0 / 2.0 / 5.0);
    near(fitted.rate.var_rnoise, 2.0 * 36.0 / 25.0);
    near(fitted.rate.err, (0.4_f64 + 2.88).sqrt());
    assert_eq!(
        (fitted.rate.chisq, fitted.rate.dumo, fitted.dq),
        (0.0, 0.0, 0)
    );
}

#[test]
fn without_signal_the_rate_is_that_of_the_reads_alone() {
    // Falling, so without photons: a line through three samples of the same noise is that of the outer
    // two, and chi2 that of the middle one, 8 DN below it: 8^2 / (1.5 36).
    let mut ramp = Ramp::of_pixels(even(3, 1), &[[100.0, 82.0, 80.0]]);
    let [fitted] = ramp.fit(gls())[..] else {
        unreachable!()
    };
    near(fitted.rate.slope, -2.0);
    assert_eq!(fitted.rate.var_poisson, 0.0);
    near(fitted.rate.var_rnoise, 36.0 / 50.0);
    near(fitted.rate.chisq, 64.0 / 54.0);
}

#[test]
fn with_photons_alone_the_rate_is_the_rise_over_the_time() {
    // Without read noise single reads differ by photons that have nothing in common.
    let mut ramp = Ramp::of_pixels(even(3, 1), &[[100.0, 130.0, 140.0]]);
    ramp.read_noise = 0.0;
    let [fitted] = ramp.fit(gls())[..] else {
        unreachable!()
    };
    near(fitted.rate.slope, 4.0);
    near(fitted.rate.var_poisson, 4.0 / 2.0 / 10.0);
    assert_eq!(fitted.rate.var_rnoise, 0.0);
    // Differences of 30 and 10 instead of 20 and 20, each of variance 10.
    near(fitted.rate.chisq, 2.0 * 100.0 / 10.0);
    assert_eq!(fitted.dq, 0);
}

#[test]
fn a_hit_between_single_reads_is_left_out() {
    let samples = [100.0, 110.0, 1120.0, 1130.0, 1140.0];
    let mut ramp = Ramp::of_pixels(even(5, 1), &[samples]);
    let [fitted] = ramp.fit(gls())[..] else {
        unreachable!()
    };
    assert_eq!(ramp.flags(0), [0, 0, JUMP, 0, 0]);
    assert_eq!(fitted.dq, JUMP_OF_PIXEL);
    // Which read it was in is certain: the mean over the reads is no other fit.
    near(fitted.rate.slope, 2.0);
    assert!(fitted.rate.chisq < 1e-6);
    let mut same = Ramp::of_pixels(even(5, 1), &[samples]);
    let off = Search {
        find_jumps: false,
        ..gls()
    };
    let [unsearched] = same.fit(off)[..] else {
        unreachable!()
    };
    assert!(unsearched.rate.slope > 40.0 && unsearched.dq == 0 && same.flags(0) == [0; 5]);
}

#[test]
fn a_hit_inside_a_resultant_takes_both_of_its_differences() {
    // 2 DN in 5 s; 1000 DN from the second of 4 reads of the third resultant on.
    let samples = [100.0, 108.0, 866.0, 1124.0, 1132.0, 1140.0];
    for average_hits in [false, true] {
        let mut ramp = Ramp::of_pixels(even(6, 4), &[samples]);
        let search = Search {
            average_hits,
            ..gls()
        };
        let [fitted] = ramp.fit(search)[..] else {
            unreachable!()
        };
        assert_eq!(ramp.flags(0), [0, 0, JUMP, JUMP, 0, 0]);
        near(fitted.rate.slope, 0.4);
        assert!(fitted.rate.chisq < 1e-6);
    }
}

#[test]
fn a_drop_is_no_hit_and_makes_none_of_the_other_differences() {
    // 10 DN in each read, and so much less from the third on. Falling, so a line of samples that weigh the
    // same: 10 - drop 3/10 DN in each read, and drop^2 (6/5 - 9/10) / 36 is what chi2 tells of the drop.
    for drop in [80.0, 800.0, 30_000.0_f32] {
        let samples = [100.0, 110.0, 120.0 - drop, 130.0 - drop, 140.0 - drop];
        let mut ramp = Ramp::of_pixels(even(5, 1), &[samples]);
        let [fitted] = ramp.fit(gls())[..] else {
            unreachable!()
        };
        let drop = f64::from(drop);
        near(fitted.rate.slope, (10.0 - 0.3 * drop) / 5.0);
        near(fitted.rate.chisq, drop * drop * 0.3 / 36.0);
        assert_eq!((ramp.flags(0), fitted.dq), (vec![0; 5], 0));
    }
}

#[test]
fn a_hit_is_found_though_all_other_differences_are_below_the_rate_that_it_makes() {
    // Two hits of the same size in four differences: what leaving out one of either kind takes off is equal.
    let samples = [100.0, 1110.0, 1120.0, 2130.0, 2140.0];
    let mut ramp = Ramp::of_pixels(even(5, 1), &[samples]);
    let [fitted] = ramp.fit(gls())[..] else {
        unreachable!()
    };
    near(fitted.rate.slope, 2.0);
    assert_eq!(ramp.flags(0), [0, JUMP, 0, JUMP, 0]);
}

#[test]
fn of_two_differences_the_lower_rate_stays_and_is_a_limit_if_the_hit_may_be_in_both() {
    for (n_reads, is_limit) in [(1, false), (2, true)] {
        let mut ramp = Ramp::of_pixels(even(3, n_reads), &[[100.0, 120.0, 1140.0]]);
        let [fitted] = ramp.fit(gls())[..] else {
            unreachable!()
        };
        assert_eq!(ramp.flags(0), [0, 0, JUMP]);
        near(fitted.rate.slope, 20.0 / 5.0 / f64::from(n_reads));
        assert_eq!(
            fitted.dq,
            JUMP_OF_PIXEL | if is_limit { DO_NOT_USE } else { 0 }
        );
    }
    // Two differences that have no resultant in common.
    let mut apart = Ramp::of_pixels(even(5, 2), &[[100.0, 120.0, 0.0, 160.0, 1180.0]]);
    apart.groupdq[[2, 0, 0]] = group::DO_NOT_USE;
    let [fitted] = apart.fit(gls())[..] else {
        unreachable!()
    };
    assert_eq!(apart.flags(0)[4], JUMP);
    near(fitted.rate.slope, 2.0);
    assert_eq!(fitted.dq, JUMP_OF_PIXEL);
}

#[test]
fn samples_that_are_not_used_count_as_if_they_were_not_there() {
    let clean = [100.0, 110.0, 124.0, 130.0, 143.0, 150.0];
    let unusable = [
        (f32::NAN, 0),
        (f32::INFINITY, 0),
        (f32::NAN, group::DO_NOT_USE),
        (6e4, group::SATURATED),
        (-3e38, group::DO_NOT_USE | group::JUMP_DET),
    ];
    let mut pixels = vec![clean; unusable.len()];
    for (pixel, (sample, _)) in pixels.iter_mut().zip(unusable) {
        pixel[5] = sample;
    }
    let mut ramp = Ramp::of_pixels(even(6, 3), &pixels);
    for (c, (_, flags)) in unusable.into_iter().enumerate() {
        ramp.groupdq[[5, 0, c]] = flags;
    }
    let of_five: [f32; 5] = clean[..5].try_into().unwrap();
    let expected = Ramp::of_pixels(even(5, 3), &[of_five]).fit(gls())[0].rate;
    for (fitted, (_, flags)) in ramp.fit(gls()).into_iter().zip(unusable) {
        // Some are fitted in single precision, some in double.
        near(fitted.rate.slope, expected.slope.into());
        near(fitted.rate.var_poisson, expected.var_poisson.into());
        near(fitted.rate.var_rnoise, expected.var_rnoise.into());
        near(fitted.rate.err, expected.err.into());
        near(fitted.rate.chisq, expected.chisq.into());
        assert!(fitted.rate.dumo.is_finite());
        assert_eq!(fitted.dq, u32::from(flags & !group::DO_NOT_USE));
    }
}

#[test]
fn a_jump_that_is_flagged_ends_what_is_used_before_it() {
    // Steep after the jump, and flat before it: no line, but two pieces of one rate each.
    let mut ramp = Ramp::of_pixels(even(4, 1), &[[0.0, 10.0, 9000.0, 9010.0]]);
    ramp.groupdq[[2, 0, 0]] = JUMP;
    let [fitted] = ramp.fit(gls())[..] else {
        unreachable!()
    };
    near(fitted.rate.slope, 2.0);
    assert_eq!(fitted.dq, JUMP_OF_PIXEL);
    assert_eq!(ramp.flags(0), [0, 0, JUMP, 0]);
}

#[test]
fn pixels_of_which_nothing_can_be_fitted_are_zero_and_not_to_be_used() {
    let dead = Fitted {
        rate: Rate::default(),
        dq: DO_NOT_USE,
    };
    let no_gain = Fitted {
        dq: DO_NOT_USE | of_pixel::NO_GAIN_VALUE,
        ..dead
    };
    let samples = [100.0, 120.0, 140.0];
    for rule in [Rule::Gls, Rule::Likely] {
        let search = Search { rule, ..gls() };
        let fit = |change: &dyn Fn(&mut Ramp)| {
            let mut ramp = Ramp::of_pixels(even(3, 1), &[samples]);
            change(&mut ramp);
            ramp.fit(search)[0]
        };
        for gain in [0.0, -2.0, f32::NAN, f32::INFINITY] {
            assert_eq!(fit(&|ramp| ramp.gain = gain), no_gain);
        }
        for read_noise in [f32::NAN, f32::INFINITY] {
            assert_eq!(fit(&|ramp| ramp.read_noise = read_noise), dead);
        }
        // No noise at all: neither reads nor photons have any.
        let silent = fit(&|ramp| {
            ramp.read_noise = 0.0;
            ramp.data.fill(100.0);
        });
        assert_eq!(silent, dead);
        // One sample tells nothing, nor do two that are no neighbours.
        let one = fit(&|ramp| (1..3).for_each(|g| ramp.groupdq[[g, 0, 0]] = group::SATURATED));
        let saturated = Fitted {
            dq: DO_NOT_USE | u32::from(group::SATURATED),
            ..dead
        };
        assert_eq!(one, saturated);
        let apart = fit(&|ramp| ramp.groupdq[[1, 0, 0]] = group::DO_NOT_USE);
        assert_eq!(apart, dead);
        assert_eq!(Ramp::of_pixels(even(1, 4), &[[100.0]]).fit(search)[0], dead);
    }
}

#[test]
fn no_input_makes_a_number_that_is_none() {
    let extreme = [
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        -1e-45,
        1e30,
        0.0,
        f32::NAN,
        f32::INFINITY,
        65_535.0,
    ];
    let mut random = Random(11);
    for n_reads in [1, 3] {
        for rule in [Rule::Gls, Rule::Likely] {
            for _ in 0..300 {
                let mut pick = || extreme[random.below(extreme.len())];
                let pixels: Vec<[f32; 6]> = (0..20).map(|_| [(); 6].map(|()| pick())).collect();
                let mut ramp = Ramp::of_pixels(even(6, n_reads), &pixels);
                (ramp.gain, ramp.read_noise) = (pick(), pick());
                let threshold = if pick() > 1.0 { 0.0 } else { 4.5 };
                let search = Search {
                    rule,
                    rejection_threshold: threshold,
                    ..gls()
                };
                for Fitted { rate, dq } in ramp.fit(search) {
                    let numbers = [
                        rate.slope,
                        rate.var_poisson,
                        rate.var_rnoise,
                        rate.err,
                        rate.chisq,
                        rate.dumo,
                    ];
                    assert!(numbers.iter().all(|number| number.is_finite()), "{rate:?}");
                    assert!(rate.err > 0.0 || dq & DO_NOT_USE != 0, "{rate:?}");
                    assert!(rate.chisq >= 0.0 && rate.var_poisson >= 0.0 && rate.var_rnoise >= 0.0);
                }
            }
        }
    }
}

/// Fits the pixels of a row in this order, in groups of W. All bits of the rates, and the flags.
fn fit_in_groups<const W: usize>(
    kernel: &LikelihoodFit<'_>,
    ramp: &Ramp,
    order: impl Iterator<Item = usize>,
) -> (Vec<u32>, Array3<u8>) {
    let detector = Detector {
        gain: ramp.gain.into(),
        read_noise: ramp.read_noise.into(),
    };
    let mut suspects = order.map(|c| Suspect::new(c, detector, 0)).collect();
    let (n_resultants, _, n_cols) = ramp.data.dim();
    let mut groupdq = ramp.groupdq.clone();
    let mut fits = RateRows::new(n_cols);
    kernel.fit_suspects(
        &rows(ramp.data.view(), 0),
        &mut rows_mut(&mut groupdq.view_mut(), 0),
        &mut suspects,
        &mut Group::<W>::new(n_resultants),
        &mut fits,
    );
    let mut image = Image::zeros(&RATE_IMAGE, (1, n_cols));
    fits.copy_into(&mut image.planes(), 0, 0);
    let numbers = RATE_IMAGE.iter().filter(|quantity| !quantity.is_flags());
    let bits = numbers.flat_map(|&quantity| image.numbers(quantity).mapv(f32::to_bits));
    (bits.collect(), groupdq)
}

#[test]
fn what_comes_of_a_pixel_does_not_depend_on_those_that_are_fitted_with_it() {
    let mut random = Random(3);
    let pixels: Vec<[f32; 9]> = (0..150)
        .map(|_| {
            let mut signal = 100.0;
            [(); 9].map(|()| {
                let is_hit = random.uniform() < 0.1;
                signal += 30.0
                    + if is_hit {
                        1000.0 * random.uniform()
                    } else {
                        0.0
                    };
                (signal + 6.0 * random.normal()) as f32
            })
        })
        .collect();
    let ramp = Ramp::of_pixels(even(9, 4), &pixels);
    let plane = |value| Array2::from_elem((1, pixels.len()), value);
    let (gain, read_noise) = (plane(ramp.gain), plane(ramp.read_noise));
    let (gain, read_noise) = (gain.view().into(), read_noise.view().into());
    let kernel = LikelihoodFit::new(gain, read_noise, &ramp.pattern, gls()).unwrap();
    let all = 0..pixels.len();
    let expected = fit_in_groups::<8>(&kernel, &ramp, all.clone());
    assert!(expected.1.iter().filter(|&&flags| flags == JUMP).count() > 50);
    assert!(fit_in_groups::<1>(&kernel, &ramp, all.clone()) == expected);
    assert!(fit_in_groups::<8>(&kernel, &ramp, all.rev()) == expected);
}
