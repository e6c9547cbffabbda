//! What the first resultant of each row has too much of, on average.
//!
//! The first resultant should lie on the line through the second and the third. What it lies above that
//! is averaged over the pixels of its row, but for those that are brighter than half of the row, by the
//! difference of the fifth and the fourth resultant, and for outliers: up to five times, what is farther
//! than three standard deviations from the median goes.
//!
//! The last two resultants serve no other purpose. A pixel that is SATURATED in one of them is bright; one
//! that has no sample to be used there cannot be judged, and counts.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::band::RampBand;
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};

/// Resultants that are looked at.
pub const N_RESULTANTS: usize = 5;

/// Those of them that give the excess; the others tell how bright a pixel is.
const OF_EXCESS: Range<usize> = 0..3;
const OF_RISE: Range<usize> = 3..5;

const N_SIGMA: f64 = 3.0;
const MAX_CLIPS: usize = 5;

/// The mean of each row, as its columns come to be seen.
pub struct Rows {
    /// Time from the first resultant to the second, and from that to the third [s].
    intervals: [f64; 2],
    n_cols: usize,
    rows: Vec<Mutex<Row>>,
}

enum Row {
    /// By column: what the first resultant has too much of [DN], NaN where the pixel does not count; the
    /// difference of the fifth and the fourth [DN], NaN where it is not known; and how many columns have
    /// been seen.
    InPart {
        excess: Vec<f64>,
        rise: Vec<f32>,
        n_seen: usize,
    },
    /// The mean of the excess [DN]; NaN where no pixel is left.
    Whole(f64),
}

impl Rows {
    /// Of so many rows and columns, none of which has been seen. The pattern has five resultants or more.
    pub fn new(pattern: &ReadPattern, (n_rows, n_cols): (usize, usize)) -> Self {
        let times = pattern.times();
        let not_seen = || {
            Mutex::new(Row::InPart {
                excess: Vec::new(),
                rise: Vec::new(),
                n_seen: 0,
            })
        };
        Self {
            intervals: [times[1] - times[0], times[2] - times[1]],
            n_cols,
            rows: (0..n_rows).map(|_| not_seen()).collect(),
        }
    }

    /// Sees some columns, from `first_col` on, of some rows, from `first_row` on. Each pixel is seen once.
    pub fn see(&self, piece: &RampBand<'_>, (first_row, first_col): (usize, usize)) {
        for r in 0..piece.shape().1 {
            let row = &self.rows[first_row + r];
            let mut row = row.lock().unwrap_or_else(PoisonError::into_inner);
            row.see(piece, r, first_col, self.n_cols, self.intervals);
        }
    }

    /// The means of all rows [DN].
    pub fn means(self) -> Vec<f64> {
        let rows = self.rows.into_iter();
        rows.map(
            |row| match row.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Row::Whole(mean) => mean,
                Row::InPart { .. } => f64::NAN,
            },
        )
        .collect()
    }
}

impl Row {
    /// Sees the columns of row `r` of a piece, which are those from `first_col` on of `n_cols`.
    fn see(
        &mut self,
        piece: &RampBand<'_>,
        r: usize,
        first_col: usize,
        n_cols: usize,
        [to_second, to_third]: [f64; 2],
    ) {
        let Self::InPart {
            excess,
            rise,
            n_seen,
        } = self
        else {
            return;
        };
        if excess.is_empty() {
            excess.resize(n_cols, f64::NAN);
            rise.resize(n_cols, f32::NAN);
        }
        let (data, groupdq) = (piece.data.view(), piece.groupdq.view());
        let pixeldq = piece.pixeldq.view();
        let of_piece = data.dim().2;
        for c in 0..of_piece {
            let sample = |g: usize| data[[g, r, c]];
            let flags =
                |mut of: Range<usize>, which: u8| of.any(|g| groupdq[[g, r, c]] & which != 0);
            let is_bad = pixeldq[[r, c]] & pixel::DO_NOT_USE != 0;
            let is_saturated = flags(OF_RISE, group::SATURATED);
            if is_bad || is_saturated || flags(OF_EXCESS, group::UNUSABLE) {
                continue;
            }
            let rate = f64::from(sample(2) - sample(1)) / to_third;
            let expected = f64::from(sample(1)) - rate * to_second;
            excess[first_col + c] = f64::from(sample(0)) - expected;
            if !flags(OF_RISE, group::UNUSABLE) {
                rise[first_col + c] = sample(4) - sample(3);
            }
        }
        *n_seen += of_piece;
        if *n_seen == n_cols {
            *self = Self::Whole(mean_of_row(excess, rise));
        }
    }
}

/// The mean excess of a row.
fn mean_of_row(excess: &[f64], rise: &[f32]) -> f64 {
    let mut rises: Vec<_> = rise.iter().copied().filter(|rise| !rise.is_nan()).collect();
    let half = median(&mut rises, f32::total_cmp, |x, y| (x + y) / 2.0);
    let is_bright = |rise: f32| half.is_some_and(|half| rise > half);
    let pixels = excess.iter().zip(rise);
    let faint = pixels.filter(|&(excess, &rise)| !is_bright(rise) && excess.is_finite());
    clipped_mean(faint.map(|(excess, _)| *excess).collect())
}

/// The mean without outliers; NaN of nothing.
fn clipped_mean(mut values: Vec<f64>) -> f64 {
    for _ in 0..MAX_CLIPS {
        let Some(middle) = median(&mut values, f64::total_cmp, |x, y| (x + y) / 2.0) else {
            return f64::NAN;
        };
        let mean = mean_near(middle, &values);
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let deviation = (squares.sum::<f64>() / values.len() as f64).sqrt();
        let near = middle - N_SIGMA * deviation..=middle + N_SIGMA * deviation;
        let n_before = values.len();
        values.retain(|value| near.contains(value));
        if values.len() == n_before {
            return mean;
        }
    }
    match values[..] {
        [] => f64::NAN,
        [some, ..] => mean_near(some, &values),
    }
}

/// The mean of values that lie about another: their differences are added with less rounding.
fn mean_near(about: f64, values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|value| value - about).sum();
    about + sum / values.len() as f64
}

/// The median, of an even number of values the mean of the two in the middle. Changes their order.
fn median<T: Copy>(
    values: &mut [T],
    compare: impl Fn(&T, &T) -> std::cmp::Ordering,
    mean: impl Fn(T, T) -> T,
) -> Option<T> {
    if values.is_empty() {
        return None;
    }
    let half = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, &compare);
    let lower = below.iter().copied().max_by(|x, y| compare(x, y));
    match lower {
        Some(lower) if !is_odd => Some(mean(lower, upper)),
        _ => Some(upper),
    }
}
