//! What the ramp fit returns, and the fit of a whole image band by band.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array3, ArrayViewMut2, ArrayViewMut3, Axis};

use super::{Detector, Pixel, PixelFit, RampFit};
use crate::band::RampBand;
use crate::driver::{Execution, for_each};
use crate::error::KernelError;
use crate::kernels::rate_rows::RATE_IMAGE;
use crate::lanes::rows;
use crate::planes::{Fit, Planes, Quantity};
use crate::tiles::{all, cut};

impl Fit for RampFit<'_> {
    fn makes(&self) -> &'static [Quantity] {
        &RATE_IMAGE
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        let (n_resultants, n_rows, n_cols) = shape;
        self.gain.check("gain", (n_rows, n_cols))?;
        self.read_noise.check("read_noise", (n_rows, n_cols))?;
        self.read_pattern.check(n_resultants)
    }

    fn fit(&self, band: &mut RampBand<'_>, first_col: usize, out: &mut Planes<'_>) {
        self.fit_band(band, first_col, out, None);
    }
}

/// The optional product: each segment's fit, (n_segments, n_rows, n_cols) with 0 where a pixel
/// has fewer segments; in DN and seconds.
pub struct SegmentArrays {
    /// Rate [DN/s].
    pub slope: Array3<f32>,
    /// Standard error of the slope, as the weights give it.
    pub sigslope: Array3<f32>,
    /// The line's value at time 0.
    pub yint: Array3<f32>,
    /// Standard error of the value at time 0, as the weights give it.
    pub sigyint: Array3<f32>,
    /// 1 / (var_poisson + var_rnoise)^2.
    pub weights: Array3<f32>,
    /// Variance of the slope from photon noise.
    pub var_poisson: Array3<f32>,
    /// Variance of the slope from read noise.
    pub var_rnoise: Array3<f32>,
    /// First sample minus slope times its time, (n_rows, n_cols).
    pub pedestal: Array2<f32>,
    /// Difference to the sample before, for each jump of a pixel in turn, 0 where it is not known;
    /// (n_jumps, n_rows, n_cols).
    pub crmag: Array3<f32>,
}

/// Rows of [`SegmentArrays`], to be filled; zero before.
pub struct SegmentRows<'a> {
    /// Rows of [`SegmentArrays::slope`].
    pub slope: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::sigslope`].
    pub sigslope: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::yint`].
    pub yint: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::sigyint`].
    pub sigyint: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::weights`].
    pub weights: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::var_poisson`].
    pub var_poisson: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::var_rnoise`].
    pub var_rnoise: ArrayViewMut3<'a, f32>,
    /// Rows of [`SegmentArrays::pedestal`].
    pub pedestal: ArrayViewMut2<'a, f32>,
    /// Rows of [`SegmentArrays::crmag`].
    pub crmag: ArrayViewMut3<'a, f32>,
}

/// Fits the ramps of an image into `out`. With `optional`, also returns the fit of each segment.
pub fn fit_ramps(
    fit: &RampFit<'_>,
    ramp: &mut RampBand<'_>,
    out: &mut Planes<'_>,
    optional: bool,
    execution: &mut Execution<'_>,
) -> Result<Option<SegmentArrays>, KernelError> {
    ramp.check()?;
    let (n_resultants, n_rows, n_cols) = ramp.shape();
    fit.check((n_resultants, n_rows, n_cols))?;
    out.check(fit.makes(), (n_rows, n_cols))?;
    let height = execution.band_rows(n_resultants, n_cols);
    let mut segments = None;
    if optional {
        let (n_segments, n_jumps) = count_segments_and_jumps(ramp, height, execution)?;
        segments = Some(SegmentArrays::zeros(n_segments, n_jumps, n_rows, n_cols));
    }
    if n_rows == 0 || n_cols == 0 {
        return Ok(segments);
    }
    let mut rows_of_segments = segments.as_mut().map(|arrays| arrays.bands(height));
    let bands = ramp.bands(height).into_iter();
    let tiles = out.split(&cut(n_rows, height), &all(n_cols));
    let tasks = bands.zip(tiles).map(|(band, planes)| {
        let segments = rows_of_segments.as_mut().and_then(Iterator::next);
        (band, planes, segments)
    });
    for_each(
        tasks.collect(),
        |(band, mut planes, mut segments)| {
            fit.fit_band(&band.into_band(), 0, &mut planes, segments.as_mut());
        },
        execution,
    )?;
    drop(rows_of_segments);
    Ok(segments)
}

/// The largest number of segments and of jumps that any pixel has, at least 1 each.
fn count_segments_and_jumps(
    ramp: &mut RampBand<'_>,
    height: usize,
    execution: &mut Execution<'_>,
) -> Result<(usize, usize), KernelError> {
    let n_segments = AtomicUsize::new(1);
    let n_jumps = AtomicUsize::new(1);
    let count = |band: RampBand<'_>| {
        let (n_resultants, n_rows, n_cols) = band.shape();
        let (data, groupdq) = (band.data.view(), band.groupdq.view());
        let mut pixel = Pixel::new(n_resultants);
        for r in 0..n_rows {
            let (data, groupdq) = (rows(data, r), rows(groupdq, r));
            for c in 0..n_cols {
                pixel.take(&data, &groupdq, c);
                pixel.find_segments();
                n_segments.fetch_max(pixel.runs.len(), Ordering::Relaxed);
                n_jumps.fetch_max(pixel.jumps().count(), Ordering::Relaxed);
            }
        }
    };
    for_each(
        ramp.bands(height),
        |band| count(band.into_band()),
        execution,
    )?;
    Ok((n_segments.into_inner(), n_jumps.into_inner()))
}

impl SegmentArrays {
    fn zeros(n_segments: usize, n_jumps: usize, n_rows: usize, n_cols: usize) -> Self {
        let shape = (n_segments, n_rows, n_cols);
        Self {
            slope: Array3::zeros(shape),
            sigslope: Array3::zeros(shape),
            yint: Array3::zeros(shape),
            sigyint: Array3::zeros(shape),
            weights: Array3::zeros(shape),
            var_poisson: Array3::zeros(shape),
            var_rnoise: Array3::zeros(shape),
            pedestal: Array2::zeros((n_rows, n_cols)),
            crmag: Array3::zeros((n_jumps, n_rows, n_cols)),
        }
    }

    fn bands(&mut self, height: usize) -> impl Iterator<Item = SegmentRows<'_>> {
        let mut slope = self.slope.axis_chunks_iter_mut(Axis(1), height);
        let mut sigslope = self.sigslope.axis_chunks_iter_mut(Axis(1), height);
        let mut yint = self.yint.axis_chunks_iter_mut(Axis(1), height);
        let mut sigyint = self.sigyint.axis_chunks_iter_mut(Axis(1), height);
        let mut weights = self.weights.axis_chunks_iter_mut(Axis(1), height);
        let mut var_poisson = self.var_poisson.axis_chunks_iter_mut(Axis(1), height);
        let mut var_rnoise = self.var_rnoise.axis_chunks_iter_mut(Axis(1), height);
        let mut pedestal = self.pedestal.axis_chunks_iter_mut(Axis(0), height);
        let mut crmag = self.crmag.axis_chunks_iter_mut(Axis(1), height);
        std::iter::from_fn(move || {
            Some(SegmentRows {
                slope: slope.next()?,
                sigslope: sigslope.next()?,
                yint: yint.next()?,
                sigyint: sigyint.next()?,
                weights: weights.next()?,
                var_poisson: var_poisson.next()?,
                var_rnoise: var_rnoise.next()?,
                pedestal: pedestal.next()?,
                crmag: crmag.next()?,
            })
        })
    }
}

impl SegmentRows<'_> {
    /// Keeps the segments of a pixel; none, and no pedestal, if it could not be fitted.
    pub(super) fn put(
        &mut self,
        (r, c): (usize, usize),
        ramp_fit: &RampFit<'_>,
        pixel: &Pixel,
        detector: Detector,
        fit: Option<&PixelFit>,
    ) {
        for (k, magnitude) in pixel.jumps().enumerate() {
            self.crmag[[k, r, c]] = magnitude;
        }
        for (k, segment) in pixel.segments.iter().enumerate() {
            let at = [k, r, c];
            let variance = f64::from(segment.var_poisson + segment.var_rnoise);
            self.slope[at] = segment.slope;
            self.var_poisson[at] = segment.var_poisson;
            self.var_rnoise[at] = segment.var_rnoise;
            self.weights[at] = (1.0 / (variance * variance)) as f32;
            if segment.first == segment.last {
                // The line from 0 at time 0, by assumption: it has no error there.
                self.sigslope[at] = segment.var_rnoise.sqrt();
                continue;
            }
            let weights = ramp_fit.weights.segment(segment.first, segment.last);
            let (sigma_slope, sigma_intercept) = weights.sigmas(segment.power);
            let samples = &pixel.samples[segment.first..=segment.last];
            let factors = weights.intercept_factors(segment.power);
            let terms = factors.iter().zip(samples);
            let intercept: f64 = terms.map(|(factor, &y)| factor * f64::from(y)).sum();
            let read_noise = f64::from(detector.read_noise.abs());
            self.sigslope[at] = (read_noise * sigma_slope) as f32;
            self.yint[at] = intercept as f32;
            self.sigyint[at] = (read_noise * sigma_intercept) as f32;
        }
        if let Some(fit) = fit {
            self.pedestal[[r, c]] = ramp_fit.pedestal(pixel, fit);
        }
    }
}
