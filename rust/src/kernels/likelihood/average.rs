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

/// Reads at a time.
const VECTOR: usize = 8;

type Vector = [f64; VECTOR];

/// A difference of S from which on a read counts nothing beside the likeliest.
const MAX_DIFFERENCE: f64 = 80.0;

/// A few reads of a resultant in which a hit may have been; see the module.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Reads {
    /// U; 0 where no hit can have been.
    residual: Vector,
    /// `1 / H`.
    inverse: Vector,
    /// h.
    lever: Vector,
    /// S, and the largest of them.
    ratio: Vector,
    largest: f64,
    /// How many reads each stands for.
    count: f64,
}

/// Memory for the reads in which a hit may have been.
pub struct Average {
    reads: [Reads; MAX_RESULTANTS * MAX_READS as usize / VECTOR],
}

/// What follows for the rate of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Averaged {
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

impl Part {
    /// That of difference `i`, if there is one, of pixel `k`.
    #[inline(always)]
    fn of<const W: usize>(levers: &[Lever<W>], i: Option<usize>, k: usize) -> Self {
        match i.and_then(|i| levers.get(i)) {
            Some(lever) => Self {
                x: lever.x[k],
                w: lever.w[k],
                own: lever.own[k],
                common: lever.common[k],
            },
            None => Self::default(),
        }
    }
}

impl Reads {
    const NONE: Self = Self {
        residual: [0.0; VECTOR],
        inverse: [0.0; VECTOR],
        lever: [0.0; VECTOR],
        ratio: [0.0; VECTOR],
        largest: 0.0,
        count: 0.0,
    };

    /// Those from the `first` on of `n_reads` between two differences.
    #[inline(always)]
    fn between(before: Part, after: Part, first: f64, n_reads: f64) -> Self {
        let mut reads = Self::NONE;
        let share = 1.0 / n_reads;
        for read in 0..VECTOR {
            let later = first + read as i32 as f64;
            // So much of the resultant is without the hit.
            let g = later * share;
            let f = 1.0 - g;
            let squares = f * f * before.own + g * g * after.own;
            let curvature = squares + 2.0 * (f * g * before.common);
            let residual = f * before.x + g * after.x;
            let inverse = 1.0 / curvature;
            // Where it is no more than rounding, nothing tells of a hit in this read.
            let is_one =
                (residual > 0.0) & (curvature > MORE_THAN_ROUNDING * squares) & (later < n_reads);
            reads.residual[read] = if is_one { residual } else { 0.0 };
            reads.inverse[read] = if is_one { inverse } else { 0.0 };
            reads.lever[read] = f * before.w + g * after.w;
        }
        let residuals = reads.residual.iter().zip(&reads.inverse);
        for (ratio, (residual, inverse)) in reads.ratio.iter_mut().zip(residuals) {
            *ratio = residual * residual * inverse;
        }
        let mut largest = reads.ratio;
        for half in [4, 2, 1] {
            for read in 0..half {
                let (one, other) = (largest[read], largest[read + half]);
                largest[read] = if one > other { one } else { other };
            }
        }
        reads.largest = largest[0];
        reads
    }
}

impl Average {
    pub fn new() -> Self {
        Self {
            reads: [Reads::NONE; MAX_RESULTANTS * MAX_READS as usize / VECTOR],
        }
    }

    /// Takes the reads in which the hit in these differences may have been, of pixel `k`. How many
    /// vectors they fill.
    #[inline(always)]
    fn take<const W: usize>(
        &mut self,
        tables: &Tables,
        levers: &[Lever<W>],
        k: usize,
        (first, last): (usize, usize),
    ) -> usize {
        let near = first.saturating_sub(1)..(last + 2).min(levers.len());
        let mut len = 0;
        for j in near.start..=near.end {
            let (i, next) = (j.checked_sub(1), Some(j));
            let (before, after) = (Part::of(levers, i, k), Part::of(levers, next, k));
            let touches = (before.own > 0.0 && j > near.start) || (after.own > 0.0 && j < near.end);
            if !touches {
                continue;
            }
            let n_reads = tables.n_reads[j].min(MAX_READS);
            let mut read = 0.0;
            while read < n_reads {
                self.reads[len] = Reads::between(before, after, read, n_reads);
                self.reads[len].count = tables.n_reads[j] / n_reads;
                len += 1;
                read += VECTOR as f64;
            }
        }
        len
    }
}

/// The mean over reads, where the largest S is this one, of a fit with this variance.
#[inline(always)]
fn mean(reads: &[Reads], largest: f64, variance: f64) -> Averaged {
    let (mut sum, mut shifts, mut squares) = ([0.0; VECTOR], [0.0; VECTOR], [0.0; VECTOR]);
    for &reads in reads {
        if largest - reads.largest > MAX_DIFFERENCE {
            continue;
        }
        for read in 0..VECTOR {
            let inverse = reads.inverse[read];
            let odds = exp_of_negative(0.5 * (reads.ratio[read] - largest));
            // Nothing where no hit can have been: `1 / H` is 0 there.
            let weight = odds * inverse.sqrt() * reads.count;
            let share = reads.lever[read] * variance;
            let shift = share * reads.residual[read] * inverse;
            sum[read] += weight;
            shifts[read] += weight * shift;
            squares[read] += weight * (share * share * inverse + shift * shift);
        }
    }
    let total = |terms: Vector| {
        let mut sum = 0.0;
        for term in terms {
            sum += term;
        }
        sum
    };
    let sum = total(sum);
    let shift = total(shifts) / sum;
    Averaged {
        ratio: largest,
        correction: -shift,
        variance: variance + (total(squares) / sum - shift * shift),
    }
}

vectorised! {
    /// The mean over the reads in which the hit in these differences may have been, for pixel `k` of a
    /// fit of all differences with this variance. Its ratio is 0, and the rest not a number, where no
    /// read tells of one.
    pub fn average<const W: usize>(
        memory: &mut Average,
        tables: &Tables,
        levers: &[Lever<W>],
        k: usize,
        hit: (usize, usize),
        variance: f64,
    ) -> Averaged {
        let len = memory.take(tables, levers, k, hit);
        let reads = &memory.reads[..len];
        let mut largest = 0.0;
        for reads in reads {
            largest = if reads.largest > largest { reads.largest } else { largest };
        }
        mean(reads, largest, variance)
    }
}

/// `exp(x)` for x from -infinity to 0, to 4e-16 of it, and 0 below -700; the same bits on all processors.
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
