//! The rate of a pixel with one hit: the mean over the reads in which it may have been.
//!
//! Leaving out the differences of a hit leaves out what they tell of the rate as well, and takes for
//! granted that these are the right ones. For a hit in a given read, of any size, shared by two
//! differences as `u = (f, 1 - f)`, all differences are used: with x, w, P, Q as in `search.rs`,
//!
//! ```text
//! U = u'x,  H = u'P u,  h = u'w
//! S = U^2 / H                      what it takes off chi2, if U > 0
//! a' = a - (h / tt) U / H          the rate
//! v' = 1 / tt + (h / tt)^2 / H     its variance
//! m = exp((S - S_max) / 2) / sqrt(H)
//! ```
//!
//! where m is how likely the read is, all sizes of the hit being equally likely before. The rate is the
//! mean of `a'` with the weights m, its variance the mean of `v'` and the spread of `a'`. The reads are
//! those of the resultants that have a part in the differences of the hit or their neighbours.

use super::sweep::{Lever, MORE_THAN_ROUNDING};
use super::tables::Tables;
use crate::lanes::vectorised;

/// Reads of a resultant at most; where it has more, so many of them stand for all.
const MAX_READS: f64 = 64.0;

/// Resultants that have a part in two differences and their neighbours.
const MAX_RESULTANTS: usize = 5;

/// So many reads at a time.
const VECTOR: usize = 8;

/// The reads in which a hit may have been.
pub struct Reads {
    /// How many numbers each of the following has; none in the reads that fill the last vector.
    len: usize,
    /// U, H and h of the module.
    residual: Numbers,
    curvature: Numbers,
    lever: Numbers,
    /// How many reads each stands for.
    count: Numbers,
    /// S of the module, and `1 / H`.
    ratio: Numbers,
    inverse: Numbers,
}

type Numbers = [f64; MAX_RESULTANTS * MAX_READS as usize];

/// What follows for the rate of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average {
    /// What a hit in the likeliest read takes off chi2.
    pub ratio: f64,
    /// What is added to the rate.
    pub correction: f64,
    /// Of the rate with it.
    pub variance: f64,
}

/// The terms of one difference in those of a hit.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    x: f64,
    w: f64,
    own: f64,
    common: f64,
}

impl Reads {
    pub fn new() -> Self {
        let numbers = [0.0; MAX_RESULTANTS * MAX_READS as usize];
        Self {
            len: 0,
            residual: numbers,
            curvature: numbers,
            lever: numbers,
            count: numbers,
            ratio: numbers,
            inverse: numbers,
        }
    }

    /// Takes the reads in which the hit in these differences may have been, of pixel `k`.
    #[inline(always)]
    fn take<const W: usize>(
        &mut self,
        tables: &Tables,
        levers: &[Lever<W>],
        k: usize,
        (first, last): (usize, usize),
    ) {
        self.len = 0;
        let near = first.saturating_sub(1)..=(last + 1).min(levers.len() - 1);
        let part = |i: usize| match levers.get(i) {
            Some(lever) => Part {
                x: lever.x[k],
                w: lever.w[k],
                own: lever.own[k],
                common: lever.common[k],
            },
            None => Part::default(),
        };
        for j in *near.start()..=near.end() + 1 {
            let before = part(j.wrapping_sub(1));
            let after = part(j);
            let touches = (before.own > 0.0 && near.contains(&(j - 1)))
                || (after.own > 0.0 && near.contains(&j));
            if !touches {
                continue;
            }
            self.add(&before, &after, tables.n_reads[j]);
        }
        let end = self.len.next_multiple_of(VECTOR);
        self.residual[self.len..end].fill(0.0);
        self.curvature[self.len..end].fill(1.0);
        self.lever[self.len..end].fill(0.0);
        self.len = end;
    }

    /// Adds the reads of a resultant between two differences.
    #[inline(always)]
    fn add(&mut self, before: &Part, after: &Part, n_reads: f64) {
        let n_here = n_reads.min(MAX_READS);
        let here = self.len..self.len + n_here as usize;
        self.len = here.end;
        self.count[here.clone()].fill(n_reads / n_here);
        let terms = self.residual[here.clone()].iter_mut();
        let terms = terms.zip(&mut self.curvature[here.clone()]);
        let terms = terms.zip(&mut self.lever[here]);
        for (read, ((residual, curvature), lever)) in (1..).zip(terms) {
            let f = f64::from(read) / n_here;
            let g = 1.0 - f;
            let squares = f * f * before.own + g * g * after.own;
            let all = squares + 2.0 * (f * g * before.common);
            // Where it is no more than rounding, nothing tells of a hit in this read.
            let tells = all > MORE_THAN_ROUNDING * squares;
            *residual = if tells {
                f * before.x + g * after.x
            } else {
                0.0
            };
            *curvature = if tells { all } else { 1.0 };
            *lever = f * before.w + g * after.w;
        }
    }

    /// S of each read, and the largest.
    #[inline(always)]
    fn ratios(&mut self) -> f64 {
        let mut largest = [0.0_f64; VECTOR];
        let terms = vectors(&self.residual[..self.len]).iter();
        let terms = terms.zip(vectors(&self.curvature));
        let results = self.ratio.as_chunks_mut::<VECTOR>().0.iter_mut();
        let results = results.zip(self.inverse.as_chunks_mut::<VECTOR>().0);
        for ((residual, curvature), (ratio, inverse)) in terms.zip(results) {
            for k in 0..VECTOR {
                let upwards = if residual[k] > 0.0 { residual[k] } else { 0.0 };
                inverse[k] = 1.0 / curvature[k];
                ratio[k] = upwards * upwards * inverse[k];
                largest[k] = if ratio[k] > largest[k] {
                    ratio[k]
                } else {
                    largest[k]
                };
            }
        }
        largest.iter().copied().fold(0.0, f64::max)
    }

    /// The mean over the reads, where the largest S is this one, of a fit with this variance.
    #[inline(always)]
    fn mean(&self, largest: f64, variance: f64) -> Average {
        let (mut sum, mut of_shifts, mut of_squares) =
            ([0.0; VECTOR], [0.0; VECTOR], [0.0; VECTOR]);
        let terms = vectors(&self.residual[..self.len]).iter();
        let terms = terms.zip(vectors(&self.lever)).zip(vectors(&self.count));
        let terms = terms.zip(vectors(&self.ratio)).zip(vectors(&self.inverse));
        for ((((residual, lever), count), ratio), inverse) in terms {
            for k in 0..VECTOR {
                let odds = exp_of_negative(0.5 * (ratio[k] - largest)) * inverse[k].sqrt();
                let weight = if residual[k] > 0.0 {
                    odds * count[k]
                } else {
                    0.0
                };
                let share = lever[k] * variance;
                let shift = share * residual[k] * inverse[k];
                sum[k] += weight;
                of_shifts[k] += weight * shift;
                of_squares[k] += weight * (share * share * inverse[k] + shift * shift);
            }
        }
        let total = |terms: [f64; VECTOR]| terms.iter().sum::<f64>();
        let sum = total(sum);
        let shift = total(of_shifts) / sum;
        Average {
            ratio: largest,
            correction: -shift,
            variance: variance + (total(of_squares) / sum - shift * shift),
        }
    }
}

#[inline(always)]
fn vectors(numbers: &[f64]) -> &[[f64; VECTOR]] {
    numbers.as_chunks().0
}

vectorised! {
    /// The mean over the reads in which the hit in these differences may have been, for pixel `k` of a
    /// fit of all differences with this variance. Not a number where no read tells of one.
    pub fn average<const W: usize>(
        reads: &mut Reads,
        tables: &Tables,
        levers: &[Lever<W>],
        k: usize,
        hit: (usize, usize),
        variance: f64,
    ) -> Average {
        reads.take(tables, levers, k, hit);
        let largest = reads.ratios();
        reads.mean(largest, variance)
    }
}

/// `exp(x)` for x from -infinity to 0, to 3e-16 of it, and 0 below -700; the same bits on all processors.
#[inline(always)]
fn exp_of_negative(x: f64) -> f64 {
    // What is added to a number of up to 50 bits to round it: the bits of the sum end in the whole number.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // ln 2 in two pieces, the first of them short.
    const LN2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    // 1 / n!, from the 13th down.
    const FACTORS: [f64; 14] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
        1.0,
    ];
    let inside = if x > -700.0 { x } else { -700.0 };
    let shifted = inside * std::f64::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let rest = (inside - power * LN2.0) - power * LN2.1;
    let series = FACTORS.iter().fold(0.0, |sum, factor| sum * rest + factor);
    let scale = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    if x > -700.0 { series * scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert_eq!(exp_of_negative(f64::NEG_INFINITY), 0.0);
        for step in 0..70_000 {
            let x = -0.01 * f64::from(step) - 1e-7;
            let (own, library) = (exp_of_negative(x), x.exp());
            assert!(
                (own - library).abs() <= 4e-16 * library,
                "{x}: {own} {library}"
            );
        }
    }
}
