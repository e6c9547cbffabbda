//! Against dense matrices in double precision, made of the reads one by one.

use std::ops::Range;

use ndarray::Array2;
use proptest::prelude::*;

use super::*;
use crate::band::Place;
use crate::cadence::ReadPattern;
use crate::kernels::likelihood::Search;
use crate::kernels::likelihood::testing::{Matrix, Random, dot, inverse, times};

const GAIN: f64 = 1.93;
const READ_NOISE: f64 = 4.8;
const FRAME_TIME: f64 = 3.16247;
const THRESHOLD: f64 = 4.5;

const FOUR: &[i64] = &[8; 4];
const EIGHT: &[i64] = &[8; 8];
const SIXTEEN: &[i64] = &[8; 16];
const UNEVEN: &[i64] = &[1, 1, 2, 5, 8, 8, 8, 10, 1];
const LONG: &[i64] = &[1, 1, 2, 6, 6, 6, 8, 8, 8, 8, 8, 10, 10, 10, 1];
const SINGLE: &[i64] = &[1; 10];
const PATTERNS: [&[i64]; 6] = [FOUR, EIGHT, SIXTEEN, UNEVEN, LONG, SINGLE];

/// The numbers of the reads of each resultant, all of which follow each other.
fn reads(n_reads: &[i64]) -> Vec<Vec<i64>> {
    let mut last = 0;
    let resultants = n_reads.iter().map(|n| {
        last += n;
        (last - n + 1..=last).collect()
    });
    resultants.collect()
}

/// What is to be known of a pattern: the covariances of the differences of resultants.
struct Dense {
    times: Vec<f64>,
    n_reads: Vec<i64>,
    photons: Matrix,
    reads: Matrix,
}

/// A fit in double precision.
#[derive(Debug)]
struct Expected {
    slope: f64,
    err: f64,
    var_rnoise: f64,
    chisq: f64,
    /// What the best hit takes off chi2.
    hit: f64,
}

impl Dense {
    fn new(n_reads: &[i64]) -> Self {
        let times: Matrix = reads(n_reads)
            .iter()
            .map(|reads| reads.iter().map(|read| *read as f64 * FRAME_TIME).collect())
            .collect();
        // Photons that came until the earlier of two reads are in both.
        let shared = |i: usize, j: usize| -> f64 {
            let pairs = times[i]
                .iter()
                .flat_map(|t| times[j].iter().map(|u| t.min(*u)));
            pairs.sum::<f64>() / (n_reads[i] * n_reads[j]) as f64
        };
        let noise = |i: usize, j: usize| if i == j { 1.0 / n_reads[i] as f64 } else { 0.0 };
        let of_differences = |of: &dyn Fn(usize, usize) -> f64| -> Matrix {
            let n = n_reads.len() - 1;
            let one =
                |i: usize, j: usize| of(i + 1, j + 1) - of(i + 1, j) - of(i, j + 1) + of(i, j);
            (0..n)
                .map(|i| (0..n).map(|j| one(i, j)).collect())
                .collect()
        };
        Self {
            times: times
                .iter()
                .map(|times| times.iter().sum::<f64>() / times.len() as f64)
                .collect(),
            n_reads: n_reads.to_vec(),
            photons: of_differences(&shared),
            reads: of_differences(&noise),
        }
    }

    fn fit(&self, samples: &[f32], flags: &[u8]) -> Option<Expected> {
        let bad = |g: usize| flags[g] & group::UNUSABLE != 0 || !samples[g].is_finite();
        let is_used = |i: usize| !bad(i) && !bad(i + 1) && flags[i + 1] & group::JUMP_DET == 0;
        let used: Vec<usize> = (0..samples.len() - 1).filter(|i| is_used(*i)).collect();
        let of_used =
            |of: &dyn Fn(usize) -> f64| -> Vec<f64> { used.iter().map(|i| of(*i)).collect() };
        let differences = of_used(&|i| f64::from(samples[i + 1]) - f64::from(samples[i]));
        let intervals = of_used(&|i| self.times[i + 1] - self.times[i]);
        if used.is_empty() {
            return None;
        }
        let mut slope = differences.iter().sum::<f64>() / intervals.iter().sum::<f64>();
        let reads: Matrix = used
            .iter()
            .map(|i| of_used(&|j| READ_NOISE * READ_NOISE * self.reads[*i][j]))
            .collect();
        let mut inverted = Matrix::new();
        for _ in 0..2 {
            let variance = slope.max(0.0) / GAIN;
            let covariance = used.iter().zip(&reads).map(|(i, reads)| -> Vec<f64> {
                let photons = of_used(&|j| variance * self.photons[*i][j]);
                photons
                    .iter()
                    .zip(reads)
                    .map(|(photons, reads)| photons + reads)
                    .collect()
            });
            inverted = inverse(&covariance.collect());
            let weights = times(&inverted, &intervals);
            slope = dot(&weights, &differences) / dot(&weights, &intervals);
        }
        let weights = times(&inverted, &intervals);
        let information = dot(&weights, &intervals);
        let variance = dot(&weights, &times(&reads, &weights)) / (information * information);
        let chisq = |templates: &[Vec<f64>]| least_squares(&inverted, &differences, templates);
        let (all, _) = chisq(std::slice::from_ref(&intervals));
        let step = |k: usize| {
            (0..used.len())
                .map(|j| f64::from(u8::from(j == k)))
                .collect::<Vec<_>>()
        };
        let mut hit: f64 = 0.0;
        for k in 0..used.len() {
            if used.len() > 1 {
                let (left, sizes) = chisq(&[intervals.clone(), step(k)]);
                if sizes[1] > 0.0 {
                    hit = hit.max(all - left);
                }
            }
            let next = used.get(k + 1) == Some(&(used[k] + 1));
            if used.len() > 2 && next && self.n_reads[used[k] + 1] > 1 {
                let (left, sizes) = chisq(&[intervals.clone(), step(k), step(k + 1)]);
                if sizes[1] > 0.0 && sizes[2] > 0.0 {
                    hit = hit.max(all - left);
                }
            }
        }
        Some(Expected {
            slope,
            err: information.powf(-0.5),
            var_rnoise: variance,
            chisq: all,
            hit,
        })
    }
}

/// chi2 of the best sum of templates, and how much of each there is.
fn least_squares(inverted: &Matrix, values: &[f64], templates: &[Vec<f64>]) -> (f64, Vec<f64>) {
    let weighted: Vec<_> = templates
        .iter()
        .map(|template| times(inverted, template))
        .collect();
    let normal = weighted.iter().map(|weighted| {
        templates
            .iter()
            .map(|template| dot(weighted, template))
            .collect()
    });
    let right: Vec<_> = weighted
        .iter()
        .map(|weighted| dot(weighted, values))
        .collect();
    let sizes = times(&inverse(&normal.collect()), &right);
    let mut left = values.to_vec();
    for (size, template) in sizes.iter().zip(templates) {
        for (left, template) in left.iter_mut().zip(template) {
            *left -= size * template;
        }
    }
    (dot(&left, &times(inverted, &left)), sizes)
}

/// A row of pixels with their references.
#[derive(Debug, Clone)]
struct Pixels {
    data: Vec<Vec<f32>>,
    groupdq: Vec<Vec<u8>>,
    pixeldq: Vec<u32>,
    gain: Array2<f32>,
    read_noise: Array2<f32>,
}

impl Pixels {
    fn new(n_resultants: usize, n_cols: usize) -> Self {
        Self {
            data: vec![vec![0.0; n_cols]; n_resultants],
            groupdq: vec![vec![0; n_cols]; n_resultants],
            pixeldq: vec![0; n_cols],
            gain: Array2::from_elem((1, n_cols), GAIN as f32),
            read_noise: Array2::from_elem((1, n_cols), READ_NOISE as f32),
        }
    }

    fn put(&mut self, c: usize, samples: &[f32], flags: &[u8]) {
        for (g, (sample, flags)) in samples.iter().zip(flags).enumerate() {
            self.data[g][c] = *sample;
            self.groupdq[g][c] = *flags;
        }
    }

    /// Fits these columns, by a function or another.
    fn fit(
        &self,
        n_reads: &[i64],
        search: Search,
        cols: &Range<usize>,
        fit: impl Fn(&FitRow<'_, '_>, &Range<usize>, &mut Block),
    ) -> Block {
        let pattern = ReadPattern::from_reads(&reads(n_reads), FRAME_TIME).unwrap();
        let (gain, read_noise) = (self.gain.view().into(), self.read_noise.view().into());
        let kernel = LikelihoodFit::new(gain, read_noise, &pattern, search).unwrap();
        let data: Vec<_> = self.data.iter().map(Vec::as_slice).collect();
        let mut groupdq = self.groupdq.clone();
        let groupdq: Vec<_> = groupdq.iter_mut().map(Vec::as_mut_slice).collect();
        let place = Place::of_image(self.pixeldq.len());
        let row = FitRow {
            data: &data,
            groupdq: &groupdq,
            pixeldq: &self.pixeldq,
            gain: gain.row(&place, 0),
            read_noise: read_noise.row(&place, 0),
        };
        let mut block = Block::new(&kernel);
        fit(&row, cols, &mut block);
        block
    }
}

fn dispatched(row: &FitRow<'_, '_>, cols: &Range<usize>, block: &mut Block) {
    fit_block(row, cols, block, &mut RateRows::new(row.pixeldq.len()));
}

const NO_SEARCH: Search = Search {
    rule: Rule::Gls,
    rejection_threshold: THRESHOLD,
    find_jumps: false,
    average_hits: true,
    record_jumps: false,
};
const SEARCH: Search = Search {
    find_jumps: true,
    ..NO_SEARCH
};

impl Random {
    /// The mean of the reads of each resultant, and how much of a hit in a read is in each. [DN]
    fn ramp(&mut self, n_reads: &[i64], rate: f64, read_of_hit: i64) -> (Vec<f64>, Vec<f64>) {
        let (mut signal, mut read) = (5000.0, 0);
        let (mut ramp, mut hit) = (Vec::new(), Vec::new());
        for &n in n_reads {
            let (mut sum, mut after) = (0.0, 0.0);
            for _ in 0..n {
                let electrons = rate * FRAME_TIME * GAIN;
                signal += (electrons + electrons.sqrt() * self.normal()) / GAIN;
                sum += signal + READ_NOISE * self.normal();
                after += f64::from(u8::from(read >= read_of_hit));
                read += 1;
            }
            ramp.push(sum / n as f64);
            hit.push(after / n as f64);
        }
        (ramp, hit)
    }

    /// Of a saturated ramp, of one with bad samples, or none.
    fn flags(&mut self, n: usize) -> Vec<u8> {
        let mut flags = vec![0; n];
        match self.below(4) {
            0 => {}
            1 => {
                let first = self.below(n);
                flags[first..].fill(group::SATURATED);
            }
            2 => {
                let g = self.below(n);
                flags[g] = group::DO_NOT_USE;
            }
            _ => {
                for flags in &mut flags {
                    *flags = [0, 0, 0, group::JUMP_DET, group::DO_NOT_USE][self.below(5)];
                }
            }
        }
        flags
    }
}

const RATES: [f64; 8] = [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 46_000.0];

#[test]
fn single_precision_is_as_good_as_dense_matrices() {
    let mut random = Random(1);
    for n_reads in PATTERNS {
        let (dense, n) = (Dense::new(n_reads), n_reads.len());
        for (rate, masks) in RATES
            .into_iter()
            .flat_map(|rate| [(rate, false), (rate, true)])
        {
            let mut pixels = Pixels::new(n, LANES);
            let mut expected = Vec::new();
            for c in 0..LANES {
                let (ramp, _) = random.ramp(n_reads, rate, 0);
                let mut samples: Vec<_> = ramp.iter().map(|sample| *sample as f32).collect();
                let flags = if masks { random.flags(n) } else { vec![0; n] };
                if masks && c % 8 == 0 {
                    samples[random.below(n)] = [f32::NAN, f32::INFINITY][random.below(2)];
                }
                pixels.put(c, &samples, &flags);
                expected.push(dense.fit(&samples, &flags));
            }
            let block = pixels.fit(n_reads, NO_SEARCH, &(0..LANES), dispatched);
            for (c, expected) in expected.iter().enumerate() {
                let context = format!("{n_reads:?} {rate} DN/s: {expected:?}");
                // A pixel with a known hit is looked at closely, but fitted all the same.
                let is_sure = expected.is_some() && block.dq[c] & JUMP_DET == 0;
                assert_eq!(block.suspect[c] == 0, is_sure, "{context}");
                let Some(expected) = expected else { continue };
                let fit = &block.fit;
                let near = |value: f32, expected: f64, error: f64| {
                    let off = (f64::from(value) - expected).abs();
                    assert!(
                        off <= error,
                        "{value}, not {expected}, off {}; {context}",
                        off / error
                    );
                };
                near(
                    fit.slope[c],
                    expected.slope,
                    3.6e-5 * expected.err + 1.2e-7 * expected.slope,
                );
                near(fit.err[c], expected.err, 2.5e-6 * expected.err);
                near(fit.chisq[c], expected.chisq, 3e-4 * expected.chisq.max(1.0));
                let all = expected.err * expected.err;
                near(fit.var_rnoise[c], expected.var_rnoise, 5e-6 * all);
                near(fit.var_poisson[c], all - expected.var_rnoise, 5e-6 * all);
            }
        }
    }
}

#[test]
fn no_pixel_with_a_hit_is_lost() {
    let threshold = THRESHOLD * THRESHOLD;
    let mut random = Random(2);
    for n_reads in PATTERNS {
        let (dense, n) = (Dense::new(n_reads), n_reads.len());
        let n_all: i64 = n_reads.iter().sum();
        for rate in RATES {
            let mut pixels = Pixels::new(n, LANES);
            let mut hits = Vec::new();
            for c in 0..LANES {
                let read = 1 + random.below(n_all as usize - 1) as i64;
                let (ramp, hit) = random.ramp(n_reads, rate, read);
                let flags = if c % 4 == 0 {
                    random.flags(n)
                } else {
                    vec![0; n]
                };
                // A hit just above the threshold.
                let with = |size: f64| -> Vec<f32> {
                    ramp.iter()
                        .zip(&hit)
                        .map(|(ramp, hit)| (ramp + size * hit) as f32)
                        .collect()
                };
                let is_hit = |size: f64| {
                    let fit = dense.fit(&with(size), &flags);
                    fit.is_some_and(|fit| fit.hit > threshold)
                };
                let (mut low, mut high) = (0.0, 1e5 + 30.0 * rate);
                for _ in 0..30 {
                    let middle = 0.5 * (low + high);
                    *(if is_hit(middle) { &mut high } else { &mut low }) = middle;
                }
                pixels.put(c, &with(high), &flags);
                hits.push(is_hit(high));
            }
            let block = pixels.fit(n_reads, SEARCH, &(0..LANES), dispatched);
            for (c, is_hit) in hits.into_iter().enumerate() {
                assert!(!is_hit || block.suspect[c] != 0, "{n_reads:?} {rate} DN/s");
            }
        }
    }
}

#[test]
fn few_pixels_without_a_hit_are_suspects() {
    // Those with an outlier: expected shares of 2.1e-4 to 4.4e-4.
    let mut random = Random(3);
    for (n_reads, share) in [
        (FOUR, 1e-3),
        (EIGHT, 1e-3),
        (LONG, 1.5e-3),
        (SIXTEEN, 1.5e-3),
    ] {
        for rate in [0.3, 3.0, 300.0, 2000.0] {
            let mut suspects = 0;
            let blocks = 200;
            for _ in 0..blocks {
                let mut pixels = Pixels::new(n_reads.len(), LANES);
                for c in 0..LANES {
                    let (ramp, _) = random.ramp(n_reads, rate, 0);
                    let samples: Vec<_> = ramp.iter().map(|sample| *sample as f32).collect();
                    pixels.put(c, &samples, &vec![0; n_reads.len()]);
                }
                let block = pixels.fit(n_reads, SEARCH, &(0..LANES), dispatched);
                suspects += block
                    .suspect
                    .iter()
                    .filter(|suspect| **suspect != 0)
                    .count();
            }
            let all = (blocks * LANES) as f64;
            assert!(
                suspects as f64 <= share * all,
                "{suspects} of {all}: {n_reads:?} {rate}"
            );
        }
    }
}

#[test]
fn other_rules_and_what_cannot_be_fitted_are_looked_at_closely() {
    let mut pixels = Pixels::new(4, 5);
    pixels.gain[[0, 1]] = 0.0;
    pixels.gain[[0, 2]] = f32::NAN;
    pixels.read_noise[[0, 3]] = f32::NAN;
    pixels.read_noise[[0, 4]] = 0.0;
    let suspects = |search| pixels.fit(FOUR, search, &(0..5), dispatched).suspect[..5].to_vec();
    assert_eq!(suspects(NO_SEARCH), [0, 1, 1, 1, 1]);
    assert_eq!(suspects(SEARCH), [0, 1, 1, 1, 1]);
    let likely = Search {
        rule: Rule::Likely,
        ..SEARCH
    };
    assert_eq!(suspects(likely), [1; 5]);
    let all = Search {
        rejection_threshold: 0.0,
        ..SEARCH
    };
    assert_eq!(suspects(all), [1; 5]);
    assert_eq!(
        Pixels::new(1, 1)
            .fit(&[4], SEARCH, &(0..1), dispatched)
            .suspect[0],
        1
    );
}

#[test]
fn flags_of_samples_are_flags_of_the_pixel() {
    let mut pixels = Pixels::new(4, 1);
    pixels.pixeldq[0] = 1 << 20;
    pixels.put(
        0,
        &[0.0; 4],
        &[group::AD_FLOOR, group::DO_NOT_USE, group::JUMP_DET, 128],
    );
    let dq = pixels.fit(FOUR, SEARCH, &(0..1), dispatched).dq[0];
    assert_eq!(dq, 1 << 20 | u32::from(group::AD_FLOOR | group::JUMP_DET));
}

/// Numbers of every kind, and those of ramps more often.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1e5_f32..1e5,
        1 => any::<u32>().prop_map(f32::from_bits),
        1 => prop::sample::select(vec![
            0.0, -0.0, f32::MIN_POSITIVE, 1e-42, f32::MAX, f32::MIN, f32::INFINITY, f32::NAN, 1e20, -1e19,
        ]),
    ]
}

fn positive() -> impl Strategy<Value = f32> {
    prop_oneof![4 => 0.1_f32..20.0, 1 => number()]
}

fn flags() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0), 1 => any::<u8>()]
}

/// A pattern and a row of pixels, and where it is cut.
fn rows() -> impl Strategy<Value = (&'static [i64], Pixels, Range<usize>, bool)> {
    let sizes = (prop::sample::select(PATTERNS.to_vec()), 1..=LANES);
    let rows = sizes.prop_flat_map(|(n_reads, n_cols)| {
        let n = n_reads.len();
        let pixels = (
            prop::collection::vec(prop::collection::vec(number(), n_cols), n),
            prop::collection::vec(prop::collection::vec(flags(), n_cols), n),
            prop::collection::vec(positive(), n_cols),
            prop::collection::vec(positive(), n_cols),
        );
        let pixels = pixels.prop_map(move |(data, groupdq, gain, read_noise)| Pixels {
            data,
            groupdq,
            pixeldq: vec![0; n_cols],
            gain: Array2::from_shape_vec((1, n_cols), gain).unwrap(),
            read_noise: Array2::from_shape_vec((1, n_cols), read_noise).unwrap(),
        });
        (Just(n_reads), pixels, 0..n_cols, any::<bool>())
    });
    rows.prop_map(|(n_reads, pixels, first, find_jumps)| {
        let cols = first..pixels.pixeldq.len();
        (n_reads, pixels, cols, find_jumps)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Neither on its neighbours, nor on its place in the block, nor on the instructions there are.
    #[test]
    fn a_fit_depends_on_its_pixel_alone((n_reads, pixels, cols, find_jumps) in rows()) {
        let search = Search { find_jumps, ..SEARCH };
        let whole = pixels.fit(n_reads, search, &(0..pixels.pixeldq.len()), dispatched);
        let part = pixels.fit(n_reads, search, &cols, dispatched);
        let plain = pixels.fit(n_reads, search, &cols, fit_columns);
        for (lane, c) in cols.enumerate() {
            let of = |block: &Block, lane: usize| {
                let fit = &block.fit;
                let numbers = [
                    fit.slope[lane], fit.err[lane], fit.var_rnoise[lane], fit.var_poisson[lane],
                    fit.chisq[lane], fit.dumo[lane],
                ];
                (block.suspect[lane] == 0).then_some(numbers)
            };
            let fit = of(&whole, c);
            prop_assert_eq!(fit.map(|fit| fit.map(f32::to_bits)), of(&part, lane).map(|fit| fit.map(f32::to_bits)));
            prop_assert_eq!(fit.map(|fit| fit.map(f32::to_bits)), of(&plain, lane).map(|fit| fit.map(f32::to_bits)));
            if let Some(fit) = fit {
                prop_assert!(fit.iter().all(|number| number.is_finite()), "{:?}", fit);
                prop_assert!(fit[1] > 0.0 && fit[2..5].iter().all(|number| *number >= 0.0), "{:?}", fit);
            }
        }
    }
}
