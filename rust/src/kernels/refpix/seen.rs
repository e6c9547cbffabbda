//! What the reference pixels tell, when all of the border has been seen.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis};

use super::frame::{Frame, Side, least_share};
use super::spectra::{BORDER, Plan, Spectra};
use super::trend::Line;
use super::{ReferencePixels, gaps, is_reversed};
use crate::band::Place;
use crate::driver::{Execution, for_each};
use crate::error::KernelError;
use crate::lanes::{blocks, store};
use crate::reference::Cube;

/// Rows of the 33rd amplifier of which one thread makes the means.
const MEAN_ROWS: usize = 128;

/// All that the correction needs to know.
pub struct Seen {
    pub plan: Plan,
    /// The line of each channel, (n_resultants, n_channels).
    pub trends: Array2<Line>,
    /// Of each resultant.
    pub spectra: Vec<Spectra>,
    /// Counts of the 33rd amplifier, without its line, and its gaps filled.
    pub amp33: Array3<u16>,
    /// Which share of the samples of the left, right, top and bottom border and of the 33rd amplifier
    /// tells something, in the resultant where that is least.
    pub usable: [(&'static str, f64); 5],
}

/// A sample of the 33rd amplifier in all resultants.
#[derive(Clone, Copy, Default)]
struct Pixel {
    /// The mean of the samples that are there, or 0 if it is not to be removed.
    mean: f64,
    /// Whether it is missing in all of them.
    is_missing: bool,
}

/// A side of the border, and its samples without their means.
type Settled<'f> = (&'f Side, Array3<f32>);

impl Seen {
    pub fn new(
        kernel: &ReferencePixels<'_>,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
        frame: &mut Frame,
        execution: &mut Execution<'_>,
    ) -> Result<Self, KernelError> {
        let width = kernel.channels.width;
        let n_channels = n_cols / width;
        let last = n_channels - 1;
        let plan = Plan::new(n_rows, width, last_columns(width, is_reversed(last)));
        let [left, right, top, bottom] =
            frame.sides_mut().map(|side| side.settle(&kernel.switches));
        let top_and_bottom = [(&frame.top, top), (&frame.bottom, bottom)];
        let trends = Array2::from_shape_fn((n_resultants, n_channels), |(g, channel)| {
            if kernel.switches.remove_trends {
                trend(&plan, &top_and_bottom, g, channel)
            } else {
                Line::default()
            }
        });
        let left_and_right = [((&frame.left, left), 0), ((&frame.right, right), last)];
        let pixels = pixels_of_amp33(kernel, (n_resultants, n_rows), execution)?;
        let mut amp33 = Array3::zeros((n_resultants, n_rows, width));
        let mut made: Vec<Option<(Spectra, f64)>> = (0..n_resultants).map(|_| None).collect();
        let resultants = made.iter_mut().zip(amp33.outer_iter_mut());
        for_each(
            resultants.enumerate().collect(),
            |(g, (made, corrected))| {
                let (sequence, usable) = sequence_of_amp33(kernel, &plan, &pixels, g);
                restore(&pixels, &sequence, corrected);
                let columns: Vec<_> = (0..n_rows)
                    .map(|y| columns(&plan, &left_and_right, &trends, (g, y)))
                    .collect();
                *made = Some((plan.spectra(&columns, &sequence), usable));
            },
            execution,
        )?;
        let (spectra, of_amp33): (Vec<_>, Vec<f64>) = made.into_iter().flatten().unzip();
        let of_side = |side: &Side| least_share(&side.is_valid);
        Ok(Self {
            plan,
            trends,
            spectra,
            amp33,
            usable: [
                ("usable_left", of_side(&frame.left)),
                ("usable_right", of_side(&frame.right)),
                ("usable_top", of_side(&frame.top)),
                ("usable_bottom", of_side(&frame.bottom)),
                ("usable_amp33", of_amp33.into_iter().fold(1.0, f64::min)),
            ],
        })
    }
}

/// The time steps of the last four columns of a channel.
fn last_columns(width: usize, is_reversed: bool) -> [usize; BORDER] {
    std::array::from_fn(|i| {
        if is_reversed {
            BORDER - 1 - i
        } else {
            width - BORDER + i
        }
    })
}

/// The line through the valid samples of a channel's first and last rows.
fn trend(plan: &Plan, sides: &[Settled<'_>; 2], g: usize, channel: usize) -> Line {
    let width = plan.width();
    Line::through(sides.iter().flat_map(|(side, deviations)| {
        let pixels = (0..BORDER).flat_map(|r| (0..width).map(move |col| (r, col)));
        pixels.filter_map(move |(r, col)| {
            let at = [g, r, channel * width + col];
            let step = plan.step(col, is_reversed(channel));
            let time = f64::from(plan.time(side.rows.start + r, step));
            side.is_valid[at].then(|| (time, f64::from(deviations[at])))
        })
    }))
}

/// A row of the left and of the right border, with the channels that they belong to: without their lines,
/// and 0 where there is no valid sample.
fn columns(
    plan: &Plan,
    sides: &[(Settled<'_>, usize); 2],
    trends: &Array2<Line>,
    (g, y): (usize, usize),
) -> [f32; 2 * BORDER] {
    std::array::from_fn(|i| {
        let ((side, deviations), channel) = &sides[i / BORDER];
        let at = [g, y, i % BORDER];
        if !side.is_valid[at] {
            return 0.0;
        }
        let time = f64::from(plan.time(y, plan.border_step(i)));
        (f64::from(deviations[at]) - trends[[g, *channel]].at(time)) as f32
    })
}

/// The sequence of the 33rd amplifier, which begins in the same direction as that of the first channel:
/// without its means and its line, and gaps filled. And which share of its samples was there.
fn sequence_of_amp33(
    kernel: &ReferencePixels<'_>,
    plan: &Plan,
    pixels: &Array2<Pixel>,
    g: usize,
) -> (Vec<f32>, f64) {
    let (n_rows, width) = pixels.dim();
    let cycle = plan.cycle();
    let switches = &kernel.switches;
    let mut values = vec![0.0; n_rows * cycle];
    let mut is_valid = vec![false; n_rows * cycle];
    let rows = values.chunks_exact_mut(cycle);
    let rows = rows.zip(is_valid.chunks_exact_mut(cycle));
    for ((y, pixels), (row, is_valid)) in pixels.outer_iter().enumerate().zip(rows) {
        read_counts(&kernel.amp33, g, y, &mut row[..width]);
        for ((count, is_valid), pixel) in row.iter_mut().zip(is_valid).zip(pixels) {
            *is_valid = switches.is_valid_count(*count, pixel.mean);
            *count = if *is_valid {
                (f64::from(*count) - pixel.mean) as f32
            } else {
                0.0
            };
        }
    }
    if switches.remove_trends {
        let time = |t: usize| f64::from(plan.time(0, t));
        let rows = (0..BORDER).chain(n_rows - BORDER..n_rows);
        let steps = rows.flat_map(|y| y * cycle..y * cycle + width);
        let valid = steps.filter(|&t| is_valid[t]);
        let line = Line::through(valid.map(|t| (time(t), f64::from(values[t]))));
        for (t, (value, &is_valid)) in values.iter_mut().zip(&is_valid).enumerate() {
            if is_valid {
                *value = (f64::from(*value) - line.at(time(t))) as f32;
            }
        }
    }
    if switches.cosine_interpolate {
        gaps::fill(&mut values, &is_valid, kernel.channels.gap_kernel);
    }
    if switches.fft_interpolate {
        gaps::smooth_pauses(&mut values, width, cycle);
    }
    let n_valid = is_valid.iter().filter(|&&is_valid| is_valid).count();
    (values, n_valid as f64 / pixels.len() as f64)
}

/// What the samples of the 33rd amplifier are in all resultants, (n_rows, columns of a channel).
fn pixels_of_amp33(
    kernel: &ReferencePixels<'_>,
    (n_resultants, n_rows): (usize, usize),
    execution: &mut Execution<'_>,
) -> Result<Array2<Pixel>, KernelError> {
    let width = kernel.channels.width;
    let mut pixels = Array2::<Pixel>::default((n_rows, width));
    let bands = pixels.axis_chunks_iter_mut(Axis(0), MEAN_ROWS).enumerate();
    for_each(
        bands.collect(),
        |(band, mut pixels)| {
            let mut rows = vec![vec![0.0; width]; n_resultants];
            let mut counts = vec![0.0; n_resultants];
            let mut is_valid = vec![false; n_resultants];
            for (r, mut pixels) in pixels.outer_iter_mut().enumerate() {
                for (g, row) in rows.iter_mut().enumerate() {
                    read_counts(&kernel.amp33, g, band * MEAN_ROWS + r, row);
                }
                for (step, pixel) in pixels.iter_mut().enumerate() {
                    for ((count, is_valid), row) in counts.iter_mut().zip(&mut is_valid).zip(&rows)
                    {
                        *count = row[step];
                        *is_valid = *count != 0.0;
                    }
                    let switches = &kernel.switches;
                    pixel.is_missing = !switches.zero_is_missing && !is_valid.contains(&true);
                    pixel.mean = switches.mean(&counts, &mut is_valid);
                }
            }
        },
        execution,
    )?;
    Ok(pixels)
}

/// Adds means to a sequence, to have counts again. What is missing in all resultants has no mean, and
/// stays 0: who looks at it again is to find it missing.
fn restore(pixels: &Array2<Pixel>, sequence: &[f32], mut counts: ArrayViewMut2<'_, u16>) {
    let rows = sequence.chunks_exact(sequence.len() / pixels.nrows());
    for ((mut counts, pixels), row) in counts.outer_iter_mut().zip(pixels.outer_iter()).zip(rows) {
        for ((count, pixel), &value) in counts.iter_mut().zip(pixels).zip(row) {
            if pixel.is_missing {
                *count = 0;
            } else {
                // A conversion to an integer cuts what follows the point, and what is beyond its range.
                *count = (f64::from(value) + pixel.mean + 0.5) as u16;
            }
        }
    }
}

/// A row of counts of a resultant.
fn read_counts(amp33: &Cube<'_, u16>, resultant: usize, y: usize, into: &mut [f32]) {
    let place = Place::of_image(into.len());
    let row = amp33.plane(resultant).row(&place, y);
    for cols in blocks(into.len()) {
        store(&row.block(&cols).map(f32::from), into, &cols);
    }
}
