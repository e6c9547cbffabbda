//! The search for the hit that explains best why a straight line does not fit.
//!
//! A hit of E DN in read k of resultant j adds `f E` to `D_{j-1}` and `(1 - f) E` to `D_j`, where f is the
//! share of the resultant's reads from k on: E > 0, so that it is a point of a cone. With `x`, and P and Q
//! the diagonal and its neighbour of `C^-1` with the rate projected out (`sweep.rs`), the most that a hit
//! takes off chi2 is
//!
//! ```text
//! one difference:  S1 = x_i^2 / P_i,                             if x_i > 0
//! two of them:     S2 = (x_i b + x_{i+1} d) / (P_i P_{i+1} - Q_i^2),  if b > 0 and d > 0, where
//!                  b = x_i P_{i+1} - x_{i+1} Q_i  and  d = x_{i+1} P_i - x_i Q_i
//! ```
//!
//! Two may share a hit if the resultant between them averages several reads. The larger of the best S1 and
//! the best S2 is the likelihood ratio of a hit. A hit makes the rate too high, and with it the covariance:
//! what it is in is judged with the covariance of the rate without it.
//!
//! Drops are not looked for: chi2 tells of them. But a large one makes all other differences look like hits,
//! one after the other. So there is no hit where leaving out a difference that is too small takes more off
//! chi2 than the best hit does, by more than the threshold. Hits alone seldom look like that: as many of the
//! differences would have to hold one as hold none.

use super::sweep::{Lever, MORE_THAN_ROUNDING, Pixels, Step, Sums, Wide, down, up};
use super::tables::Tables;

/// By how much chi2 has to be smaller without two differences than without one.
const MARGIN: f64 = 1.0;

/// Which differences a hit is in: those from the first to the last. None if the last comes first.
#[derive(Debug, Clone, Copy)]
pub struct Hits<const W: usize> {
    pub first: Wide<W>,
    pub last: Wide<W>,
}

impl<const W: usize> Hits<W> {
    pub const NONE: Self = Self {
        first: Wide([0.0; W]),
        last: Wide([-1.0; W]),
    };

    /// The first and the last.
    pub fn differences(&self, k: usize) -> Option<(usize, usize)> {
        self.is_some(k)
            .then_some((self.first[k] as usize, self.last[k] as usize))
    }

    #[inline(always)]
    fn is_some(&self, k: usize) -> bool {
        self.last[k] >= self.first[k]
    }

    #[inline(always)]
    pub fn contain(&self, i: usize, k: usize) -> bool {
        (self.first[k] <= i as f64) & (i as f64 <= self.last[k])
    }

    #[inline(always)]
    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for k in 0..W {
            self.last[k] = if keep(k) { self.last[k] } else { -1.0 };
        }
    }

    #[inline(always)]
    fn same(&self, other: &Self) -> bool {
        let mut same = true;
        for k in 0..W {
            same &= (self.first[k] == other.first[k]) & (self.last[k] == other.last[k]);
        }
        same
    }

    #[inline(always)]
    fn any(&self) -> bool {
        let mut any = false;
        for k in 0..W {
            any |= self.is_some(k);
        }
        any
    }
}

/// The best hits, and what they take off chi2; 0 where there is none.
pub struct Best<const W: usize> {
    pub one: Wide<W>,
    pub two: Wide<W>,
    /// The same of a drop.
    pub drop: Wide<W>,
    hits: Hits<W>,
}

impl<const W: usize> Best<W> {
    #[inline(always)]
    pub fn find(tables: &Tables, levers: &[Lever<W>], n_used: &Wide<W>) -> Self {
        let (mut one, mut two) = (Wide::<W>::ZERO, Wide::<W>::ZERO);
        let mut drop = Wide::<W>::ZERO;
        let (mut at_one, mut at_two) = (Wide::<W>::ZERO, Wide::<W>::ZERO);
        for (i, &lever) in levers.iter().enumerate() {
            for k in 0..W {
                let (x, own) = (lever.x[k], lever.own[k]);
                let ratio = x * x / own;
                let is_best = (x > 0.0) & (own > 0.0) & (ratio > one[k]);
                one[k] = if is_best { ratio } else { one[k] };
                at_one[k] = if is_best { i as f64 } else { at_one[k] };
                let is_drop = (x < 0.0) & (own > 0.0) & (ratio > drop[k]);
                drop[k] = if is_drop { ratio } else { drop[k] };
            }
            let Some(&next) = levers.get(i + 1) else {
                break;
            };
            if tables.n_reads[i + 1] < 2.0 {
                continue;
            }
            for k in 0..W {
                let (x, x_next) = (lever.x[k], next.x[k]);
                let both = lever.own[k] * next.own[k];
                let determinant = both - lever.common[k] * lever.common[k];
                let share = x * next.own[k] - x_next * lever.common[k];
                let rest = x_next * lever.own[k] - x * lever.common[k];
                let ratio = (x * share + x_next * rest) / determinant;
                let is_best = (share > 0.0)
                    & (rest > 0.0)
                    & (determinant > MORE_THAN_ROUNDING * both)
                    & (ratio > two[k])
                    & (n_used[k] > 2.0);
                two[k] = if is_best { ratio } else { two[k] };
                at_two[k] = if is_best { i as f64 } else { at_two[k] };
            }
        }
        let mut hits = Hits::NONE;
        for k in 0..W {
            let is_shared = (two[k] - one[k] > MARGIN) | ((one[k] == 0.0) & (two[k] > 0.0));
            // By arithmetic: a plain choice becomes one between addresses, and a slow load.
            let (shared, single) = if is_shared { (1.0, 0.0) } else { (0.0, 1.0) };
            let is_none = if (one[k] == 0.0) & (two[k] == 0.0) {
                1.0
            } else {
                0.0
            };
            hits.first[k] = shared * at_two[k] + single * at_one[k];
            hits.last[k] = hits.first[k] + shared - is_none;
        }
        Self {
            one,
            two,
            drop,
            hits,
        }
    }

    /// The likelihood ratio.
    #[inline(always)]
    pub fn ratio(&self, k: usize) -> f64 {
        self.one[k].max(self.two[k])
    }
}

/// Memory for a search.
pub struct Search<const W: usize> {
    pub steps: Vec<Step<W>>,
    pub levers: Vec<Lever<W>>,
    pub used: Vec<Wide<W>>,
}

impl<const W: usize> Search<W> {
    pub fn new(n_differences: usize) -> Self {
        Self {
            steps: vec![Step::ZERO; n_differences],
            levers: vec![Lever::ZERO; n_differences],
            used: vec![Wide::ZERO; n_differences],
        }
    }

    /// The hit in each of the pixels, of a likelihood ratio above its threshold, after a fit of them.
    #[inline(always)]
    pub fn find(
        &mut self,
        tables: &Tables,
        pixels: &Pixels<W>,
        steps: &[Step<W>],
        sums: &Sums<W>,
        thresholds: &Wide<W>,
    ) -> Hits<W> {
        let chi2 = sums.chi2();
        let mut n_used = Wide::<W>::ZERO;
        for used in &pixels.used {
            for k in 0..W {
                n_used[k] += used[k];
            }
        }
        // No hit takes more off chi2 than there is.
        let mut may_have = Hits::<W>::NONE;
        for k in 0..W {
            let may = (chi2[k] > thresholds[k]) & (n_used[k] > 1.0);
            may_have.last[k] = if may { 0.0 } else { -1.0 };
        }
        if !may_have.any() {
            return Hits::NONE;
        }
        down(steps, sums, &mut self.levers);
        let best = Best::find(tables, &self.levers, &n_used);
        let mut hits = best.hits;
        hits.retain(|k| {
            let (ratio, threshold) = (best.ratio(k), thresholds[k]);
            may_have.is_some(k) & (ratio > threshold) & (best.drop[k] <= ratio + threshold)
        });
        // What is found without the first candidate need not be that candidate.
        for _ in 0..2 {
            if !hits.any() {
                break;
            }
            let before = hits;
            let best = self.judge(tables, pixels, &hits, &n_used);
            for k in 0..W {
                let is = before.is_some(k);
                hits.first[k] = if is {
                    best.hits.first[k]
                } else {
                    before.first[k]
                };
                hits.last[k] = if is { best.hits.last[k] } else { -1.0 };
            }
            if hits.same(&before) {
                break;
            }
        }
        hits
    }

    /// The best hits with the covariance of the rates without these.
    #[inline(always)]
    fn judge(
        &mut self,
        tables: &Tables,
        pixels: &Pixels<W>,
        hits: &Hits<W>,
        n_used: &Wide<W>,
    ) -> Best<W> {
        for (i, (left, used)) in self.used.iter_mut().zip(&pixels.used).enumerate() {
            for k in 0..W {
                left[k] = if hits.contain(i, k) { 0.0 } else { used[k] };
            }
        }
        let start = pixels.mean_rate(tables, &self.used);
        let photons = pixels.photons(&start);
        let rate = up(
            tables,
            pixels,
            &self.used,
            &start,
            &photons,
            &mut self.steps,
        )
        .rate();
        let photons = pixels.photons(&rate);
        let sums = up(
            tables,
            pixels,
            &pixels.used,
            &rate,
            &photons,
            &mut self.steps,
        );
        down(&self.steps, &sums, &mut self.levers);
        Best::find(tables, &self.levers, n_used)
    }
}
