//! The rates of a row of pixels, on their way from a fit to the planes of an image.

use std::ops::Range;

use crate::lanes::{Lanes, blocks, load, store, vectorised};
use crate::planes::{Planes, Quantity};

/// The planes of a rate image.
pub const RATE_IMAGE: [Quantity; 7] = [
    Quantity::Slope,
    Quantity::Dq,
    Quantity::VarPoisson,
    Quantity::VarRnoise,
    Quantity::Err,
    Quantity::Chisq,
    Quantity::Dumo,
];

/// What a fit tells of one pixel, in DN and seconds; see [`Quantity`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Rate.
    pub slope: f32,
    /// Variance of the rate from photon noise.
    pub var_poisson: f32,
    /// Variance of the rate from read noise.
    pub var_rnoise: f32,
    /// Standard error of the rate.
    pub err: f32,
    /// Chi squared of the fit.
    pub chisq: f32,
    /// Rate with uniform weights minus the rate.
    pub dumo: f32,
}

/// The same of the pixels of a block.
pub struct RateBlock {
    /// Rates.
    pub slope: Lanes,
    /// Variance of the rate from photon noise.
    pub var_poisson: Lanes,
    /// Variance of the rate from read noise.
    pub var_rnoise: Lanes,
    /// Standard error of the rate.
    pub err: Lanes,
    /// Chi squared of the fit.
    pub chisq: Lanes,
    /// Rate with uniform weights minus the rate.
    pub dumo: Lanes,
}

impl RateBlock {
    /// A block of zeros.
    pub fn zeros() -> Self {
        let zeros = Lanes::all(0.0);
        Self {
            slope: zeros,
            var_poisson: zeros,
            var_rnoise: zeros,
            err: zeros,
            chisq: zeros,
            dumo: zeros,
        }
    }
}

/// The rates of a row. They are gathered near the core: memory takes a long row at once far faster than
/// seven short pieces in turn.
pub struct RateRows {
    slope: Vec<f32>,
    dq: Vec<u32>,
    var_poisson: Vec<f32>,
    var_rnoise: Vec<f32>,
    err: Vec<f32>,
    chisq: Vec<f32>,
    dumo: Vec<f32>,
}

impl RateRows {
    /// Rows of zeros.
    pub fn new(n_cols: usize) -> Self {
        let zeros = vec![0.0; n_cols];
        Self {
            slope: zeros.clone(),
            dq: vec![0; n_cols],
            var_poisson: zeros.clone(),
            var_rnoise: zeros.clone(),
            err: zeros.clone(),
            chisq: zeros.clone(),
            dumo: zeros,
        }
    }

    /// Keeps what was computed for the pixels of a block.
    #[inline(always)]
    pub fn put_block(&mut self, cols: &Range<usize>, dq: &Lanes<u32>, rates: &RateBlock) {
        store(dq, &mut self.dq, cols);
        store(&rates.slope, &mut self.slope, cols);
        store(&rates.var_poisson, &mut self.var_poisson, cols);
        store(&rates.var_rnoise, &mut self.var_rnoise, cols);
        store(&rates.err, &mut self.err, cols);
        store(&rates.chisq, &mut self.chisq, cols);
        store(&rates.dumo, &mut self.dumo, cols);
    }

    /// Keeps what was computed for the pixel in column `c`.
    pub fn put(&mut self, c: usize, dq: u32, rate: &Rate) {
        self.slope[c] = rate.slope;
        self.dq[c] = dq;
        self.var_poisson[c] = rate.var_poisson;
        self.var_rnoise[c] = rate.var_rnoise;
        self.err[c] = rate.err;
        self.chisq[c] = rate.chisq;
        self.dumo[c] = rate.dumo;
    }

    /// Copies the rates from column `first_col` on into row `r` of the planes.
    pub fn copy_into(&self, planes: &mut Planes<'_>, r: usize, first_col: usize) {
        let mut rows = planes.row(r);
        for (quantity, rates) in [
            (Quantity::Slope, &self.slope),
            (Quantity::VarPoisson, &self.var_poisson),
            (Quantity::VarRnoise, &self.var_rnoise),
            (Quantity::Err, &self.err),
            (Quantity::Chisq, &self.chisq),
            (Quantity::Dumo, &self.dumo),
        ] {
            if let Some(row) = rows.take_numbers(quantity) {
                copy_row(&rates[first_col..], row);
            }
        }
        if let Some(row) = rows.take_flags(Quantity::Dq) {
            copy_row(&self.dq[first_col..], row);
        }
    }
}

vectorised! {
    fn copy_row<T: Copy + Default>(from: &[T], into: &mut [T]) {
        for cols in blocks(into.len()) {
            store(&load(from, &cols), into, &cols);
        }
    }
}
