//! Time of the one pass from raw counts to the rate image, beside that of streaming the same bytes.
//!
//! 4096 x 4096 pixels, 8 resultants; 1 % of the pixels, and then 5 % and 30 %, are irregular. The
//! stream reads every input and writes every output of the chain once, with the same threads and bands
//! and into memory that is as new: it is the limit. The last lines state the ratio.

use std::time::{Duration, Instant};

use ndarray::{Array2, Array3, Axis};
use romancal_rs_core::band::BandKernel;
use romancal_rs_core::cadence::ReadPattern;
use romancal_rs_core::chain::Chain;
use romancal_rs_core::driver::{self, Execution, for_each};
use romancal_rs_core::kernels::dark::{Dark, DarkSignal};
use romancal_rs_core::kernels::jump::{Jump, JumpParameters};
use romancal_rs_core::kernels::linearity::Linearity;
use romancal_rs_core::kernels::ramp_fit::{RampFit, RampFitResult};
use romancal_rs_core::kernels::saturation::Saturation;
use romancal_rs_core::reference::Plane;

mod exposure;
use exposure::Uniform;

const BORDER: usize = 4;
const REPEATS: usize = 7;

struct References {
    mask: Array2<u32>,
    threshold: Array2<f32>,
    no_flags: Array2<u32>,
    coeffs: Array3<f32>,
    dark: Array2<f32>,
    gain: Array2<f32>,
    read_noise: Array2<f32>,
}

impl References {
    fn new(n: usize) -> Self {
        let plane = |value| Array2::from_elem((n, n), value);
        let mut coeffs = Array3::zeros((5, n, n));
        for (mut term, value) in coeffs.outer_iter_mut().zip([0.0, 1.0, 1e-7, 1e-13, 1e-19]) {
            term.fill(value);
        }
        Self {
            mask: Array2::from_elem((n, n), 0),
            threshold: plane(60_000.0),
            no_flags: Array2::from_elem((n, n), 0),
            coeffs,
            dark: plane(0.01),
            gain: plane(1.5),
            read_noise: plane(8.0),
        }
    }
}

fn calibrate(
    raw: &Array3<u16>,
    references: &References,
    pattern: &ReadPattern,
    result: &mut RampFitResult,
) {
    let no_flags = || references.no_flags.view().into();
    let saturation = Saturation {
        threshold: references.threshold.view().into(),
        ref_dq: no_flags(),
        n_pix_grow: 0,
    };
    let linearity = Linearity {
        coeffs: references.coeffs.view().into(),
        ref_dq: no_flags(),
    };
    let dark = Dark {
        signal: DarkSignal::Rate(references.dark.view().into(), pattern.times()),
        ref_dq: no_flags(),
    };
    let gain: Plane<'_, f32> = references.gain.view().into();
    let read_noise: Plane<'_, f32> = references.read_noise.view().into();
    let jump = Jump::new(gain, read_noise, pattern, JumpParameters::default());
    let fit = RampFit::new(gain, read_noise, pattern);
    let kernels: Vec<&dyn BandKernel> = vec![&saturation, &linearity, &dark, &jump];
    let chain = Chain {
        raw: raw.view().into(),
        groupdq: None,
        pixeldq: Some(references.mask.view().into()),
        kernels,
        fit,
        border: BORDER,
    };
    Execution::uninterrupted(|execution| chain.run(&mut result.rows(), execution))
        .expect("the arrays fit");
}

/// Reads every input and writes every output once.
fn stream(raw: &Array3<u16>, references: &References, result: &mut RampFitResult) -> u64 {
    let n_rows = raw.dim().1;
    let rows = n_rows - 2 * BORDER;
    let sum = std::sync::atomic::AtomicU64::new(0);
    {
        let height = 32;
        let planes = [
            &mut result.slope,
            &mut result.var_poisson,
            &mut result.var_rnoise,
            &mut result.err,
            &mut result.chisq,
            &mut result.dumo,
        ];
        let mut outputs: Vec<Vec<_>> = (0..rows.div_ceil(height)).map(|_| Vec::new()).collect();
        for plane in planes {
            for (band, output) in plane
                .axis_chunks_iter_mut(Axis(0), height)
                .zip(&mut outputs)
            {
                output.push(band);
            }
        }
        let flags = result.dq.axis_chunks_iter_mut(Axis(0), height);
        let tasks = (0..n_rows)
            .step_by(height)
            .zip(outputs.into_iter().zip(flags));
        let words = |bytes: &[u8]| -> u64 {
            let (words, _) = bytes.as_chunks::<8>();
            words
                .iter()
                .fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
        };
        Execution::uninterrupted(|execution| {
            for_each(
                tasks.collect(),
                |(first, (mut floats, mut flags))| {
                    let mut total = 0_u64;
                    for r in first..n_rows.min(first + height) {
                        for plane in raw.outer_iter() {
                            total = total.wrapping_add(words(bytemuck::cast_slice(
                                plane.row(r).to_slice().expect("contiguous"),
                            )));
                        }
                        for plane in references.coeffs.outer_iter() {
                            total = total.wrapping_add(words(bytemuck::cast_slice(
                                plane.row(r).to_slice().expect("contiguous"),
                            )));
                        }
                        for plane in [
                            &references.threshold,
                            &references.dark,
                            &references.gain,
                            &references.read_noise,
                        ] {
                            total = total.wrapping_add(words(bytemuck::cast_slice(
                                plane.row(r).to_slice().expect("contiguous"),
                            )));
                        }
                        // The same flags stand for those of three references.
                        for plane in [&references.mask, &references.no_flags] {
                            total = total.wrapping_add(words(bytemuck::cast_slice(
                                plane.row(r).to_slice().expect("contiguous"),
                            )));
                        }
                    }
                    for plane in &mut floats {
                        plane.fill(1.0);
                    }
                    flags.fill(1);
                    sum.fetch_add(total, std::sync::atomic::Ordering::Relaxed);
                },
                execution,
            )
        })
        .expect("no one interrupts");
    }
    sum.into_inner()
}

fn best<R>(mut run: impl FnMut() -> R) -> Duration {
    let timed = (0..REPEATS).map(|_| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed()
    });
    timed.min().expect("there are repeats")
}

fn main() {
    let size: usize =
        std::env::var("CHAIN_SIZE").map_or(4096, |text| text.parse().expect("a size"));
    let n_resultants: usize =
        std::env::var("CHAIN_RESULTANTS").map_or(8, |text| text.parse().expect("a number"));
    let references = References::new(size);
    let pattern = ReadPattern::evenly_spaced(n_resultants, 24.0, 8, None).expect("a valid pattern");
    let only: Option<f64> = std::env::var("CHAIN_IRREGULAR")
        .ok()
        .and_then(|text| text.parse().ok());
    for irregular in [0.0, 0.01, 0.05, 0.3] {
        if only.is_some_and(|only| only != irregular) {
            continue;
        }
        let raw = exposure::raw(&mut Uniform(1), n_resultants, size, irregular);
        for threads in [1, 2] {
            driver::set_num_threads(Some(threads)).expect("a thread pool");
            let inside = size - 2 * BORDER;
            let new = || RampFitResult::zeros(inside, inside);
            let mut old = new();
            if std::env::var("CHAIN_PROFILE").is_ok() {
                let t = best(|| calibrate(&raw, &references, &pattern, &mut old));
                println!(
                    "profile {:?} ns per pixel",
                    t.as_secs_f64() * 1e9 / (size * size) as f64
                );
                let t = best(|| calibrate(&raw, &references, &pattern, &mut old));
                println!(
                    "profile {:?} ns per pixel",
                    t.as_secs_f64() * 1e9 / (size * size) as f64
                );
                return;
            }
            let chain = best(|| calibrate(&raw, &references, &pattern, &mut new()));
            let limit = best(|| stream(&raw, &references, &mut new()));
            let chain_old = best(|| calibrate(&raw, &references, &pattern, &mut old));
            let limit_old = best(|| stream(&raw, &references, &mut old));
            let per_pixel = |time: Duration| time.as_secs_f64() * 1e9 / (size * size) as f64;
            println!(
                "{size} x {size} x {n_resultants}, {:4.0} % irregular, {threads} threads: {:6.2} ns per pixel, \
                 streaming {:6.2}, ratio {:5.2}",
                irregular * 100.0,
                per_pixel(chain),
                per_pixel(limit),
                chain.as_secs_f64() / limit.as_secs_f64()
            );
            println!(
                "    into memory that is there: {:6.2} {:6.2} {:5.2}",
                per_pixel(chain_old),
                per_pixel(limit_old),
                chain_old.as_secs_f64() / limit_old.as_secs_f64()
            );
        }
    }
}
