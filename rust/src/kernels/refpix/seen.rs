//! What the reference pixels tell, when all of the border has been seen.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis};

use super::frame::{Frame, Side};
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
        let means = means_of_amp33(kernel, (n_resultants, n_rows), execution)?;
        let mut amp33 = Array3::zeros((n_resultants, n_rows, width));
        let mut spectra: Vec<Option<Spectra>> = (0..n_resultants).map(|_| None).collect();
        let resultants = spectra.iter_mut().zip(amp33.outer_iter_mut());
        for_each(
            resultants.enumerate().collect(),
            |(g, (spectra, corrected))| {
                let sequence = sequence_of_amp33(kernel, &plan, &means, g);
                restore(&means, &sequence, corrected);
                let columns: Vec<_> = (0..n_rows)
                    .map(|y| columns(&plan, &left_and_right, &trends, (g, y)))
                    .collect();
                *spectra = Some(plan.spectra(&columns, &sequence));
            },
            execution,
        )?;
        Ok(Self {
            plan,
            trends,
            spectra: spectra.into_iter().flatten().collect(),
            amp33,
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
/// without its means and its line, and gaps filled.
fn sequence_of_amp33(
    kernel: &ReferencePixels<'_>,
    plan: &Plan,
    means: &Array2<f64>,
    g: usize,
) -> Vec<f32> {
    let (n_rows, width) = means.dim();
    let cycle = plan.cycle();
    let switches = &kernel.switches;
    let mut values = vec![0.0; n_rows * cycle];
    let mut is_valid = vec![false; n_rows * cycle];
    let rows = values.chunks_exact_mut(cycle);
    let rows = rows.zip(is_valid.chunks_exact_mut(cycle));
    for ((y, means), (row, is_valid)) in means.outer_iter().enumerate().zip(rows) {
        read_counts(&kernel.amp33, g, y, &mut row[..width]);
        for ((count, is_valid), &mean) in row.iter_mut().zip(is_valid).zip(means) {
            *is_valid = switches.is_valid_count(*count, mean);
            *count = if *is_valid {
                (f64::from(*count) - mean) as f32
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
    values
}

/// Means over the resultants of the samples of the 33rd amplifier, (n_rows, columns of a channel).
fn means_of_amp33(
    kernel: &ReferencePixels<'_>,
    (n_resultants, n_rows): (usize, usize),
    execution: &mut Execution<'_>,
) -> Result<Array2<f64>, KernelError> {
    let width = kernel.channels.width;
    let mut means = Array2::zeros((n_rows, width));
    let bands = means.axis_chunks_iter_mut(Axis(0), MEAN_ROWS).enumerate();
    for_each(
        bands.collect(),
        |(band, mut means)| {
            let mut rows = vec![vec![0.0; width]; n_resultants];
            let mut counts = vec![0.0; n_resultants];
            let mut is_valid = vec![false; n_resultants];
            for (r, mut means) in means.outer_iter_mut().enumerate() {
                for (g, row) in rows.iter_mut().enumerate() {
                    read_counts(&kernel.amp33, g, band * MEAN_ROWS + r, row);
                }
                for (step, mean) in means.iter_mut().enumerate() {
                    for ((count, is_valid), row) in counts.iter_mut().zip(&mut is_valid).zip(&rows)
                    {
                        *count = row[step];
                        *is_valid = *count != 0.0;
                    }
                    *mean = kernel.switches.mean(&counts, &mut is_valid);
                }
            }
        },
        execution,
    )?;
    Ok(means)
}

/// Adds means to a sequence, to have counts again.
fn restore(means: &Array2<f64>, sequence: &[f32], mut counts: ArrayViewMut2<'_, u16>) {
    let rows = sequence.chunks_exact(sequence.len() / means.nrows());
    for ((mut counts, means), row) in counts.outer_iter_mut().zip(means.outer_iter()).zip(rows) {
        for ((count, mean), &value) in counts.iter_mut().zip(means).zip(row) {
            // A conversion to an integer cuts what follows the point, and what is beyond its range.
            *count = (f64::from(value) + mean + 0.5) as u16;
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
