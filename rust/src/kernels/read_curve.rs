//! Where the reads of a resultant lie about their mean: along a line of linear counts, bent by the inverse.
//!
//! With L of a first sample, F, and of a later one, Z, `rate = (Z - F) / (t_Z - t_F)`. A read at time t
//! would be measured as `u(t) = I(F + rate (t - t_F))`, which is a polynomial of time: its coefficients
//! `q_m` are those of I about the line's value at time 0, times powers of the rate. So the reads are at
//! `sum_m q_m (t_k^m - mean(t^m))` from their mean, where the brackets are the same for all pixels.
//!
//! Source: romancal 1.1.0, with the corrections that `docs/explanation/deviations.md` tells.

use std::ops::Range;

use crate::dq::group;
use crate::lanes::{LANES, Lanes, load, select};

/// The reads of a resultant.
pub(crate) struct Reads {
    /// Their mean time, in reads from that of the first resultant.
    pub time: f64,
    /// `t^m - mean(t^m)` of each read, for m = 1, 2, ...
    pub weights: Vec<Vec<f64>>,
    /// One over how many they are.
    pub share: f64,
}

impl Reads {
    /// Those at these times, for an inverse of so many coefficients.
    pub fn of(times: &[f64], n_coeffs: usize) -> Self {
        let share = 1.0 / times.len() as f64;
        // By multiplication, which rounds alike wherever it is compiled.
        let powers_of = |time: &f64| -> Vec<f64> {
            let next = |power: &mut f64, _| {
                *power *= time;
                Some(*power)
            };
            (1..n_coeffs).scan(1.0, next).collect()
        };
        let powers: Vec<_> = times.iter().map(powers_of).collect();
        let mean = |m: usize| powers.iter().map(|powers| powers[m]).sum::<f64>() * share;
        let means: Vec<_> = (0..n_coeffs.saturating_sub(1)).map(mean).collect();
        let from_mean = |powers: &Vec<f64>| {
            let pairs = powers.iter().zip(&means);
            pairs.map(|(power, mean)| power - mean).collect()
        };
        Self {
            time: times.iter().sum::<f64>() * share,
            weights: powers.iter().map(from_mean).collect(),
            share,
        }
    }
}

/// The line that the linear counts follow: their value at time 0, that of the first resultant [DN], and
/// their rate [DN per read].
pub(crate) struct Line {
    start: Lanes<f64>,
    rate: Lanes<f64>,
}

impl Line {
    /// The line through two samples of a pixel.
    ///
    /// Sound are those that are finite and not DO_NOT_USE; good are those that are not SATURATED either.
    /// - With two good ones or more: the first sound one, and of the sound ones counted from it on, the one
    ///   at the place of the last but one of the good, at least the second. (The last good one may have begun
    ///   to saturate.)
    /// - With a single good one: that and one of those that are DO_NOT_USE, but finite, above the floor of the
    ///   A/D converter and not SATURATED: the next one, or else the nearest before. Mostly it is the
    ///   resultant in which the pixel saturates: its reads from then on tell of the limit, but those before
    ///   of the rate. Without such a one, the first two sound ones: the saturated one, as it is, tells at
    ///   least that the rate is high.
    ///
    /// The rate is 0 if there are no two.
    #[inline(always)]
    pub fn of_samples(
        data: &[&mut [f32]],
        groupdq: &[&mut [u8]],
        terms: &[Lanes<f64>],
        reads: &[Reads],
        cols: &Range<usize>,
    ) -> Self {
        let (mut n_sound, mut n_good) = (Lanes::all(0_u32), Lanes::all(0_u32));
        let mut has_spare = Lanes::all(0_u32);
        for (samples, groupdq) in data.iter().zip(groupdq) {
            let (samples, flags) = (load(samples, cols), load(groupdq, cols));
            for lane in 0..LANES {
                let is_sound = is_sound(samples[lane], flags[lane]);
                n_sound[lane] += is_sound;
                n_good[lane] += is_sound & is_unsaturated(flags[lane]);
                has_spare[lane] |= is_spare(samples[lane], flags[lane]);
            }
        }
        let (mut first, mut last) = (Chosen::none(), Chosen::none());
        let mut n_seen = Lanes::all(0_u32);
        // Of the lanes with a single good sample and spare ones: where the search for the nearest ends.
        let (mut has_good, mut is_found) = (Lanes::all(0_u32), Lanes::all(0_u32));
        for ((samples, groupdq), reads) in data.iter().zip(groupdq).zip(reads) {
            let (samples, flags) = (load(samples, cols), load(groupdq, cols));
            let (mut is_first, mut is_last) = (Lanes::all(0_u32), Lanes::all(0_u32));
            for lane in 0..LANES {
                let is_sound = is_sound(samples[lane], flags[lane]);
                let is_good = is_sound & is_unsaturated(flags[lane]);
                let is_nearest = is_spare(samples[lane], flags[lane]) & (is_found[lane] ^ 1);
                has_good[lane] |= is_good;
                is_found[lane] |= is_nearest & has_good[lane];
                let rank = n_good[lane].max(3) - 2;
                let takes_spare = u32::from(n_good[lane] == 1) & has_spare[lane];
                let (of_sound, of_spare) = (takes_spare ^ 1, takes_spare);
                is_first[lane] = of_sound & is_sound & u32::from(n_seen[lane] == 0);
                is_last[lane] = of_sound & is_sound & u32::from(n_seen[lane] == rank);
                is_first[lane] |= of_spare & is_good;
                is_last[lane] |= of_spare & is_nearest;
                n_seen[lane] += is_sound;
            }
            first.choose(&is_first, &samples, &flags, reads.time);
            last.choose(&is_last, &samples, &flags, reads.time);
        }
        let (from, to) = (first.linear(terms), last.linear(terms));
        let (mut start, mut rate) = (Lanes::all(0.0), Lanes::all(0.0));
        for lane in 0..LANES {
            let rise = f64::from(to[lane] - from[lane]);
            let slope = rise / (last.time[lane] - first.time[lane]);
            let has_two = (n_sound[lane] > 1) | ((n_good[lane] == 1) & (has_spare[lane] != 0));
            rate[lane] = if has_two { slope } else { 0.0 };
            start[lane] = f64::from(from[lane]) - rate[lane] * first.time[lane];
        }
        Self { start, rate }
    }

    /// Turns the coefficients of I into those of the reads as a polynomial of time, by repeated division.
    /// Returns 0, or NaN where a coefficient or the line is not finite: what is added to such a sample.
    #[inline(always)]
    pub fn expand(&self, curve: &mut [Lanes<f64>]) -> Lanes<f64> {
        let degree = curve.len() - 1;
        for m in 0..degree {
            for k in (m..degree).rev() {
                let (lower, higher) = curve.split_at_mut(k + 1);
                for lane in 0..LANES {
                    lower[k][lane] += self.start[lane] * higher[0][lane];
                }
            }
        }
        let mut power = self.rate;
        for term in &mut curve[1..] {
            for lane in 0..LANES {
                term[lane] *= power[lane];
                power[lane] *= self.rate[lane];
            }
        }
        let mut unknown = Lanes::all(0.0);
        for lane in 0..LANES {
            let is_known = curve[0][lane].is_finite() & self.rate[lane].is_finite();
            unknown[lane] = if is_known { 0.0 } else { f64::NAN };
        }
        unknown
    }
}

#[inline(always)]
fn is_sound(sample: f32, flags: u8) -> u32 {
    u32::from(sample.is_finite() & (flags & group::DO_NOT_USE == 0))
}

#[inline(always)]
fn is_unsaturated(flags: u8) -> u32 {
    u32::from(flags & group::SATURATED == 0)
}

/// Whether a sample that is not to be used still tells of the rate, if no other does.
#[inline(always)]
fn is_spare(sample: f32, flags: u8) -> u32 {
    let without = group::SATURATED | group::AD_FLOOR;
    u32::from(sample.is_finite() & (flags & (without | group::DO_NOT_USE) == group::DO_NOT_USE))
}

/// A sample of each lane.
struct Chosen {
    sample: Lanes,
    time: Lanes<f64>,
    is_saturated: Lanes<u32>,
}

impl Chosen {
    #[inline(always)]
    fn none() -> Self {
        Self {
            sample: Lanes::all(0.0),
            time: Lanes::all(0.0),
            is_saturated: Lanes::all(0),
        }
    }

    /// Takes the samples of the lanes in `choice`.
    #[inline(always)]
    fn choose(&mut self, choice: &Lanes<u32>, samples: &Lanes, flags: &Lanes<u8>, time: f64) {
        self.sample = select(choice, samples, &self.sample);
        for lane in 0..LANES {
            let is_saturated = u32::from(flags[lane] & group::SATURATED);
            let is_chosen = choice[lane] != 0;
            self.time[lane] = if is_chosen { time } else { self.time[lane] };
            self.is_saturated[lane] = if is_chosen {
                is_saturated
            } else {
                self.is_saturated[lane]
            };
        }
    }

    /// Linear counts, in f32 as those of the classic correction; of saturated samples as they are.
    #[inline(always)]
    fn linear(&self, terms: &[Lanes<f64>]) -> Lanes {
        let (highest, lower) = terms
            .split_last()
            .expect("there are two coefficients or more");
        let mut linear = Lanes::all(0.0);
        for lane in 0..LANES {
            linear[lane] = highest[lane] as f32;
        }
        for term in lower.iter().rev() {
            for lane in 0..LANES {
                linear[lane] = linear[lane] * self.sample[lane] + term[lane] as f32;
            }
        }
        select(&self.is_saturated, &self.sample, &linear)
    }
}
