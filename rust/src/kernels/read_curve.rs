//! Where the reads of a resultant lie about their mean: along a line of linear counts, bent by the inverse.
//!
//! With L of a first sample, F, and of a later one, Z, `rate = (Z - F) / (t_Z - t_F)`. A read at time t
//! would be measured as `u(t) = I(F + rate (t - t_F))`, which is a polynomial of time: its coefficients
//! `q_m` are those of I about the line's value at time 0, times powers of the rate. So the reads are at
//! `sum_m q_m (t_k^m - mean(t^m))` from their mean, where the brackets are the same for all pixels.
//!
//! Source: romancal 1.1.0, with the corrections that `docs/deviations.md` tells.

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
    /// The line through the first and a later sample, of those that are neither DO_NOT_USE nor NaN. The later
    /// one is the last but one of those that are not SATURATED either, counted from the first on, but at least
    /// the second. (The last of them may have begun to saturate. Where there is but one, the saturated one
    /// after it tells at least that the rate is high: it is taken as it is.) The rate is 0 if there are no two.
    #[inline(always)]
    pub fn of_samples(
        data: &[&mut [f32]],
        groupdq: &[&mut [u8]],
        terms: &[Lanes<f64>],
        reads: &[Reads],
        cols: &Range<usize>,
    ) -> Self {
        // How many can be used for it, and how many of these are not saturated.
        let (mut n_sound, mut n_unsaturated) = (Lanes::all(0_u32), Lanes::all(0_u32));
        for (samples, groupdq) in data.iter().zip(groupdq) {
            let (samples, flags) = (load(samples, cols), load(groupdq, cols));
            for lane in 0..LANES {
                let is_sound = is_sound(samples[lane], flags[lane]);
                n_sound[lane] += is_sound;
                n_unsaturated[lane] += is_sound & u32::from(flags[lane] & group::SATURATED == 0);
            }
        }
        let (mut first, mut last) = (Chosen::none(), Chosen::none());
        let mut seen = Lanes::all(0_u32);
        for ((samples, groupdq), reads) in data.iter().zip(groupdq).zip(reads) {
            let (samples, flags) = (load(samples, cols), load(groupdq, cols));
            let (mut is_first, mut is_last) = (Lanes::all(0_u32), Lanes::all(0_u32));
            for lane in 0..LANES {
                let is_sound = is_sound(samples[lane], flags[lane]);
                let rank = n_unsaturated[lane].max(3) - 2;
                is_first[lane] = is_sound & u32::from(seen[lane] == 0);
                is_last[lane] = is_sound & u32::from(seen[lane] == rank);
                seen[lane] += is_sound;
            }
            first.choose(&is_first, &samples, &flags, reads.time);
            last.choose(&is_last, &samples, &flags, reads.time);
        }
        let (from, to) = (first.linear(terms), last.linear(terms));
        let (mut start, mut rate) = (Lanes::all(0.0), Lanes::all(0.0));
        for lane in 0..LANES {
            let rise = f64::from(to[lane] - from[lane]);
            let slope = rise / (last.time[lane] - first.time[lane]);
            rate[lane] = if n_sound[lane] > 1 { slope } else { 0.0 };
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
    u32::from(!sample.is_nan() & (flags & group::DO_NOT_USE == 0))
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
