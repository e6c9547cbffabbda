//! The pixels of a row that are looked at closely, in double precision.
//!
//! They are fitted in groups, as a fit by itself mostly waits for its divisions. A pixel in which a hit
//! is found waits for its next fit until all others have had theirs. What comes of a pixel does not depend
//! on its group.

use super::average::{Average, average};
use super::search::{Hits, Search};
use super::sweep::{Pixels, Step, Sums, Wide, down, up, variances};
use super::tables::Tables;
use super::{Detector, LikelihoodFit};
use crate::dq::{group, pixel};
use crate::kernels::rate_rows::{Rate, RateRows};
use crate::lanes::vectorised;

/// Pixels of a group: a register or two of numbers.
pub const GROUP: usize = 8;

/// A hit that is shared in another way than by the reads of a resultant leaves so much more of chi2.
const MAX_MISFIT: f64 = 9.0;

/// By how much the likelihood ratio of a hit has to be larger in a pixel that has one: two hits in a ramp
/// are rare, and few differences are left.
const LATER_HITS: f64 = 5.0;

/// A pixel that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Suspect {
    pub col: usize,
    pub detector: Detector,
    /// All flags of the pixel and its samples.
    pub dq: u32,
    /// Whether a hit was found.
    pub has_hit: bool,
    /// The first and the last difference of the only hit.
    only_hit: Option<(usize, usize)>,
    /// Whether a part of the hit may be left in the only difference.
    is_limit: bool,
    /// Whether its last fit is still to come.
    is_open: bool,
}

impl Suspect {
    pub fn new(col: usize, detector: Detector, dq: u32) -> Self {
        Self {
            col,
            detector,
            dq,
            has_hit: false,
            only_hit: None,
            is_limit: false,
            is_open: true,
        }
    }

    /// Keeps its rate, if it has one, and its flags.
    pub fn put(&self, rate: Option<Rate>, fits: &mut RateRows) {
        let mut dq = self.dq;
        if self.has_hit {
            dq |= u32::from(group::JUMP_DET);
        }
        if self.is_limit || rate.is_none() {
            dq |= pixel::DO_NOT_USE;
        }
        fits.put(self.col, dq, &rate.unwrap_or_default());
    }
}

/// The fit of a pixel.
#[derive(Debug, Clone, Copy)]
pub struct PixelFit {
    pub slope: f64,
    pub var_poisson: f64,
    pub var_rnoise: f64,
    pub variance: f64,
    pub chi2: f64,
}

impl PixelFit {
    /// In single precision, with the slope of uniform weights. None where it has no noise, or is none.
    pub fn rate(&self, uniform_slope: f64) -> Option<Rate> {
        let slope = self.slope as f32;
        let dumo = (uniform_slope - f64::from(slope)) as f32;
        let rate = Rate {
            slope,
            var_poisson: self.var_poisson as f32,
            var_rnoise: self.var_rnoise as f32,
            err: self.variance.sqrt() as f32,
            chisq: self.chi2.max(0.0) as f32,
            dumo: if dumo.is_finite() { dumo } else { 0.0 },
        };
        let numbers = [rate.slope, rate.var_poisson, rate.var_rnoise, rate.chisq];
        let is_fit =
            rate.err > 0.0 && rate.err.is_finite() && numbers.iter().all(|n| n.is_finite());
        is_fit.then_some(rate)
    }
}

/// A group of them, with memory for the fit of one.
pub struct Group<const W: usize> {
    pixels: Pixels<W>,
    /// Which differences of a pixel are left out for a hit in them.
    held_hits: Vec<bool>,
    steps: Vec<Step<W>>,
    search: Search<W>,
    averages: Average,
    /// The variance of photons with which they were fitted, the fits, and what the two noises add.
    photons: Wide<W>,
    sums: Sums<W>,
    var_poisson: Wide<W>,
    var_rnoise: Wide<W>,
    hits: Hits<W>,
}

impl<const W: usize> Group<W> {
    pub fn new(n_resultants: usize) -> Self {
        let n = n_resultants - 1;
        Self {
            pixels: Pixels::new(n),
            held_hits: vec![false; n],
            steps: vec![Step::ZERO; n],
            search: Search::new(n),
            averages: Average::new(),
            photons: Wide::ZERO,
            sums: Sums::ZERO,
            var_poisson: Wide::ZERO,
            var_rnoise: Wide::ZERO,
            hits: Hits::NONE,
        }
    }

    /// Takes W pixels of a row at most.
    fn take(
        &mut self,
        tables: &Tables,
        data: &[&[f32]],
        groupdq: &[&mut [u8]],
        suspects: &mut [Suspect],
    ) {
        for (k, suspect) in suspects.iter_mut().enumerate() {
            let (gain, read_noise) = (suspect.detector.gain, suspect.detector.read_noise);
            self.pixels.inverse_gain[k] = 1.0 / gain;
            self.pixels.read_variance[k] = read_noise * read_noise;
            let c = suspect.col;
            let mut before = Sample::NONE;
            let n = data.len();
            self.held_hits.fill(false);
            for g in 0..n {
                let sample = Sample::of(data[g][c], groupdq[g][c]);
                if g > 0 {
                    let is_used = before.usable & sample.usable & !sample.is_jump;
                    self.pixels.differences[g - 1][k] = sample.value - before.value;
                    self.pixels.used[g - 1][k] = f64::from(u8::from(is_used));
                    self.held_hits[g - 1] = before.usable & sample.usable & sample.is_jump;
                }
                before = sample;
            }
            suspect.is_limit |= self.is_limit(tables, k);
        }
        for k in suspects.len()..W {
            for used in &mut self.pixels.used {
                used[k] = 0.0;
            }
        }
    }

    /// Whether the only difference that is used may hold a part of a hit that was found in the one next to
    /// it: of two that shared it both would have been left out.
    fn is_limit(&self, tables: &Tables, k: usize) -> bool {
        if self.n_used(k) != 1 {
            return false;
        }
        let held = |i: usize| self.held_hits.get(i).copied().unwrap_or(false);
        (0..self.held_hits.len())
            .filter(|&i| self.is_used(i, k))
            .any(|i| {
                let (before, after) = (i.wrapping_sub(1), i + 1);
                let is_alone_before = held(before) && !held(before.wrapping_sub(1));
                let is_alone_after = held(after) && !held(after + 1);
                (is_alone_before && tables.n_reads[i] > 1.0)
                    || (is_alone_after && tables.n_reads[after] > 1.0)
            })
    }

    fn is_used(&self, i: usize, k: usize) -> bool {
        self.pixels.used.get(i).is_some_and(|used| used[k] != 0.0)
    }

    fn n_used(&self, k: usize) -> usize {
        (0..self.pixels.used.len())
            .filter(|&i| self.is_used(i, k))
            .count()
    }
}

/// A sample; 0 where it is no finite number.
#[derive(Debug, Clone, Copy)]
struct Sample {
    value: f64,
    usable: bool,
    is_jump: bool,
}

impl Sample {
    const NONE: Self = Self {
        value: 0.0,
        usable: false,
        is_jump: false,
    };

    #[inline(always)]
    fn of(value: f32, flags: u8) -> Self {
        let is_finite = value.is_finite();
        Self {
            value: if is_finite { f64::from(value) } else { 0.0 },
            usable: is_finite & (flags & group::UNUSABLE == 0),
            is_jump: flags & group::JUMP_DET != 0,
        }
    }
}

vectorised! {
    /// Fits the pixels of a group, and looks for a hit in each: of a likelihood ratio above the
    /// threshold, if there is one.
    fn fit_group<const W: usize>(
        tables: &Tables,
        thresholds: Option<&Wide<W>>,
        group: &mut Group<W>,
    ) {
        let Group { pixels, steps, .. } = group;
        // The covariance of a mean that is not that of a fit would bias the rate.
        let start = pixels.mean_rate(tables, &pixels.used);
        let photons = pixels.photons(&start);
        let rate = up(tables, pixels, &pixels.used, &start, &photons, steps).rate();
        group.photons = pixels.photons(&rate);
        group.sums = up(tables, pixels, &pixels.used, &start, &group.photons, steps);
        group.hits = match thresholds {
            Some(thresholds) => group.search.find(tables, pixels, steps, &group.sums, thresholds),
            None => Hits::NONE,
        };
        (group.var_poisson, group.var_rnoise) =
            variances(tables, pixels, &group.photons, steps, &group.sums);
    }
}

vectorised! {
    /// What leaving out differences would change in fits of all that can be used, those of hits too,
    /// with the covariance of the rates without hits. The fits.
    fn look_at_all<const W: usize>(
        tables: &Tables,
        rates: &Wide<W>,
        group: &mut Group<W>,
    ) -> Sums<W> {
        let Group { pixels, search, .. } = group;
        let photons = pixels.photons(rates);
        let sums = up(tables, pixels, &search.used, rates, &photons, &mut search.steps);
        down(&search.steps, &sums, &mut search.levers);
        sums
    }
}

impl LikelihoodFit<'_> {
    /// Fits the suspects of a row, and flags the samples after hits.
    pub(super) fn fit_suspects<const W: usize>(
        &self,
        data: &[&[f32]],
        groupdq: &mut [&mut [u8]],
        suspects: &mut Vec<Suspect>,
        group: &mut Group<W>,
        fits: &mut RateRows,
    ) {
        let threshold = self.search.rejection_threshold * self.search.rejection_threshold;
        while !suspects.is_empty() {
            for suspects in suspects.chunks_mut(W) {
                group.take(&self.tables, data, groupdq, suspects);
                let mut thresholds = Wide([threshold; W]);
                for (k, suspect) in suspects.iter().enumerate() {
                    thresholds[k] += if suspect.has_hit { LATER_HITS } else { 0.0 };
                }
                let thresholds = self.search.find_jumps.then_some(&thresholds);
                fit_group(&self.tables, thresholds, group);
                let all = self.look_at_averages(suspects, group);
                for (k, suspect) in suspects.iter_mut().enumerate() {
                    if let Some(hit) = group.hits.differences(k) {
                        self.drop_hit(hit, k, suspect, group, groupdq);
                    } else {
                        let fit = self.fit_of(k, suspect, group, all.as_ref());
                        let rate = fit.rate(self.uniform_slope(data, suspect.col));
                        suspect.put(rate, fits);
                        suspect.is_open = false;
                    }
                }
            }
            suspects.retain(|suspect| suspect.is_open);
        }
    }

    /// The slope with uniform weights of all samples, whatever their flags.
    pub(super) fn uniform_slope(&self, data: &[&[f32]], c: usize) -> f64 {
        let terms = self.tables.uniform.iter().zip(data);
        terms
            .map(|(weight, samples)| weight * f64::from(samples[c]))
            .sum()
    }

    /// Leaves out the differences of a hit.
    fn drop_hit<const W: usize>(
        &self,
        (first, last): (usize, usize),
        k: usize,
        suspect: &mut Suspect,
        group: &Group<W>,
        groupdq: &mut [&mut [u8]],
    ) {
        for flags in &mut groupdq[first + 1..=last + 1] {
            flags[suspect.col] |= group::JUMP_DET;
        }
        suspect.only_hit = (!suspect.has_hit).then_some((first, last));
        suspect.has_hit = true;
        // Of two differences that share a resultant the hit may be in both.
        let shares = |i: usize, resultant: usize| {
            group.is_used(i, k) && self.tables.n_reads[resultant] > 1.0
        };
        let is_shared = shares(first.wrapping_sub(1), first) || shares(last + 1, last + 1);
        suspect.is_limit |= group.n_used(k) == 2 && is_shared;
    }

    /// Looks at the fits of all differences, those of hits too, if there are pixels that need it.
    fn look_at_averages<const W: usize>(
        &self,
        suspects: &[Suspect],
        group: &mut Group<W>,
    ) -> Option<Sums<W>> {
        let is_due = |(k, suspect): (usize, &Suspect)| {
            suspect.only_hit.is_some() && group.hits.differences(k).is_none()
        };
        if !self.search.average_hits || !suspects.iter().enumerate().any(is_due) {
            return None;
        }
        group.search.used.copy_from_slice(&group.pixels.used);
        for (k, suspect) in suspects.iter().enumerate() {
            if let Some((first, last)) = suspect.only_hit {
                for used in &mut group.search.used[first..=last] {
                    used[k] = 1.0;
                }
            }
        }
        Some(look_at_all(&self.tables, &group.sums.rate(), group))
    }

    /// The fit of a pixel without further hits.
    fn fit_of<const W: usize>(
        &self,
        k: usize,
        suspect: &Suspect,
        group: &mut Group<W>,
        all: Option<&Sums<W>>,
    ) -> PixelFit {
        let left = PixelFit {
            slope: group.sums.rate()[k],
            var_poisson: group.var_poisson[k],
            var_rnoise: group.var_rnoise[k],
            variance: 1.0 / group.sums.tt[k],
            chi2: group.sums.chi2()[k],
        };
        let (Some(all), Some(hit)) = (all, suspect.only_hit) else {
            return left;
        };
        // Of two differences one tells nothing of the rate, whatever part of the hit is in it.
        if group.n_used(k) + hit.1 + 1 - hit.0 < 3 {
            return left;
        }
        let variance = 1.0 / all.tt[k];
        let levers = &group.search.levers;
        let memory = &mut group.averages;
        let mean = average(memory, &self.tables, levers, k, hit, variance);
        let chi2 = all.chi2()[k] - mean.ratio;
        if !(mean.ratio > 0.0 && chi2 - left.chi2 < MAX_MISFIT) {
            return left;
        }
        let scale = mean.variance / left.variance;
        PixelFit {
            slope: all.rate()[k] + mean.correction,
            var_poisson: left.var_poisson * scale,
            var_rnoise: left.var_rnoise * scale,
            variance: mean.variance,
            chi2,
        }
    }
}
