//! The kernel when it has seen the border: makes the correction of a channel where one is asked for, and
//! subtracts it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ndarray::{Array2, Array3, ArrayViewMut3, Axis};

use super::fft::Row;
use super::frame::{Frame, Side, common, less};
use super::seen::Seen;
use super::spectra::{BORDER, Plan, Spectra, Work};
use super::trend::Line;
use super::{ReferencePixels, is_reversed};
use crate::band::{BandKernel, Changes, Found, RampBand, part_mut};
use crate::dq::pixel;
use crate::error::KernelError;
use crate::lanes::{row, rows_mut, vectorised};

/// Series of channels that are kept for tiles to come, besides those that tiles are using: a tile with
/// pixels around it needs that of the next channel, whose tile is the next.
const KEPT: usize = 2;

/// Corrects ramps of which it has seen the border. A row of a channel is two halves of H columns.
pub struct Concluded<'k, 'a, const H: usize> {
    kernel: &'k ReferencePixels<'a>,
    plan: Plan,
    trends: Array2<Line>,
    spectra: Vec<Spectra>,
    frame: Frame,
    made: Mutex<Made>,
    /// Of each side of the border and of the 33rd amplifier, see [`Seen::usable`].
    usable: [(&'static str, f64); 5],
    /// The series of each channel while someone uses them, and the last ones.
    series: Vec<Mutex<Weak<Series<H>>>>,
    kept: Mutex<VecDeque<Arc<Series<H>>>>,
    /// Memory that no thread is working with.
    spare: Mutex<Vec<Work<H>>>,
}

/// What is made besides the ramp: the corrected sides of the border, and the 33rd amplifier; and for each
/// channel how many of its coefficients are not finite.
struct Made {
    left: Array3<f32>,
    right: Array3<f32>,
    top: Array3<f32>,
    bottom: Array3<f32>,
    amp33: Array3<u16>,
    n_unusable: Vec<usize>,
}

/// What is to be subtracted from a channel [DN]: its rows of all resultants, one after the other, columns
/// as in the image.
struct Series<const H: usize> {
    n_rows: usize,
    rows: Vec<Row<H>>,
}

impl<const H: usize> Series<H> {
    fn row(&self, resultant: usize, y: usize) -> &Row<H> {
        &self.rows[resultant * self.n_rows + y]
    }

    fn at(&self, resultant: usize, y: usize, col: usize) -> f32 {
        let row = self.row(resultant, y);
        if col < H {
            row.re[col]
        } else {
            row.im[col - H]
        }
    }
}

/// The correction of some columns of the image, all of one channel.
struct Part<const H: usize> {
    channel: usize,
    cols: Range<usize>,
    held: Held<H>,
}

/// The series of a channel, or a copy of a few columns: so that the neighbours of a tile's own channel do
/// not stay in memory for them.
enum Held<const H: usize> {
    Whole(Arc<Series<H>>),
    Strip(Array3<f32>),
}

/// The kernel for some columns.
struct Tile<'c, 'k, 'a, const H: usize> {
    of: &'c Concluded<'k, 'a, H>,
    parts: Vec<Part<H>>,
}

impl<'k, 'a, const H: usize> Concluded<'k, 'a, H> {
    pub fn new(kernel: &'k ReferencePixels<'a>, seen: Seen, frame: Frame) -> Self {
        let side = |side: &Side| Array3::zeros(side.samples.dim());
        let made = Made {
            left: side(&frame.left),
            right: side(&frame.right),
            top: side(&frame.top),
            bottom: side(&frame.bottom),
            amp33: seen.amp33,
            n_unusable: vec![0; seen.trends.ncols()],
        };
        let n_channels = seen.trends.ncols();
        Self {
            kernel,
            plan: seen.plan,
            trends: seen.trends,
            spectra: seen.spectra,
            usable: seen.usable,
            frame,
            made: Mutex::new(made),
            series: (0..n_channels).map(|_| Mutex::default()).collect(),
            kept: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    fn parts(&self, cols: &Range<usize>) -> Vec<Part<H>> {
        let channels = cols.start / (2 * H)..cols.end.div_ceil(2 * H);
        channels
            .map(|channel| {
                let of_channel = 2 * H * channel..2 * H * (channel + 1);
                let cols = common(&of_channel, cols);
                let series = self.series(channel);
                let held = if cols.len() > H {
                    Held::Whole(series)
                } else {
                    let own = less(&cols, of_channel.start);
                    let shape = (self.spectra.len(), series.n_rows, own.len());
                    let value = |(g, y, c)| series.at(g, y, own.start + c);
                    Held::Strip(Array3::from_shape_fn(shape, value))
                };
                Part {
                    channel,
                    cols,
                    held,
                }
            })
            .collect()
    }

    /// The series of a channel: made, unless they are there. Who asks for the same meanwhile, waits.
    fn series(&self, channel: usize) -> Arc<Series<H>> {
        let mut known = lock(&self.series[channel]);
        if let Some(series) = known.upgrade() {
            return series;
        }
        let series = Arc::new(self.make(channel, self.make_room()));
        self.note_border(channel, &series);
        *known = Arc::downgrade(&series);
        lock(&self.kept).push_back(Arc::clone(&series));
        series
    }

    /// Lets the oldest of the series go that are kept, and gives its memory, unless a tile is using it.
    fn make_room(&self) -> Option<Vec<Row<H>>> {
        let mut kept = lock(&self.kept);
        if kept.len() < KEPT {
            return None;
        }
        let oldest = Arc::into_inner(kept.pop_front()?)?;
        Some(oldest.rows)
    }

    fn make(&self, channel: usize, memory: Option<Vec<Row<H>>>) -> Series<H> {
        let n_rows = self.frame.left.rows.len();
        let rows = memory.unwrap_or_else(|| vec![Row::ZERO; self.spectra.len() * n_rows]);
        let mut series = Series { n_rows, rows };
        let spare = lock(&self.spare).pop();
        let mut work = spare.unwrap_or_else(|| self.plan.work());
        let coefficients = self.kernel.coefficients().map(|(_, plane)| plane);
        let n_unusable = self.plan.read(channel, coefficients, &mut work);
        lock(&self.made).n_unusable[channel] = n_unusable;
        let lines = (is_reversed(channel), self.trends.column(channel));
        self.plan
            .series(&self.spectra, lines, &mut work, &mut series.rows);
        lock(&self.spare).push(work);
        series
    }

    /// Corrects the reference pixels of a channel, for those who want them besides the image.
    fn note_border(&self, channel: usize, series: &Series<H>) {
        let mut made = lock(&self.made);
        let Made {
            left,
            right,
            top,
            bottom,
            ..
        } = &mut *made;
        let of_channel = 2 * H * channel..2 * H * (channel + 1);
        for (side, made) in [
            (&self.frame.left, left),
            (&self.frame.right, right),
            (&self.frame.top, top),
            (&self.frame.bottom, bottom),
        ] {
            let cols = common(&side.cols, &of_channel);
            for g in 0..self.spectra.len() {
                for r in 0..side.rows.len() {
                    for col in cols.clone() {
                        let at = [g, r, col - side.cols.start];
                        let (y, own) = (side.rows.start + r, col - of_channel.start);
                        let value = series.at(g, y, own);
                        let (sample, is_valid) = (side.samples[at], side.is_valid[at]);
                        made[at] = if is_valid {
                            sample - value
                        } else {
                            self.without_trend(sample, value, (g, channel, y, own))
                        };
                    }
                }
            }
        }
    }

    /// A sample that is missing has no part in the line, nor is the line taken off.
    fn without_trend(
        &self,
        sample: f32,
        value: f32,
        (g, channel, y, col): (usize, usize, usize, usize),
    ) -> f32 {
        let step = self.plan.step(col, is_reversed(channel));
        sample - (value - self.plan.trend_at(self.trends[[g, channel]], y, step))
    }
}

impl<const H: usize> BandKernel for Concluded<'_, '_, H> {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }

    fn changes(&self) -> Changes {
        self.kernel.changes()
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        self.kernel.check(shape)
    }

    fn by_channel(&self) -> bool {
        self.kernel.by_channel()
    }

    fn for_columns(&self, cols: &Range<usize>) -> Option<Box<dyn BandKernel + '_>> {
        Some(Box::new(Tile {
            of: self,
            parts: self.parts(cols),
        }))
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let parts = self.parts(&band.place.cols);
        Tile { of: self, parts }.apply(band);
    }

    fn found(&self) -> Vec<(&'static str, Found)> {
        let mut made = lock(&self.made);
        let n_unusable: usize = made.n_unusable.iter().sum();
        let mut samples = |side: fn(&mut Made) -> &mut Array3<f32>| {
            Found::Samples(std::mem::take(side(&mut made)))
        };
        let mut found = vec![
            ("border_ref_pix_left", samples(|made| &mut made.left)),
            ("border_ref_pix_right", samples(|made| &mut made.right)),
            ("border_ref_pix_top", samples(|made| &mut made.top)),
            ("border_ref_pix_bottom", samples(|made| &mut made.bottom)),
            ("amp33", Found::Counts(std::mem::take(&mut made.amp33))),
            ("unusable_coefficients", Found::Number(n_unusable as f64)),
        ];
        let usable = self.usable.iter();
        found.extend(usable.map(|&(name, share)| (name, Found::Number(share))));
        found
    }
}

impl<const H: usize> BandKernel for Tile<'_, '_, '_, H> {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn changes(&self) -> Changes {
        self.of.changes()
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        self.of.check(shape)
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let (first_row, first_col) = (band.place.first_row, band.place.cols.start);
        let pixeldq = band.pixeldq.view();
        let mut data = band.data.view_mut();
        for part in &self.parts {
            let cols = common(&part.cols, &band.place.cols);
            if cols.is_empty() {
                continue;
            }
            for r in 0..pixeldq.nrows() {
                let flags = &row(pixeldq, r)[less(&cols, first_col)];
                let samples = part_mut(data.view_mut(), r..r + 1, less(&cols, first_col));
                if self.of.kernel.switches.zero_is_missing {
                    self.correct_but_zeros(part, (first_row + r, cols.clone()), flags, samples);
                } else {
                    self.correct(part, (first_row + r, cols.clone()), flags, samples);
                }
            }
        }
    }
}

impl<const H: usize> Tile<'_, '_, '_, H> {
    /// Corrects a row of all resultants.
    fn correct(
        &self,
        part: &Part<H>,
        (y, cols): (usize, Range<usize>),
        flags: &[u32],
        mut data: ArrayViewMut3<'_, f32>,
    ) {
        for (g, samples) in rows_mut(&mut data, 0).into_iter().enumerate() {
            let mut rest = samples;
            for values in part.values(g, y, &cols) {
                let (samples, others) = rest.split_at_mut(values.len());
                subtract(samples, values);
                rest = others;
            }
        }
        for (i, col) in cols.clone().enumerate() {
            if self.is_bad(y, col, flags[i]) {
                for g in 0..data.dim().0 {
                    let value = part.at(g, y, col);
                    data[[g, 0, i]] =
                        self.of
                            .without_trend(0.0, value, (g, part.channel, y, part.own(col)));
                }
            }
        }
    }

    /// The same, where a sample that equals the mean over its resultants counts as missing.
    fn correct_but_zeros(
        &self,
        part: &Part<H>,
        (y, cols): (usize, Range<usize>),
        flags: &[u32],
        mut data: ArrayViewMut3<'_, f32>,
    ) {
        let n_resultants = data.dim().0;
        let mut samples = vec![0.0; n_resultants];
        let mut is_valid = vec![false; n_resultants];
        for (i, col) in cols.enumerate() {
            let is_bad = self.is_bad(y, col, flags[i]);
            for (sample, plane) in samples.iter_mut().zip(data.outer_iter()) {
                *sample = if is_bad { 0.0 } else { plane[[0, i]] };
            }
            self.of.kernel.switches.mean(&samples, &mut is_valid);
            for g in 0..n_resultants {
                let value = part.at(g, y, col);
                data[[g, 0, i]] = if is_valid[g] {
                    samples[g] - value
                } else {
                    let place = (g, part.channel, y, part.own(col));
                    self.of.without_trend(samples[g], value, place)
                };
            }
        }
    }

    /// Whether a pixel is a reference pixel that is flagged bad.
    fn is_bad(&self, y: usize, col: usize, flags: u32) -> bool {
        let (n_rows, n_cols) = (self.of.frame.left.rows.len(), self.of.frame.top.cols.len());
        let inside = |at: usize, n: usize| (BORDER..n - BORDER).contains(&at);
        flags & pixel::BAD_REF_PIXEL != 0 && !(inside(y, n_rows) && inside(col, n_cols))
    }
}

impl<const H: usize> Part<H> {
    /// The column of its channel that one of the image is.
    fn own(&self, col: usize) -> usize {
        col - 2 * H * self.channel
    }

    /// The values of some columns of a row, in two pieces that follow one another.
    fn values(&self, resultant: usize, y: usize, cols: &Range<usize>) -> [&[f32]; 2] {
        match &self.held {
            Held::Whole(series) => {
                let row = series.row(resultant, y);
                let (start, end) = (self.own(cols.start), self.own(cols.start) + cols.len());
                [
                    &row.re[start.min(H)..end.min(H)],
                    &row.im[start.max(H) - H..end.max(H) - H],
                ]
            }
            Held::Strip(values) => {
                let plane = values.index_axis(Axis(0), resultant);
                let own = less(cols, self.cols.start);
                [&row(plane, y)[own], &[]]
            }
        }
    }

    fn at(&self, resultant: usize, y: usize, col: usize) -> f32 {
        match &self.held {
            Held::Whole(series) => series.at(resultant, y, self.own(col)),
            Held::Strip(values) => values[[resultant, y, col - self.cols.start]],
        }
    }
}

vectorised! {
    fn subtract(samples: &mut [f32], values: &[f32]) {
        for (sample, value) in samples.iter_mut().zip(values) {
            *sample -= value;
        }
    }
}

/// What these mutexes guard is whole at any time, so a panic of another thread does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Execution;
    use crate::kernels::refpix::{Channels, Switches};

    #[test]
    fn tiles_in_order_find_the_series_that_their_neighbours_had_made() {
        let (n_rows, n_channels, width) = (8, 5, 32);
        let shape = (2, n_rows, n_channels * width);
        let coefficients = Array2::default((n_channels, Plan::n_frequencies(n_rows, width)));
        let amp33 = Array3::from_elem((2, n_rows, width), 5000);
        let kernel = ReferencePixels {
            amp33: amp33.view().into(),
            gamma: coefficients.view().into(),
            zeta: coefficients.view().into(),
            alpha: coefficients.view().into(),
            switches: Switches::default(),
            channels: Channels {
                width,
                gap_kernel: 32,
            },
        };
        let mut frame = Frame::new(shape);
        let seen = Execution::uninterrupted(|execution| {
            Seen::new(&kernel, shape, &mut frame, execution).unwrap()
        });
        let concluded = Concluded::<16>::new(&kernel, seen, frame);
        let mut known: Vec<Option<*const Series<16>>> = vec![None; n_channels];
        for channel in 0..n_channels {
            // With one column on either side.
            let first = (channel * width).saturating_sub(1);
            let last = ((channel + 1) * width + 1).min(shape.2);
            let tile = concluded.parts(&(first..last));
            assert_eq!(tile.len(), if channel % 4 == 0 { 2 } else { 3 });
            for (made, place) in concluded.series.iter().zip(&mut known) {
                let series = lock(made).upgrade();
                let now = series.as_ref().map(Arc::as_ptr);
                assert!(now.is_none() || place.is_none() || now == *place);
                *place = place.or(now);
            }
            let n_alive = concluded
                .series
                .iter()
                .filter(|made| lock(made).strong_count() > 0);
            assert!(n_alive.count() <= KEPT);
            assert!(
                known[..(channel + 2).min(n_channels)]
                    .iter()
                    .all(Option::is_some)
            );
        }
    }
}
