//! When each resultant was taken: its mean time, and how many reads it averages.

use crate::error::KernelError;

/// Resultants of a pattern at most: the weights of a fit take memory for each pair of them.
const MAX_RESULTANTS: usize = 1024;

/// Reads of a resultant, and the number of a read, at most: more is a slip.
const MAX_READS: u32 = 1_000_000;

/// What the numbers of reads have to be.
pub(crate) const READ_NUMBERS: &str = "read numbers from 1 to 1000000";

/// Times of the resultants of an exposure, in seconds from its reset.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadPattern {
    times: Vec<f64>,
    n_reads: Vec<u32>,
    group_time: f64,
    frame_time: Option<f64>,
}

/// The reads of a resultant, by their numbers: the first of an exposure is 1. Numbers are whole where
/// all reads follow each other by the frame time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reads {
    /// The mean of them.
    pub mean: f64,
    /// The last one.
    pub last: f64,
    /// How many there are.
    pub count: u32,
}

impl Reads {
    /// The number of each.
    pub fn numbers(self) -> impl Iterator<Item = f64> {
        let before_last = (0..self.count).rev();
        before_last.map(move |before| self.last - f64::from(before))
    }
}

impl ReadPattern {
    /// From the mean time and the number of reads of each resultant.
    ///
    /// `group_time` is the time of the last read of the first resultant: a pixel of which only
    /// one sample is usable has its slope from that sample over this time.
    pub fn new(times: Vec<f64>, n_reads: Vec<u32>, group_time: f64) -> Result<Self, KernelError> {
        if times.is_empty() {
            return Err(KernelError::value(
                "times",
                "at least one resultant",
                "none",
            ));
        }
        check_resultants("times", times.len())?;
        if n_reads.len() != times.len() {
            return Err(KernelError::value(
                "n_reads",
                "one number for each of the times",
                format!("{} for {}", n_reads.len(), times.len()),
            ));
        }
        if let Some(time) = times.iter().find(|time| !time.is_finite()) {
            return Err(KernelError::value("times", "finite times", time));
        }
        if let Some(pair) = times.windows(2).find(|pair| pair[1] <= pair[0]) {
            return Err(KernelError::value(
                "times",
                "times that increase",
                format!("{} after {}", pair[1], pair[0]),
            ));
        }
        for &reads in &n_reads {
            check_reads(reads)?;
        }
        check_duration("group_time", group_time)?;
        Ok(Self {
            times,
            n_reads,
            group_time,
            frame_time: None,
        })
    }

    /// The same with the time of one read, which some corrections ask for. Reads that would overlap
    /// those of the next resultant are an error.
    pub fn with_frame_time(self, frame_time: f64) -> Result<Self, KernelError> {
        check_duration("frame_time", frame_time)?;
        let pairs = self.times.windows(2).zip(self.n_reads.windows(2));
        for (index, (times, n_reads)) in pairs.enumerate() {
            let interval = times[1] - times[0];
            let reads = f64::from(n_reads[0]) / 2.0 + f64::from(n_reads[1]) / 2.0;
            // All of these may have been rounded on their way here.
            if reads * frame_time > interval * (1.0 + 1e-6) + 1e-9 * times[1].abs() {
                return Err(KernelError::value(
                    "frame_time",
                    "reads of a resultant that end before those of the next begin",
                    format!(
                        "{frame_time} s for each of {} and {} reads in resultants {index} and {}, \
                         {interval} s apart",
                        n_reads[0],
                        n_reads[1],
                        index + 1
                    ),
                ));
            }
        }
        Ok(Self {
            frame_time: Some(frame_time),
            ..self
        })
    }

    /// `n_resultants` of `n_reads` reads each, one every `group_time` seconds.
    ///
    /// `times[i] = i * group_time + frame_time * (n_reads + 1) / 2`; without a `frame_time` the
    /// reads fill the group. Reads that do not fit in it are an error.
    pub fn evenly_spaced(
        n_resultants: usize,
        group_time: f64,
        n_reads: u32,
        frame_time: Option<f64>,
    ) -> Result<Self, KernelError> {
        if n_resultants == 0 {
            return Err(KernelError::value("n_resultants", "at least 1", 0));
        }
        check_resultants("n_resultants", n_resultants)?;
        check_reads(n_reads)?;
        check_duration("group_time", group_time)?;
        let frame_time = frame_time.unwrap_or(group_time / f64::from(n_reads));
        check_duration("frame_time", frame_time)?;
        let duration = f64::from(n_reads) * frame_time;
        // Both times may have been rounded on their way here.
        if duration > group_time * (1.0 + 1e-6) {
            return Err(KernelError::value(
                "frame_time",
                "reads that fit in the group (n_reads * frame_time <= group_time)",
                format!("{n_reads} * {frame_time} s in {group_time} s"),
            ));
        }
        let mean_of_first = frame_time * (f64::from(n_reads) + 1.0) / 2.0;
        let times = (0..n_resultants)
            .map(|i| i as f64 * group_time + mean_of_first)
            .collect();
        Self::new(times, vec![n_reads; n_resultants], group_time)?.with_frame_time(frame_time)
    }

    /// From the read numbers (the first read of an exposure is 1) of each resultant.
    pub fn from_reads(reads: &[Vec<i64>], frame_time: f64) -> Result<Self, KernelError> {
        check_duration("frame_time", frame_time)?;
        let [first, ..] = reads else {
            return Err(KernelError::value(
                "reads",
                "at least one resultant",
                "none",
            ));
        };
        check_resultants("reads", reads.len())?;
        let mut previous = 0;
        for (index, resultant) in reads.iter().enumerate() {
            if resultant.is_empty() {
                return Err(KernelError::value(
                    "reads",
                    "at least one read in every resultant",
                    format!("none in resultant {index}"),
                ));
            }
            for (position, &read) in resultant.iter().enumerate() {
                if !(1..=i64::from(MAX_READS)).contains(&read) {
                    return Err(KernelError::value(
                        "reads",
                        READ_NUMBERS,
                        format!("{read} in resultant {index}"),
                    ));
                }
                if read <= previous {
                    return Err(KernelError::value(
                        "reads",
                        "read numbers that increase",
                        format!("{read} after {previous} in resultant {index}"),
                    ));
                }
                if position > 0 && read != previous + 1 {
                    return Err(KernelError::value(
                        "reads",
                        "consecutive reads within a resultant",
                        format!("{read} after {previous} in resultant {index}"),
                    ));
                }
                previous = read;
            }
        }
        let middle = |r: &Vec<i64>| (r[0] + r[r.len() - 1]) as f64 / 2.0;
        Self::new(
            reads.iter().map(|r| frame_time * middle(r)).collect(),
            reads.iter().map(|r| r.len() as u32).collect(),
            frame_time * first[first.len() - 1] as f64,
        )?
        .with_frame_time(frame_time)
    }

    /// How many resultants there are.
    pub fn n_resultants(&self) -> usize {
        self.times.len()
    }

    /// Mean time of each resultant, in seconds.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// How many reads each resultant averages.
    pub fn n_reads(&self) -> &[u32] {
        &self.n_reads
    }

    /// Time of the last read of the first resultant, in seconds.
    pub fn group_time(&self) -> f64 {
        self.group_time
    }

    /// Time of one read, in seconds, where it is known.
    pub fn frame_time(&self) -> Option<f64> {
        self.frame_time
    }

    /// The reads of each resultant, where one takes so many seconds.
    ///
    /// Means that are half a number but for the rounding of the times are so to the last bit.
    pub(crate) fn reads(&self, frame_time: f64) -> Vec<Reads> {
        let resultants = self.times.iter().zip(&self.n_reads);
        resultants
            .map(|(time, &count)| {
                let mean = time / frame_time;
                let half = (2.0 * mean).round() / 2.0;
                let mean = if (mean - half).abs() < 1e-6 {
                    half
                } else {
                    mean
                };
                Reads {
                    mean,
                    last: mean + f64::from(count - 1) / 2.0,
                    count,
                }
            })
            .collect()
    }

    /// The same where the pattern knows the time of a read; else an error.
    pub(crate) fn own_reads(&self) -> Result<Vec<Reads>, KernelError> {
        let unknown = || {
            KernelError::value(
                "read_pattern",
                "one that knows the time of a read (frame_time)",
                "one without",
            )
        };
        Ok(self.reads(self.frame_time.ok_or_else(unknown)?))
    }

    /// When each read of a resultant was taken, in reads from the mean time of the first resultant.
    ///
    /// The reads of a resultant follow each other. None where a resultant has several and the time
    /// of one is not known.
    pub(crate) fn read_times(&self) -> Option<Vec<Vec<f64>>> {
        let Some(frame_time) = self.frame_time else {
            // Where each has one read only the ratios of the times matter.
            let is_single = self.n_reads.iter().all(|&reads| reads == 1);
            let times = || self.times.iter().map(|time| vec![time - self.times[0]]);
            return is_single.then(|| times().collect());
        };
        let reads = self.reads(frame_time);
        let from_first = |of: &Reads| of.numbers().map(|read| read - reads[0].mean).collect();
        Some(reads.iter().map(from_first).collect())
    }

    /// Time from each resultant to the next, in seconds.
    ///
    /// Intervals that differ by no more than the rounding of the times are the same to the last bit:
    /// else which of two equal differences is the larger rate would be a matter of rounding.
    pub(crate) fn intervals(&self) -> Vec<f64> {
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        let rounding = 8.0 * f64::EPSILON * first.abs().max(last.abs());
        let mut distinct: Vec<f64> = Vec::new();
        self.times
            .windows(2)
            .map(|pair| {
                let interval = pair[1] - pair[0];
                let known = |other: &f64| (other - interval).abs() <= rounding;
                let same = distinct.iter().copied().find(known);
                same.unwrap_or_else(|| {
                    distinct.push(interval);
                    interval
                })
            })
            .collect()
    }

    /// The same in units of the first: exactly 1 throughout for an even pattern, whatever its times.
    pub(crate) fn relative_intervals(&self) -> Vec<f64> {
        let intervals = self.intervals();
        intervals
            .iter()
            .map(|interval| interval / intervals[0])
            .collect()
    }

    /// Variance of each difference of two neighbouring resultants, for reads of variance 1.
    pub(crate) fn difference_variances(&self) -> Vec<f64> {
        let inverse = |n: u32| 1.0 / f64::from(n);
        self.n_reads
            .windows(2)
            .map(|pair| inverse(pair[0]) + inverse(pair[1]))
            .collect()
    }

    /// Errs unless a ramp of `n_resultants` can have been taken with this pattern.
    pub(crate) fn check(&self, n_resultants: usize) -> Result<(), KernelError> {
        if self.n_resultants() == n_resultants {
            return Ok(());
        }
        Err(KernelError::Value {
            argument: "read_pattern",
            expected: "as many resultants as data has",
            received: format!("{} for {}", self.n_resultants(), n_resultants),
        })
    }
}

fn check_resultants(argument: &'static str, n_resultants: usize) -> Result<(), KernelError> {
    if n_resultants <= MAX_RESULTANTS {
        return Ok(());
    }
    Err(KernelError::value(
        argument,
        "at most 1024 resultants",
        n_resultants,
    ))
}

fn check_reads(n_reads: u32) -> Result<(), KernelError> {
    if (1..=MAX_READS).contains(&n_reads) {
        return Ok(());
    }
    Err(KernelError::value(
        "n_reads",
        "from 1 to 1000000 reads",
        n_reads,
    ))
}

/// Errs unless it is some time.
pub(crate) fn check_duration(argument: &'static str, seconds: f64) -> Result<(), KernelError> {
    if seconds.is_finite() && seconds > 0.0 {
        return Ok(());
    }
    Err(KernelError::value(
        argument,
        "a finite, positive number of seconds",
        seconds,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_spaced_times_are_the_means_of_the_reads() {
        // Reads at 2, 4 | 7, 9: two of 2 s at the start of each group of 5 s.
        let pattern = ReadPattern::evenly_spaced(2, 5.0, 2, Some(2.0)).unwrap();
        assert_eq!(pattern.times(), [3.0, 8.0]);
        assert_eq!(pattern.n_reads(), [2, 2]);
        assert_eq!(pattern.group_time(), 5.0);
    }

    #[test]
    fn reads_give_mean_times_and_the_time_of_the_first_resultants_last_read() {
        let pattern = ReadPattern::from_reads(&[vec![1, 2], vec![3], vec![6, 7, 8]], 3.0).unwrap();
        assert_eq!(pattern.times(), [4.5, 9.0, 21.0]);
        assert_eq!(pattern.n_reads(), [2, 1, 3]);
        assert_eq!(pattern.group_time(), 6.0);
        assert_eq!(pattern.intervals(), [4.5, 12.0]);
        assert_eq!(pattern.difference_variances(), [1.5, 1.0 + 1.0 / 3.0]);
    }

    #[test]
    fn reads_have_their_numbers_back_whatever_their_times() {
        let reads = [vec![1], vec![2, 3], vec![7, 8, 9, 10], vec![999_999]];
        for frame_time in [3.04, 3.16247, 0.1] {
            let pattern = ReadPattern::from_reads(&reads, frame_time).unwrap();
            let back = pattern.own_reads().unwrap();
            for (reads, back) in reads.iter().zip(back) {
                let numbers: Vec<_> = reads.iter().map(|&read| read as f64).collect();
                let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
                assert_eq!((back.mean, back.last), (mean, numbers[numbers.len() - 1]));
                assert_eq!(back.numbers().collect::<Vec<_>>(), numbers);
            }
        }
        // Two reads of 2 s every 5 s: the second pair are the reads at 7 and 9 s.
        let even = ReadPattern::evenly_spaced(2, 5.0, 2, Some(2.0)).unwrap();
        let second = even.own_reads().unwrap()[1];
        assert_eq!((second.mean, second.last, second.count), (4.0, 4.5, 2));
        let unknown = ReadPattern::new(vec![1.0], vec![1], 1.0).unwrap();
        let message = unknown.own_reads().unwrap_err().to_string();
        assert!(message.starts_with("read_pattern: expected one that knows the time of a read"));
    }

    #[test]
    fn reads_follow_each_other_about_the_mean_time_of_their_resultant() {
        let pattern = ReadPattern::from_reads(&[vec![1, 2], vec![3], vec![6, 7, 8]], 3.0).unwrap();
        let expected = [vec![-0.5, 0.5], vec![1.5], vec![4.5, 5.5, 6.5]];
        assert_eq!(pattern.read_times().unwrap(), expected);
        let of_unknown_length = ReadPattern::new(vec![4.5, 9.0], vec![2, 1], 6.0).unwrap();
        assert_eq!(of_unknown_length.frame_time(), None);
        assert_eq!(of_unknown_length.read_times(), None);
        let known = of_unknown_length.with_frame_time(3.0).unwrap();
        assert_eq!(known.read_times().unwrap(), expected[..2]);
        assert!(known.with_frame_time(0.0).is_err());
        let single = ReadPattern::new(vec![4.5, 9.0], vec![1, 1], 6.0).unwrap();
        assert_eq!(single.read_times().unwrap(), [[0.0], [4.5]]);
    }

    #[test]
    fn equal_gaps_are_equal_intervals() {
        for group_time in [1.0, 0.1, 3.04, 5.7, 10.1, 24.32] {
            let even = ReadPattern::evenly_spaced(100, group_time, 1, None).unwrap();
            assert_eq!(even.relative_intervals(), [1.0; 99]);
            let reads: Vec<_> = (0..100).map(|i| vec![3 * i + 1, 3 * i + 2]).collect();
            let pattern = ReadPattern::from_reads(&reads, group_time).unwrap();
            assert_eq!(pattern.relative_intervals(), [1.0; 99]);
        }
        let uneven = ReadPattern::new(vec![1.0, 3.0, 4.0, 6.0], vec![1; 4], 1.0).unwrap();
        assert_eq!(uneven.relative_intervals(), [1.0, 0.5, 1.0]);
    }

    #[test]
    fn patterns_that_cannot_be_are_refused() {
        let message = |pattern: Result<ReadPattern, KernelError>| pattern.unwrap_err().to_string();
        // The time of 3 reads of 0.1 s is above 0.3 s, by rounding only.
        assert!(ReadPattern::evenly_spaced(2, 0.3, 3, Some(0.1)).is_ok());
        let too_long = ReadPattern::evenly_spaced(2, 5.0, 2, Some(2.6));
        assert!(message(too_long).starts_with("frame_time: expected reads that fit"));
        let too_many = ReadPattern::evenly_spaced(usize::MAX, 5.0, 1, None);
        assert!(message(too_many).starts_with("n_resultants: expected at most 1024"));
        let too_many = ReadPattern::evenly_spaced(2, 5.0, u32::MAX, None);
        assert!(message(too_many).starts_with("n_reads: expected from 1 to 1000000"));
        let too_late = ReadPattern::from_reads(&[vec![i64::MAX - 1, i64::MAX]], 1.0);
        assert!(message(too_late).starts_with("reads: expected read numbers from 1 to 1000000"));
    }

    #[test]
    fn wrong_patterns_say_what_is_wrong() {
        let message =
            |reads: &[Vec<i64>]| ReadPattern::from_reads(reads, 1.0).unwrap_err().to_string();
        assert!(message(&[]).contains("at least one resultant"));
        assert!(message(&[vec![1], vec![]]).contains("none in resultant 1"));
        assert!(message(&[vec![0]]).contains("read numbers from 1 to 1000000, got 0"));
        assert!(message(&[vec![1, 2], vec![2]]).contains("increase, got 2 after 2"));
        assert!(message(&[vec![1, 3]]).contains("consecutive"));
        assert!(ReadPattern::from_reads(&[vec![1]], f64::NAN).is_err());
        assert!(ReadPattern::new(vec![1.0, 1.0], vec![1, 1], 1.0).is_err());
        assert!(ReadPattern::new(vec![f64::INFINITY], vec![1], 1.0).is_err());
        assert!(ReadPattern::new(vec![1.0], vec![1, 1], 1.0).is_err());
        assert!(ReadPattern::evenly_spaced(3, 0.0, 1, None).is_err());
        assert!(ReadPattern::evenly_spaced(0, 1.0, 1, None).is_err());
    }
}
