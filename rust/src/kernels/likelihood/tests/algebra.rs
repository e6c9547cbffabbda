//! All that the sweeps tell, against inverses of the whole covariance.

use proptest::prelude::*;

use super::super::average::{Average, Averaged, average};
use super::super::search::Best;
use super::super::sweep::{Lever, Pixels, Step, Sums, Wide, down, up, variances};
use super::super::testing::{Matrix, Random, dot, inverse, times};
use super::*;

/// Pixels of a group here.
const W: usize = 3;

/// A group of pixels of a random pattern, flags, noise and signal.
struct Case {
    pattern: ReadPattern,
    tables: Tables,
    pixels: Pixels<W>,
    /// The rate that makes the covariance, and that from which a sweep starts.
    rate: Wide<W>,
    start: Wide<W>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut last = 0;
        let reads: Vec<Vec<i64>> = (0..2 + random.below(11))
            .map(|_| {
                let first = last + 1 + random.below(3) as i64;
                last = first + random.below(10) as i64;
                (first..=last).collect()
            })
            .collect();
        let pattern = ReadPattern::from_reads(&reads, 1.0 + 4.0 * random.uniform()).unwrap();
        let tables = Tables::new(&pattern).unwrap();
        let n = tables.intervals.len();
        let mut pixels = Pixels::new(n);
        let (mut rate, mut start) = (Wide::ZERO, Wide::ZERO);
        for k in 0..W {
            let read_noise = 1.0 + 9.0 * random.uniform();
            rate[k] = 10_f64.powf(-2.0 + 4.0 * random.uniform()) - 1.0;
            start[k] = rate[k] + 0.1 * random.normal();
            pixels.inverse_gain[k] = 0.2 + random.uniform();
            pixels.read_variance[k] = read_noise * read_noise;
            for i in 0..n {
                let noise = read_noise * random.normal();
                pixels.differences[i][k] = rate[k] * tables.intervals[i] + noise;
                let is_used = random.uniform() < 0.85;
                pixels.used[i][k] = f64::from(u8::from(is_used));
            }
            let certain = random.below(n);
            pixels.used[certain][k] = 1.0;
        }
        Self {
            pattern,
            tables,
            pixels,
            rate,
            start,
        }
    }

    fn used(&self, k: usize) -> Vec<usize> {
        let all = 0..self.tables.intervals.len();
        all.filter(|&i| self.pixels.used[i][k] != 0.0).collect()
    }

    fn sweep(&self, steps: &mut [Step<W>], levers: &mut [Lever<W>]) -> (Wide<W>, Sums<W>) {
        let photons = self.pixels.photons(&self.rate);
        let (pixels, used) = (&self.pixels, &self.pixels.used);
        let sums = up(&self.tables, pixels, used, &self.start, &photons, steps);
        down(steps, &sums, levers);
        (photons, sums)
    }

    /// The mean over fits of all differences with a hit of any size from each read on of the resultants
    /// that have a part in this difference or its neighbours.
    fn mean_over_reads(&self, k: usize, hit: usize) -> Option<Averaged> {
        let n = self.tables.intervals.len();
        let used = self.used(k);
        let near = hit.saturating_sub(1)..(hit + 2).min(n);
        let plain = self.dense(k, &used, None);
        let mut fits = Vec::new();
        let mut weights = Vec::new();
        for j in near.start..=near.end {
            let touched = [j.wrapping_sub(1), j];
            let touches = touched.iter().any(|i| near.contains(i) && used.contains(i));
            let n_reads = self.tables.n_reads[j] as usize;
            for read in (0..n_reads).filter(|_| touches) {
                let before = read as f64 / n_reads as f64;
                let mut shape = vec![0.0; n + 1];
                shape[j] = before;
                if j > 0 {
                    shape[j - 1] = 1.0 - before;
                }
                if used.iter().all(|&i| shape[i] == 0.0) {
                    continue;
                }
                let fit = self.dense(k, &used, Some(&shape));
                if fit.values[1] > 0.0 {
                    let odds = (0.5 * (plain.chi2 - fit.chi2)).exp();
                    weights.push(odds * fit.covariance[1][1].sqrt());
                    fits.push(fit);
                }
            }
        }
        let average_of = |value: &dyn Fn(&Dense) -> f64| {
            let terms = fits.iter().zip(&weights);
            let sum: f64 = terms.map(|(fit, weight)| weight * value(fit)).sum();
            sum / weights.iter().sum::<f64>()
        };
        let rate = average_of(&|fit| fit.values[0]);
        let spread = |fit: &Dense| fit.covariance[0][0] + (fit.values[0] - rate).powi(2);
        let ratios = fits.iter().map(|fit| plain.chi2 - fit.chi2);
        (!fits.is_empty()).then(|| Averaged {
            ratio: ratios.fold(0.0, f64::max),
            correction: rate - plain.values[0],
            variance: average_of(&spread),
        })
    }

    fn dense(&self, k: usize, members: &[usize], extra: Option<&[f64]>) -> Dense {
        Dense::new(self, k, members, extra)
    }
}

/// A fit of some differences by whole matrices: of the rate, and of the size of a signal of another shape.
struct Dense {
    inverted: Matrix,
    /// `C^-1` times the intervals.
    weighted: Vec<f64>,
    /// Of the rate, and of the other signal.
    values: Vec<f64>,
    covariance: Matrix,
    chi2: f64,
    residuals: Vec<f64>,
}

impl Dense {
    fn new(case: &Case, k: usize, members: &[usize], extra: Option<&[f64]>) -> Self {
        let covariance: Matrix = members
            .iter()
            .map(|&i| members.iter().map(|&j| covariance(case, k, i, j)).collect())
            .collect();
        let inverted = inverse(&covariance);
        let of = |values: &[f64]| -> Vec<f64> { members.iter().map(|&i| values[i]).collect() };
        let mut shapes = vec![of(&case.tables.intervals)];
        shapes.extend(extra.map(of));
        let data: Vec<f64> = members
            .iter()
            .map(|&i| case.pixels.differences[i][k])
            .collect();
        let weighted: Matrix = shapes.iter().map(|shape| times(&inverted, shape)).collect();
        let curvature = weighted
            .iter()
            .map(|row| shapes.iter().map(|shape| dot(row, shape)));
        let covariance = inverse(&curvature.map(Iterator::collect).collect());
        let sums: Vec<f64> = weighted.iter().map(|row| dot(row, &data)).collect();
        let values = times(&covariance, &sums);
        let mut residuals = data;
        for (value, shape) in values.iter().zip(&shapes) {
            for (residual, shape) in residuals.iter_mut().zip(shape) {
                *residual -= value * shape;
            }
        }
        Self {
            chi2: dot(&times(&inverted, &residuals), &residuals),
            weighted: weighted[0].clone(),
            inverted,
            values,
            covariance,
            residuals,
        }
    }
}

/// Of two differences, read by read: each read has the photons since the reset, and a noise of its own.
fn covariance(case: &Case, k: usize, i: usize, j: usize) -> f64 {
    let frame_time = case.pattern.frame_time().unwrap();
    let reads = case.pattern.reads(frame_time);
    let photons = case.pixels.photons(&case.rate)[k];
    let of_samples = |a: usize, b: usize| {
        let mut sum = 0.0;
        for (m, first) in reads[a].numbers().enumerate() {
            for (n, second) in reads[b].numbers().enumerate() {
                sum += photons * frame_time * first.min(second);
                if a == b && m == n {
                    sum += case.pixels.read_variance[k];
                }
            }
        }
        sum / f64::from(reads[a].count) / f64::from(reads[b].count)
    };
    of_samples(i + 1, j + 1) - of_samples(i + 1, j) - of_samples(i, j + 1) + of_samples(i, j)
}

fn close(value: f64, expected: f64, scale: f64) {
    let off = (value - expected).abs();
    assert!(
        off <= 1e-10 * scale,
        "{value} instead of {expected}, of {scale}"
    );
}

proptest! {
    #[test]
    fn sweeps_agree_with_whole_matrices(seed: u64) {
        let case = Case::new(seed);
        let n = case.tables.intervals.len();
        let (mut steps, mut levers) = (vec![Step::ZERO; n], vec![Lever::ZERO; n]);
        let (photons, sums) = case.sweep(&mut steps, &mut levers);
        let (var_poisson, var_rnoise) =
            variances(&case.tables, &case.pixels, &photons, &steps, &sums);
        for k in 0..W {
            let used = case.used(k);
            let dense = case.dense(k, &used, None);
            let variance = dense.covariance[0][0];
            close(sums.rate()[k], dense.values[0], dense.values[0].abs() + variance.sqrt());
            close(1.0 / sums.tt[k], variance, variance);
            close(sums.chi2()[k], dense.chi2, dense.chi2 + 1.0);
            let x = times(&dense.inverted, &dense.residuals);
            for (m, &i) in used.iter().enumerate() {
                let w = dense.weighted[m];
                let own = dense.inverted[m][m];
                let scale = own.sqrt();
                close(levers[i].w[k], w, own * case.tables.intervals[i] + w.abs());
                close(levers[i].x[k], x[m], scale * (1.0 + dense.chi2.sqrt()));
                let projected = own - w * w * variance;
                if projected > 1.1e-6 * own {
                    close(levers[i].own[k], projected, own);
                }
                if used.get(m + 1) == Some(&(i + 1)) {
                    let common = dense.inverted[m][m + 1] - w * dense.weighted[m + 1] * variance;
                    close(levers[i].common[k], common, own + dense.inverted[m + 1][m + 1]);
                }
            }
            // What the noise of each sample adds, with the weight that it has in the rate.
            let mut weights = vec![0.0; n + 1];
            for (m, &i) in used.iter().enumerate() {
                weights[i + 1] += dense.weighted[m] * variance;
                weights[i] -= dense.weighted[m] * variance;
            }
            let terms = weights.iter().zip(&case.tables.n_reads);
            let of_reads = terms.map(|(weight, reads)| weight * weight / reads).sum::<f64>()
                * case.pixels.read_variance[k];
            close(var_rnoise[k], of_reads, variance);
            close(var_poisson[k], variance - of_reads, variance);
        }
    }

    #[test]
    fn what_a_hit_takes_off_chi2_is_what_leaving_it_out_does(seed: u64) {
        let case = Case::new(seed);
        let n = case.tables.intervals.len();
        let (mut steps, mut levers) = (vec![Step::ZERO; n], vec![Lever::ZERO; n]);
        case.sweep(&mut steps, &mut levers);
        let n_used = Wide::of(|k| case.used(k).len() as f64);
        let best = Best::find(&case.tables, &levers, &n_used);
        for k in 0..W {
            let used = case.used(k);
            let chi2 = case.dense(k, &used, None).chi2;
            let without = |omitted: &[usize]| {
                let left: Vec<usize> = used.iter().copied().filter(|i| !omitted.contains(i)).collect();
                chi2 - case.dense(k, &left, None).chi2
            };
            // The size of a hit in one difference, or of both parts of a shared one.
            let shape = |i: usize| -> Vec<f64> { (0..n).map(|j| f64::from(u8::from(i == j))).collect() };
            let is_upwards = |i: usize, fixed: &[usize]| {
                let left: Vec<usize> = used.iter().copied().filter(|j| !fixed.contains(j)).collect();
                case.dense(k, &left, Some(&shape(i))).values[1] > 0.0
            };
            let mut one = 0.0_f64;
            let mut two = 0.0_f64;
            for &i in &used {
                if used.len() > 1 && is_upwards(i, &[]) {
                    one = one.max(without(&[i]));
                }
                let next = i + 1;
                let are_upwards = || is_upwards(i, &[next]) && is_upwards(next, &[i]);
                if used.len() > 2
                    && used.contains(&next)
                    && case.tables.n_reads[next] > 1.0
                    && are_upwards()
                {
                    two = two.max(without(&[i, next]));
                }
            }
            close(best.one[k], one, 1.0 + chi2);
            close(best.two[k], two, 1.0 + chi2);
            assert!(best.ratio(k) <= chi2 * (1.0 + 1e-9));
        }
    }

    #[test]
    fn the_mean_over_reads_is_that_of_fits_with_a_hit_in_each(seed: u64) {
        let case = Case::new(seed);
        let n = case.tables.intervals.len();
        let (mut steps, mut levers) = (vec![Step::ZERO; n], vec![Lever::ZERO; n]);
        let (_, sums) = case.sweep(&mut steps, &mut levers);
        for k in 0..W {
            let used = case.used(k);
            // Of two differences none can tell both of a rate and of a hit.
            if used.len() < 3 {
                continue;
            }
            let hit = used[used.len() / 2];
            let variance = 1.0 / sums.tt[k];
            let mut memory = Average::new();
            let mean = average(&mut memory, &case.tables, &levers, k, (hit, hit), variance);
            let Some(expected) = case.mean_over_reads(k, hit) else {
                assert_eq!(mean.ratio, 0.0);
                continue;
            };
            let scale = expected.variance;
            close(mean.ratio, expected.ratio, 1.0 + sums.chi2()[k]);
            close(mean.correction, expected.correction, sums.rate()[k].abs() + 10.0 * scale.sqrt());
            close(mean.variance, expected.variance, 10.0 * scale);
        }
    }
}

#[test]
fn of_very_many_reads_some_stand_for_all() {
    let reads: Vec<Vec<i64>> = (0..5)
        .map(|g| (150 * g + 1..=150 * g + 150).collect())
        .collect();
    let pattern = ReadPattern::from_reads(&reads, 2.0).unwrap();
    let tables = Tables::new(&pattern).unwrap();
    let mut pixels = Pixels::new(4);
    // 1 DN/s, and 100 DN shared by two differences.
    for (i, difference) in [300.0, 340.0, 360.0, 300.0].into_iter().enumerate() {
        pixels.differences[i] = Wide([difference; W]);
        pixels.used[i] = Wide([1.0; W]);
    }
    pixels.inverse_gain = Wide([0.5; W]);
    pixels.read_variance = Wide([36.0; W]);
    let case = Case {
        pattern,
        tables,
        pixels,
        rate: Wide([1.0; W]),
        start: Wide([1.0; W]),
    };
    let (mut steps, mut levers) = (vec![Step::ZERO; 4], vec![Lever::ZERO; 4]);
    let (_, sums) = case.sweep(&mut steps, &mut levers);
    let variance = 1.0 / sums.tt[0];
    let mean = average(
        &mut Average::new(),
        &case.tables,
        &levers,
        0,
        (1, 1),
        variance,
    );
    let expected = case.mean_over_reads(0, 1).unwrap();
    let sigma = expected.variance.sqrt();
    assert!((mean.correction - expected.correction).abs() < 0.01 * sigma);
    assert!((mean.variance.sqrt() / sigma - 1.0).abs() < 0.01);
}
