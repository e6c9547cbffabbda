//! Discrete Fourier transforms of many sequences side by side.
//!
//! `X[k] = sum over t of x[t] exp(+2 pi i k t / n)`, not scaled, in single precision. The inner loops
//! run over the sequences, so that they vectorise whatever the length is, and do so with plain products
//! and sums: unlike libraries that choose other instructions, and round otherwise, on other processors,
//! this gives the same bits everywhere.
//!
//! Decimation in time by the prime factors of n (fours together): Cooley & Tukey 1965, Math. Comp. 19,
//! 297; odd factors by sums and differences of opposite terms.

use std::f64::consts::TAU;

use crate::lanes::vectorised;

/// One complex number of each of W sequences. Aligned like the lines of a cache.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Row<const W: usize> {
    pub re: [f32; W],
    pub im: [f32; W],
}

impl<const W: usize> Row<W> {
    pub const ZERO: Self = Self {
        re: [0.0; W],
        im: [0.0; W],
    };

    /// Each number times the same one.
    #[inline(always)]
    pub fn times(&self, factor: Root) -> Self {
        let mut product = Self::ZERO;
        for w in 0..W {
            product.re[w] = self.re[w] * factor.re - self.im[w] * factor.im;
            product.im[w] = self.re[w] * factor.im + self.im[w] * factor.re;
        }
        product
    }

    /// Adds other numbers times a real one.
    #[inline(always)]
    pub fn add(&mut self, terms: &Self, factor: f32) {
        for w in 0..W {
            self.re[w] += factor * terms.re[w];
            self.im[w] += factor * terms.im[w];
        }
    }
}

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    pub re: f32,
    pub im: f32,
}

impl Root {
    /// `exp(2 pi i k / n)`.
    pub fn of_unity(k: usize, n: usize) -> Self {
        let (sin, cos) = (TAU * ((k % n) as f64 / n as f64)).sin_cos();
        Self {
            re: cos as f32,
            im: sin as f32,
        }
    }

    pub fn conj(self) -> Self {
        Self {
            re: self.re,
            im: -self.im,
        }
    }
}

/// The transform of one length.
pub struct Fft {
    /// Where each term of a sequence is to be put before it is transformed.
    places: Vec<usize>,
    /// From the last to the first that is done.
    stages: Vec<Stage>,
}

/// Makes one transform of `radix` shorter ones.
struct Stage {
    radix: usize,
    /// Of the shorter transforms.
    length: usize,
    /// `exp(2 pi i p q / (radix length))`, for each p < length those of q = 1 .. radix - 1.
    twiddles: Vec<Root>,
    /// `exp(2 pi i k / radix)`.
    roots: Vec<Root>,
}

impl Fft {
    pub fn new(n: usize) -> Self {
        let mut places = vec![0];
        let mut stages = Vec::new();
        let mut length = 1;
        // From the first stage that is done to the last: `places` is that of the length so far.
        for radix in factors(n).into_iter().rev() {
            let of_shorter = |t: usize| (t % radix) * length + places[t / radix];
            places = (0..radix * length).map(of_shorter).collect();
            let twiddle = |p| (1..radix).map(move |q| Root::of_unity(p * q, radix * length));
            stages.push(Stage {
                radix,
                length,
                twiddles: (0..length).flat_map(twiddle).collect(),
                roots: (0..radix).map(|k| Root::of_unity(k, radix)).collect(),
            });
            length *= radix;
        }
        stages.reverse();
        Self { places, stages }
    }

    /// Where term `t` is to be put before the transform.
    #[inline(always)]
    pub fn place(&self, t: usize) -> usize {
        self.places[t]
    }

    /// Transforms as many rows as the length is, in place; afterwards row k is that of frequency k.
    pub fn transform<const W: usize>(&self, rows: &mut [Row<W>]) {
        descend(&self.stages, rows);
    }
}

/// The factors of n: fours, then primes from the smallest on.
fn factors(mut n: usize) -> Vec<usize> {
    let mut factors = Vec::new();
    let mut factor = 4;
    while n > 1 {
        while n.is_multiple_of(factor) {
            factors.push(factor);
            n /= factor;
        }
        factor = match factor {
            4 => 2,
            2 => 3,
            _ => factor + 2,
        };
    }
    factors
}

/// The shorter transforms one after the other, each as a whole: so it stays in the caches.
fn descend<const W: usize>(stages: &[Stage], rows: &mut [Row<W>]) {
    let Some((stage, shorter)) = stages.split_first() else {
        return;
    };
    if stage.length > 1 {
        for part in rows.chunks_exact_mut(stage.length) {
            descend(shorter, part);
        }
    }
    match stage.radix {
        2 => combine_2(stage, rows),
        4 => combine_4(stage, rows),
        3 => combine_3(stage, rows),
        5 => combine_5(stage, rows),
        7 => combine_7(stage, rows),
        _ => combine_any(stage, rows),
    }
}

const DISTINCT: &str = "the rows of a butterfly are different ones";

vectorised! {
    fn combine_2<const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
        let (first, second) = rows.split_at_mut(stage.length);
        for ((a, b), &root) in first.iter_mut().zip(second).zip(&stage.twiddles) {
            butterfly_2(a, b, root);
        }
    }
}

#[inline(always)]
fn butterfly_2<const W: usize>(a: &mut Row<W>, b: &mut Row<W>, root: Root) {
    for w in 0..W {
        let re = b.re[w] * root.re - b.im[w] * root.im;
        let im = b.re[w] * root.im + b.im[w] * root.re;
        b.re[w] = a.re[w] - re;
        b.im[w] = a.im[w] - im;
        a.re[w] += re;
        a.im[w] += im;
    }
}

vectorised! {
    fn combine_4<const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
        let m = stage.length;
        let (roots, _) = stage.twiddles.as_chunks::<3>();
        for (p, roots) in roots.iter().enumerate() {
            let [a, b, c, d] = rows
                .get_disjoint_mut([p, p + m, p + 2 * m, p + 3 * m])
                .expect(DISTINCT);
            butterfly_4(a, b, c, d, roots);
        }
    }
}

#[inline(always)]
fn butterfly_4<const W: usize>(
    a: &mut Row<W>,
    b: &mut Row<W>,
    c: &mut Row<W>,
    d: &mut Row<W>,
    roots: &[Root; 3],
) {
    for w in 0..W {
        let (ar, ai) = (a.re[w], a.im[w]);
        let br = b.re[w] * roots[0].re - b.im[w] * roots[0].im;
        let bi = b.re[w] * roots[0].im + b.im[w] * roots[0].re;
        let cr = c.re[w] * roots[1].re - c.im[w] * roots[1].im;
        let ci = c.re[w] * roots[1].im + c.im[w] * roots[1].re;
        let dr = d.re[w] * roots[2].re - d.im[w] * roots[2].im;
        let di = d.re[w] * roots[2].im + d.im[w] * roots[2].re;
        let (even_r, even_i, odd_r, odd_i) = (ar + cr, ai + ci, ar - cr, ai - ci);
        let (sum_r, sum_i, diff_r, diff_i) = (br + dr, bi + di, br - dr, bi - di);
        a.re[w] = even_r + sum_r;
        a.im[w] = even_i + sum_i;
        b.re[w] = odd_r - diff_i;
        b.im[w] = odd_i + diff_r;
        c.re[w] = even_r - sum_r;
        c.im[w] = even_i - sum_i;
        d.re[w] = odd_r + diff_i;
        d.im[w] = odd_i - diff_r;
    }
}

vectorised! {
    fn combine_3<const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
        combine_odd::<3, W>(stage, rows);
    }
}

vectorised! {
    fn combine_5<const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
        combine_odd::<5, W>(stage, rows);
    }
}

vectorised! {
    fn combine_7<const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
        combine_odd::<7, W>(stage, rows);
    }
}

#[inline(always)]
fn combine_odd<const P: usize, const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
    let m = stage.length;
    let roots: &[Root; P] = stage
        .roots
        .as_slice()
        .try_into()
        .expect("one for each term");
    for (p, twiddles) in stage.twiddles.chunks_exact(P - 1).enumerate() {
        combine_at(&mut [Row::ZERO; P], roots, twiddles, (p, m), rows);
    }
}

vectorised! {
    /// For any odd radix.
    fn combine_any<const W: usize>(stage: &Stage, rows: &mut [Row<W>]) {
        let mut terms = vec![Row::ZERO; stage.radix];
        for (p, twiddles) in stage.twiddles.chunks_exact(stage.radix - 1).enumerate() {
            combine_at(&mut terms, &stage.roots, twiddles, (p, stage.length), rows);
        }
    }
}

/// Combines the rows p, p + m, p + 2 m ...; `terms` is memory for them, as many as the radix.
#[inline(always)]
fn combine_at<const W: usize>(
    terms: &mut [Row<W>],
    roots: &[Root],
    twiddles: &[Root],
    (p, m): (usize, usize),
    rows: &mut [Row<W>],
) {
    let radix = terms.len();
    terms[0] = rows[p];
    for q in 1..radix {
        terms[q] = rows[p + q * m].times(twiddles[q - 1]);
    }
    fold(terms);
    rows[p] = total(terms);
    for k in 1..=radix / 2 {
        let [low, high] = rows
            .get_disjoint_mut([p + k * m, p + (radix - k) * m])
            .expect(DISTINCT);
        opposite(terms, roots, k, low, high);
    }
}

/// Replaces opposite terms, q and n - q, by their sum and their difference.
#[inline(always)]
fn fold<const W: usize>(terms: &mut [Row<W>]) {
    for q in 1..=terms.len() / 2 {
        let [one, other] = terms
            .get_disjoint_mut([q, terms.len() - q])
            .expect(DISTINCT);
        for w in 0..W {
            let (re, im) = (other.re[w], other.im[w]);
            other.re[w] = one.re[w] - re;
            other.im[w] = one.im[w] - im;
            one.re[w] += re;
            one.im[w] += im;
        }
    }
}

/// The transform at frequency 0 of terms that are folded.
#[inline(always)]
fn total<const W: usize>(terms: &[Row<W>]) -> Row<W> {
    let mut total = terms[0];
    for sum in &terms[1..=terms.len() / 2] {
        total.add(sum, 1.0);
    }
    total
}

/// The transform at frequencies k and n - k of terms that are folded.
#[inline(always)]
fn opposite<const W: usize>(
    terms: &[Row<W>],
    roots: &[Root],
    k: usize,
    low: &mut Row<W>,
    high: &mut Row<W>,
) {
    let n = terms.len();
    let (mut even, mut odd) = (terms[0], Row::ZERO);
    for q in 1..=n / 2 {
        let root = roots[k * q % n];
        even.add(&terms[q], root.re);
        odd.add(&terms[n - q], root.im);
    }
    for w in 0..W {
        low.re[w] = even.re[w] - odd.im[w];
        low.im[w] = even.im[w] + odd.re[w];
        high.re[w] = even.re[w] + odd.im[w];
        high.im[w] = even.im[w] - odd.re[w];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_cut_into_factors() {
        assert_eq!(factors(140), [4, 5, 7]);
        assert_eq!(factors(4096), [4; 6]);
        assert_eq!(factors(2 * 9 * 11), [2, 3, 3, 11]);
        assert_eq!(factors(1), [0; 0]);
    }

    #[test]
    fn any_length_is_transformed() {
        for n in [1, 2, 3, 4, 5, 7, 8, 9, 12, 17, 22, 30, 44, 49, 64, 140] {
            let term = |t: usize, w: usize| ((t * t + 3 * w) % 13) as f32 - 6.0;
            let fft = Fft::new(n);
            let mut rows = vec![Row::<3>::ZERO; n];
            for t in 0..n {
                for w in 0..3 {
                    rows[fft.place(t)].re[w] = term(t, w);
                    rows[fft.place(t)].im[w] = term(t + 5, w);
                }
            }
            fft.transform(&mut rows);
            for (k, row) in rows.iter().enumerate() {
                for w in 0..3 {
                    let (mut re, mut im) = (0.0, 0.0);
                    for t in 0..n {
                        let (sin, cos) = (TAU * (k * t % n) as f64 / n as f64).sin_cos();
                        let (x, y) = (f64::from(term(t, w)), f64::from(term(t + 5, w)));
                        re += x * cos - y * sin;
                        im += x * sin + y * cos;
                    }
                    let error = (f64::from(row.re[w]) - re).hypot(f64::from(row.im[w]) - im);
                    assert!(error < 1e-6 * n as f64 * 6.0, "{n}: {k}: {error}");
                }
            }
        }
    }
}
