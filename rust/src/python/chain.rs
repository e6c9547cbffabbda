//! The one pass from raw counts to the rate image.

use ndarray::{Ix2, Ix3};
use pyo3::prelude::*;

use super::arrays::{Arrays, Reference};
use super::detached::detached;
use super::fit::{NewImage, RampFit};
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::BandKernel;
use crate::chain::Chain;
use crate::encoding::Encoding;
use crate::kernels::dark::{Dark, DarkSignal};
use crate::kernels::jump::{Jump, JumpParameters};
use crate::kernels::linearity::Linearity;
use crate::kernels::ramp_fit;
use crate::kernels::saturation::Saturation;

/// The arguments of `detect_jumps` that are numbers.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct JumpArguments {
    rejection_threshold: f64,
    three_group_rejection_threshold: f64,
    four_group_rejection_threshold: f64,
    flag_4_neighbors: bool,
    max_jump_to_flag_neighbors: f64,
    min_jump_to_flag_neighbors: f64,
}

/// The dark: accumulated signal, or a rate.
enum DarkArray<'py> {
    Accumulated(Reference<'py, f32, Ix3>),
    Rate(Reference<'py, f32, Ix2>),
}

/// Gain and read noise.
fn detector<'py>(
    arrays: &mut Arrays,
    (gain, read_noise): &(Bound<'py, PyAny>, Bound<'py, PyAny>),
) -> PyResult<(Reference<'py, f32, Ix2>, Reference<'py, f32, Ix2>)> {
    Ok((
        arrays.reference("gain", gain)?,
        arrays.reference("read_noise", read_noise)?,
    ))
}

#[pyfunction]
#[pyo3(signature = (
    raw, encoding, groupdq, pixeldq, saturation, n_pix_grow_sat, linearity, dark, jump, thresholds, fit,
    read_pattern, border, max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "an exposure, all of its references and parameters"
)]
pub fn calibrate_ramp(
    py: Python<'_>,
    raw: &Bound<'_, PyAny>,
    encoding: (Option<Bound<'_, PyAny>>, f32),
    groupdq: Option<&Bound<'_, PyAny>>,
    pixeldq: &Bound<'_, PyAny>,
    saturation: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    n_pix_grow_sat: Whole,
    linearity: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    dark: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    jump: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
    thresholds: JumpArguments,
    fit: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    read_pattern: PyRef<'_, ReadPattern>,
    border: Whole,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<(RampFit, bool)> {
    let pixels = "a number of pixels, from 0 to 2^63 - 1";
    let n_pix_grow = n_pix_grow_sat.at_least(0, "n_pix_grow_sat", pixels)?;
    let border = border.at_least(0, "border", pixels)?;
    let mut arrays = Arrays::default();
    let raw = arrays.reference::<u16, Ix3>("raw", raw)?;
    let reference_read = encoding
        .0
        .map(|read| arrays.reference::<u16, Ix2>("reference_read", &read))
        .transpose()?;
    let groupdq = groupdq
        .map(|groupdq| arrays.reference::<u8, Ix3>("groupdq", groupdq))
        .transpose()?;
    let pixeldq = arrays.reference::<u32, Ix2>("pixeldq", pixeldq)?;
    let threshold = arrays.reference::<f32, Ix2>("threshold", &saturation.0)?;
    let saturation_dq = arrays.reference::<u32, Ix2>("saturation dq", &saturation.1)?;
    let coeffs = arrays.reference::<f32, Ix3>("coeffs", &linearity.0)?;
    let linearity_dq = arrays.reference::<u32, Ix2>("linearity dq", &linearity.1)?;
    let is_rate = dark.0.getattr("ndim")?.extract::<usize>()? == 2;
    let dark_array = if is_rate {
        DarkArray::Rate(arrays.reference("dark rate", &dark.0)?)
    } else {
        DarkArray::Accumulated(arrays.reference("dark", &dark.0)?)
    };
    let dark_dq = arrays.reference::<u32, Ix2>("dark dq", &dark.1)?;
    let of_jump = jump.map(|jump| detector(&mut arrays, &jump)).transpose()?;
    let of_fit = detector(&mut arrays, &fit)?;
    let pattern = &read_pattern.0;

    let [_, n_rows, n_cols] = raw.cube().shape();
    let encoding = Encoding {
        reference_read: reference_read.as_ref().map(Reference::plane),
        offset: encoding.1,
    };
    let saturation = Saturation {
        threshold: threshold.plane(),
        ref_dq: saturation_dq.plane(),
        floor: encoding.floor(),
        n_pix_grow,
    };
    let linearity = Linearity {
        coeffs: coeffs.cube(),
        ref_dq: linearity_dq.plane(),
    };
    let dark = Dark {
        signal: match &dark_array {
            DarkArray::Accumulated(dark) => DarkSignal::Accumulated(dark.cube()),
            DarkArray::Rate(rate) => DarkSignal::Rate(rate.plane(), pattern.times()),
        },
        ref_dq: dark_dq.plane(),
    };
    let jump = of_jump.as_ref().map(|(gain, read_noise)| {
        let parameters = JumpParameters {
            rejection_threshold: thresholds.rejection_threshold,
            three_group_rejection_threshold: thresholds.three_group_rejection_threshold,
            four_group_rejection_threshold: thresholds.four_group_rejection_threshold,
            flag_4_neighbors: thresholds.flag_4_neighbors,
            max_jump_to_flag_neighbors: thresholds.max_jump_to_flag_neighbors,
            min_jump_to_flag_neighbors: thresholds.min_jump_to_flag_neighbors,
        };
        Jump::new(gain.plane(), read_noise.plane(), pattern, parameters)
    });
    let mut kernels: Vec<&dyn BandKernel> = vec![&saturation, &linearity, &dark];
    kernels.extend(jump.as_ref().map(|jump| jump as &dyn BandKernel));
    let chain = Chain {
        raw: raw.cube(),
        encoding,
        groupdq: groupdq.as_ref().map(Reference::cube),
        pixeldq: Some(pixeldq.plane()),
        kernels,
        fit: ramp_fit::RampFit::new(of_fit.0.plane(), of_fit.1.plane(), pattern),
        border,
    };
    let inside = |n: usize| n.saturating_sub(border.saturating_mul(2));
    let image = NewImage::new(py, inside(n_rows), inside(n_cols));
    let unsaturated = image.fill(|out| {
        detached(py, max_threads, band_rows, |execution| {
            chain.run(out, execution)
        })
    })?;
    Ok((image.into_fit(py, None)?, unsaturated))
}
