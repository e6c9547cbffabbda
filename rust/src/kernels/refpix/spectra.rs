//! Spectra of the reference pixels, and the correction of a channel that is made of them.
//!
//! A channel is a sequence in time: n rows of as many samples as it has columns, and of [`PAUSE`] steps
//! between rows, C in all; L = n C. A frequency k, from 0 to L - 1, is `k = k1 + n k2`, a time
//! `t = C y + j`, and so
//!
//! ```text
//! sum over k of X[k] e(k t / L) = sum over k1 of e(k1 y / n) e(k1 j / L) sum over k2 of X[k1 + n k2] e(k2 j / C)
//! ```
//!
//! with `e(x) = exp(2 pi i x)`: transforms of length C for each k1, then of length n for each j. As the
//! sequences are real, k1 from 0 to n / 2 will do, and two columns j are transformed as one. Tables of
//! spectra hold these k1, 16 side by side, each with all its k2.
//!
//! The sequences of the left and the right border are 0 but for four columns: their spectra are sums of
//! four terms, each a column's own spectrum, and are only formed where they are used.

use ndarray::ArrayView1;
use num_complex::Complex;

use super::fft::{Fft, Root, Row};
use super::trend::Line;
use crate::band::Place;
use crate::lanes::{blocks, vectorised};
use crate::reference::Plane;

/// Time steps between the rows of a channel.
pub const PAUSE: usize = 12;

/// Columns of the border on each side.
pub const BORDER: usize = 4;

/// Frequencies k1 side by side.
const SIDE: usize = 16;

/// Numbers for each k1 and k2: for each [`SIDE`] of k1 all k2.
type Table = Vec<Row<SIDE>>;

/// The transforms of the channels of a frame.
pub struct Plan {
    n_rows: usize,
    /// Columns of a channel.
    width: usize,
    /// C, time steps of a row.
    cycle: usize,
    rows_fft: Fft,
    cycle_fft: Fft,
    /// e(k1 j / L) for each j, and k1 from 0 to 15.
    fine: Vec<Row<SIDE>>,
    /// The same for each multiple of 16, and j.
    coarse: Vec<Root>,
    /// For each k2, e(-k2 j / C) of the columns j of the left border, and of those of the right one.
    phases: Vec<[Root; 2 * BORDER]>,
    /// The time steps of those columns in their rows.
    steps: [usize; 2 * BORDER],
}

/// What the reference pixels of a resultant tell, scaled as the correction needs it.
pub struct Spectra {
    /// The 33rd amplifier's.
    amp33: Table,
    /// Those of each column of the left and of the right border, for each [`SIDE`] of k1.
    columns: Vec<Row<SIDE>>,
}

/// What a thread makes the series of a channel with.
pub struct Work<const H: usize> {
    /// The coefficients of the left border, of the right one and of the 33rd amplifier.
    coefficients: [Table; 3],
    cycle: Vec<Row<SIDE>>,
    near: [Row<H>; SIDE],
    far: [Row<H>; SIDE],
}

impl Plan {
    /// For channels of so many rows and columns; `right` are the time steps of the four columns of the
    /// right border.
    pub fn new(n_rows: usize, width: usize, right: [usize; BORDER]) -> Self {
        let cycle = width + PAUSE;
        let length = n_rows * cycle;
        let steps: [usize; 2 * BORDER] = std::array::from_fn(|i| match i {
            0..BORDER => i,
            _ => right[i - BORDER],
        });
        let fine = |j| {
            let mut roots = Row::ZERO;
            for k1 in 0..SIDE {
                let root = Root::of_unity(k1 * j, length);
                (roots.re[k1], roots.im[k1]) = (root.re, root.im);
            }
            roots
        };
        let coarse = |side| (0..cycle).map(move |j| Root::of_unity(SIDE * side * j, length));
        Self {
            n_rows,
            width,
            cycle,
            rows_fft: Fft::new(n_rows),
            cycle_fft: Fft::new(cycle),
            fine: (0..cycle).map(fine).collect(),
            coarse: (0..sides(n_rows)).flat_map(coarse).collect(),
            phases: (0..cycle)
                .map(|k2| steps.map(|j| Root::of_unity(k2 * j, cycle).conj()))
                .collect(),
            steps,
        }
    }

    /// How many coefficients a channel has.
    pub fn n_frequencies(n_rows: usize, width: usize) -> usize {
        n_rows * (width + PAUSE) / 2 + 1
    }

    /// (L + 2) / L^2. Each of the transforms is divided by L; that the reference files are made for
    /// L + 2 frequencies, of which the correction is the sum, is a convention of theirs.
    fn scale(&self) -> f32 {
        let length = (self.n_rows * self.cycle) as f64;
        ((length + 2.0) / (length * length)) as f32
    }

    /// Of the four columns of the left and of the right border, one value for each row, and of the whole
    /// sequence of the 33rd amplifier.
    pub fn spectra(&self, columns: &[[f32; 2 * BORDER]], amp33: &[f32]) -> Spectra {
        let mut of_columns = self.transform_columns(0..2 * BORDER, |y, i| columns[y][i]);
        let scale = self.scale() * (self.cycle as f32 / BORDER as f32);
        for (side, rows) in of_columns.chunks_exact_mut(2 * BORDER).enumerate() {
            for (row, &j) in rows.iter_mut().zip(&self.steps) {
                *row = conj_scaled(&twiddled(self, side, j, row), scale);
            }
        }
        let n_sides = sides(self.n_rows);
        let mut table = vec![Row::ZERO; n_sides * self.cycle];
        for first in (0..self.cycle).step_by(2 * SIDE) {
            let steps = first..self.cycle.min(first + 2 * SIDE);
            let rows = self.transform_columns(steps.clone(), |y, j| amp33[y * self.cycle + j]);
            for (side, rows) in rows.chunks_exact(steps.len()).enumerate() {
                for (row, j) in rows.iter().zip(steps.clone()) {
                    let place = side * self.cycle + self.cycle_fft.place(j);
                    table[place] = twiddled(self, side, j, row);
                }
            }
        }
        let scale = self.scale();
        for rows in table.chunks_exact_mut(self.cycle) {
            self.cycle_fft.transform(rows);
            for row in rows {
                *row = conj_scaled(row, scale);
            }
        }
        Spectra {
            amp33: table,
            columns: of_columns,
        }
    }

    /// Transforms up to 32 real columns of n values: for each side, each column.
    fn transform_columns(
        &self,
        columns: std::ops::Range<usize>,
        value: impl Fn(usize, usize) -> f32,
    ) -> Vec<Row<SIDE>> {
        let n = self.n_rows;
        let mut rows = vec![Row::<SIDE>::ZERO; n];
        for y in 0..n {
            let row = &mut rows[self.rows_fft.place(y)];
            for (i, column) in columns.clone().enumerate() {
                // Two real columns are one complex one.
                match i.checked_sub(SIDE) {
                    None => row.re[i] = value(y, column),
                    Some(i) => row.im[i] = value(y, column),
                }
            }
        }
        self.rows_fft.transform(&mut rows);
        let mut spectra = vec![Row::ZERO; sides(n) * columns.len()];
        for k1 in 0..=n / 2 {
            let (one, other) = (&rows[k1], &rows[(n - k1) % n]);
            let (side, lane) = (k1 / SIDE, k1 % SIDE);
            for i in 0..columns.len() {
                let into = &mut spectra[side * columns.len() + i];
                (into.re[lane], into.im[lane]) = match i.checked_sub(SIDE) {
                    None => (
                        0.5 * (one.re[i] + other.re[i]),
                        0.5 * (one.im[i] - other.im[i]),
                    ),
                    Some(i) => (
                        0.5 * (one.im[i] + other.im[i]),
                        0.5 * (other.re[i] - one.re[i]),
                    ),
                };
            }
        }
        spectra
    }

    /// Reads the coefficients of a channel: of the left and the right border and of the 33rd amplifier.
    /// Those that are no finite number are taken as 0; how many that are.
    pub fn read<const H: usize>(
        &self,
        channel: usize,
        planes: [Plane<'_, Complex<f64>>; 3],
        work: &mut Work<H>,
    ) -> usize {
        let tables = work.coefficients.iter_mut().zip(planes);
        tables
            .map(|(table, plane)| self.fill(table, plane, channel))
            .sum()
    }

    /// Makes a table of a row of coefficients, which are those of the frequencies from 0 to L / 2: a table
    /// has those of negative ones too.
    fn fill(
        &self,
        table: &mut [Row<SIDE>],
        plane: Plane<'_, Complex<f64>>,
        channel: usize,
    ) -> usize {
        let n = self.n_rows;
        let n_frequencies = Self::n_frequencies(n, self.width);
        let mut put = |k1: usize, k2: usize, re: f32, im: f32| {
            let row = &mut table[k1 / SIDE * self.cycle + k2];
            (row.re[k1 % SIDE], row.im[k1 % SIDE]) = (re, im);
        };
        let place = Place {
            first_row: channel,
            cols: 0..n_frequencies,
        };
        let row = plane.row(&place, 0);
        let (mut k1, mut k2) = (0, 0);
        let mut n_unusable = 0;
        for cols in blocks(n_frequencies) {
            let numbers = row.block(&cols);
            for (k, number) in cols.zip(numbers.iter()) {
                let (mut re, mut im) = (number.re as f32, number.im as f32);
                if k == 0 || k == n_frequencies - 1 {
                    im = 0.0; // of a constant, and of the highest frequency, only the other part counts
                }
                if !(re.is_finite() && im.is_finite()) {
                    (re, im) = (0.0, 0.0);
                    n_unusable += 1;
                }
                if k1 <= n / 2 {
                    put(k1, k2, re, im);
                }
                // The negative frequency, L - k.
                if k1 == 0 && k2 > 0 {
                    put(0, self.cycle - k2, re, -im);
                } else if k1 > 0 && n - k1 <= n / 2 {
                    put(n - k1, self.cycle - 1 - k2, re, -im);
                }
                k1 += 1;
                if k1 == n {
                    (k1, k2) = (0, k2 + 1);
                }
            }
        }
        n_unusable
    }

    /// What is to be subtracted from the channel of the coefficients: the correction and the trend, for each
    /// resultant a row for each of the detector, of which the first half of the columns is `re`, the
    /// second `im`.
    pub fn series<const H: usize>(
        &self,
        spectra: &[Spectra],
        (is_reversed, trends): (bool, ArrayView1<'_, Line>),
        work: &mut Work<H>,
        rows: &mut [Row<H>],
    ) {
        let n = self.n_rows;
        for side in 0..sides(n) {
            // Of all resultants in turn, while the coefficients are near.
            for (spectra, rows) in spectra.iter().zip(rows.chunks_exact_mut(n)) {
                let of_side = side * self.cycle..(side + 1) * self.cycle;
                multiply(
                    self,
                    &spectra.columns[2 * BORDER * side..][..2 * BORDER],
                    &spectra.amp33[of_side.clone()],
                    work.coefficients
                        .each_ref()
                        .map(|table| &table[of_side.clone()]),
                    &mut work.cycle,
                );
                self.cycle_fft.transform(&mut work.cycle);
                pair_columns(self, side, is_reversed, work);
                for (lane, k1) in (side * SIDE..=n / 2).take(SIDE).enumerate() {
                    rows[self.rows_fft.place(k1)] = work.near[lane];
                    if k1 > 0 && 2 * k1 != n {
                        rows[self.rows_fft.place(n - k1)] = work.far[lane];
                    }
                }
            }
        }
        let steps = |first| std::array::from_fn(|i| self.step(first + i, is_reversed) as f32);
        let steps: [[f32; H]; 2] = [steps(0), steps(H)];
        for (rows, &trend) in rows.chunks_exact_mut(n).zip(trends) {
            self.rows_fft.transform(rows);
            for (y, row) in rows.iter_mut().enumerate() {
                add_trend(row, self.time(y, 0), &steps, trend);
            }
        }
    }

    /// The time step in its row of a column of a channel.
    #[inline(always)]
    pub fn step(&self, col: usize, is_reversed: bool) -> usize {
        if is_reversed {
            self.width - 1 - col
        } else {
            col
        }
    }

    /// The trend of a sample: as the series have it.
    pub fn trend_at(&self, trend: Line, y: usize, step: usize) -> f32 {
        trend_at(trend, self.time(y, step))
    }

    /// When a time step of a row is, from the middle of the sequence.
    pub fn time(&self, y: usize, step: usize) -> f32 {
        let middle = (self.n_rows * self.cycle - 1) as f32 / 2.0;
        (y * self.cycle + step) as f32 - middle
    }

    /// Columns of a channel.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The time step of one of the four columns of the left border, or, from 4 on, of the right one.
    pub fn border_step(&self, index: usize) -> usize {
        self.steps[index]
    }

    /// C, time steps of a row.
    pub fn cycle(&self) -> usize {
        self.cycle
    }

    /// Memory for a thread, without coefficients as yet.
    pub fn work<const H: usize>(&self) -> Work<H> {
        let table = || vec![Row::ZERO; sides(self.n_rows) * self.cycle];
        Work {
            coefficients: [table(), table(), table()],
            cycle: vec![Row::ZERO; self.cycle],
            near: [Row::ZERO; SIDE],
            far: [Row::ZERO; SIDE],
        }
    }
}

/// How many times 16 frequencies k1 there are.
fn sides(n_rows: usize) -> usize {
    (n_rows / 2 + 1).div_ceil(SIDE)
}

/// A number for each of 16 frequencies k1, times e(k1 j / L).
#[inline(always)]
fn twiddled(plan: &Plan, side: usize, j: usize, row: &Row<SIDE>) -> Row<SIDE> {
    let twiddles = plan.fine[j].times(plan.coarse[side * plan.cycle + j]);
    multiplied(row, &twiddles)
}

#[inline(always)]
fn multiplied(one: &Row<SIDE>, other: &Row<SIDE>) -> Row<SIDE> {
    let mut product = Row::ZERO;
    for w in 0..SIDE {
        product.re[w] = one.re[w] * other.re[w] - one.im[w] * other.im[w];
        product.im[w] = one.re[w] * other.im[w] + one.im[w] * other.re[w];
    }
    product
}

fn conj_scaled(row: &Row<SIDE>, scale: f32) -> Row<SIDE> {
    let mut scaled = Row::ZERO;
    for w in 0..SIDE {
        scaled.re[w] = row.re[w] * scale;
        scaled.im[w] = -row.im[w] * scale;
    }
    scaled
}

vectorised! {
    /// The spectrum of the correction, in the order in which it is transformed.
    fn multiply(
        plan: &Plan,
        columns: &[Row<SIDE>],
        amp33: &[Row<SIDE>],
        [of_left, of_right, of_amp33]: [&[Row<SIDE>]; 3],
        into: &mut [Row<SIDE>],
    ) {
        let columns: &[Row<SIDE>; 2 * BORDER] = columns.try_into().expect("four and four");
        for (k2, phases) in plan.phases.iter().enumerate() {
            sum_of_products(
                (columns, phases),
                &amp33[k2],
                [&of_left[k2], &of_right[k2], &of_amp33[k2]],
                &mut into[plan.cycle_fft.place(k2)],
            );
        }
    }
}

#[inline(always)]
fn sum_of_products(
    (columns, phases): (&[Row<SIDE>; 2 * BORDER], &[Root; 2 * BORDER]),
    amp33: &Row<SIDE>,
    [of_left, of_right, of_amp33]: [&Row<SIDE>; 3],
    into: &mut Row<SIDE>,
) {
    let mut sum = multiplied(amp33, of_amp33);
    for (border, of_border) in [of_left, of_right].into_iter().enumerate() {
        let first = BORDER * border;
        let mut of_columns = columns[first].times(phases[first]);
        for i in first + 1..first + BORDER {
            of_columns.add(&columns[i].times(phases[i]), 1.0);
        }
        sum.add(&multiplied(&of_columns, of_border), 1.0);
    }
    *into = sum;
}

vectorised! {
    /// Makes one complex sequence of each two columns, half the channel apart, of a real result: at 16
    /// frequencies, and at their negatives.
    fn pair_columns<const H: usize>(
        plan: &Plan,
        side: usize,
        is_reversed: bool,
        work: &mut Work<H>,
    ) {
        for col in 0..H {
            let (j, other_j) = (plan.step(col, is_reversed), plan.step(col + H, is_reversed));
            let first = twiddled(plan, side, j, &work.cycle[j]);
            let second = twiddled(plan, side, other_j, &work.cycle[other_j]);
            for lane in 0..SIDE {
                work.near[lane].re[col] = first.re[lane] - second.im[lane];
                work.near[lane].im[col] = first.im[lane] + second.re[lane];
                work.far[lane].re[col] = first.re[lane] + second.im[lane];
                work.far[lane].im[col] = second.re[lane] - first.im[lane];
            }
        }
    }
}

vectorised! {
    fn add_trend<const H: usize>(row: &mut Row<H>, start: f32, steps: &[[f32; H]; 2], trend: Line) {
        for (values, steps) in [&mut row.re, &mut row.im].into_iter().zip(steps) {
            for (value, step) in values.iter_mut().zip(steps) {
                *value += trend_at(trend, start + step);
            }
        }
    }
}

#[inline(always)]
fn trend_at(trend: Line, time: f32) -> f32 {
    trend.slope as f32 * time + trend.level as f32
}
