//! Time of the one pass from raw counts to the rate image, beside that of streaming the same bytes.
//!
//! The stream reads every input and writes every output of the chain once, with the same threads and
//! bands: it is the limit. Outputs are memory that nobody has used yet, as in a pipeline, for both.
//! The last column is what is left where both write into memory that is there already.
//!
//! `CHAIN_SIZE` and `CHAIN_RESULTANTS` set another size than 4096 x 4096 x 8. With `CHAIN_KERNEL` set
//! to `chain` or to the name of a kernel, only that runs, `CHAIN_REPEATS` times on one thread, for a
//! program that counts instructions.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ndarray::{Array2, Array3, ArrayView2, Axis};
use romancal_rs_core::band::{BandArray, BandKernel, RampBand};
use romancal_rs_core::cadence::ReadPattern;
use romancal_rs_core::chain::{Chain, Source};
use romancal_rs_core::driver::{self, Execution, for_each};
use romancal_rs_core::encoding::Encoding;
use romancal_rs_core::kernels::dark::{Dark, DarkSignal};
use romancal_rs_core::kernels::jump::{Jump, JumpParameters};
use romancal_rs_core::kernels::linearity::Linearity;
use romancal_rs_core::kernels::ramp_fit::{RampFit, fit_ramps};
use romancal_rs_core::kernels::rate_rows::RATE_IMAGE;
use romancal_rs_core::kernels::saturation::{Partial, Saturation};
use romancal_rs_core::planes::{Image, Planes, Quantity};

mod exposure;
mod flight;

const BORDER: usize = 4;
const REPEATS: usize = 7;
const BAND_ROWS: usize = 16;

/// An array of its own for each that the pipeline reads: the limit must not read one twice.
struct References {
    mask: Array2<u32>,
    saturation: (Array2<f32>, Array2<u32>),
    linearity: (Array3<f32>, Array2<u32>),
    dark: (Array2<f32>, Array2<u32>),
    gain: Array2<f32>,
    read_noise: Array2<f32>,
}

impl References {
    fn new(n: usize) -> Self {
        let plane = |value: f32| Array2::from_elem((n, n), value);
        // Not `zeros`, whose pages are all the same one until they are written.
        let flags = || Array2::from_elem((n, n), 0x100);
        let mut coeffs = Array3::zeros((5, n, n));
        for (mut term, value) in coeffs.outer_iter_mut().zip([0.1, 1.0, 1e-7, 1e-13, 1e-19]) {
            term.fill(value);
        }
        Self {
            mask: flags(),
            saturation: (plane(60_000.0), flags()),
            linearity: (coeffs, flags()),
            dark: (plane(0.01), flags()),
            gain: plane(1.5),
            read_noise: plane(8.0),
        }
    }

    fn planes_of_floats(&self) -> Vec<ArrayView2<'_, f32>> {
        let planes = [
            &self.saturation.0,
            &self.dark.0,
            &self.gain,
            &self.read_noise,
        ];
        let coeffs = self.linearity.0.outer_iter();
        planes
            .map(|plane| plane.view())
            .into_iter()
            .chain(coeffs)
            .collect()
    }

    fn planes_of_flags(&self) -> [&Array2<u32>; 4] {
        [
            &self.mask,
            &self.saturation.1,
            &self.linearity.1,
            &self.dark.1,
        ]
    }
}

/// The kernels on these references.
struct Kernels<'a> {
    saturation: Saturation<'a>,
    linearity: Linearity<'a>,
    dark: Dark<'a>,
    jump: Jump<'a>,
}

impl<'a> Kernels<'a> {
    fn new(references: &'a References, pattern: &'a ReadPattern) -> Self {
        let (threshold, saturation_dq) = &references.saturation;
        let (coeffs, linearity_dq) = &references.linearity;
        let (rate, dark_dq) = &references.dark;
        Self {
            saturation: Saturation {
                threshold: threshold.view().into(),
                ref_dq: saturation_dq.view().into(),
                floor: 0.0,
                n_pix_grow: 0,
                partial: Partial::default(),
            },
            linearity: Linearity {
                coeffs: coeffs.view().into(),
                ref_dq: linearity_dq.view().into(),
            },
            dark: Dark {
                signal: DarkSignal::Rate(rate.view().into(), pattern.times()),
                ref_dq: dark_dq.view().into(),
            },
            jump: Jump::new(
                references.gain.view().into(),
                references.read_noise.view().into(),
                pattern,
                JumpParameters::default(),
            ),
        }
    }

    fn named(&self) -> [(&'static str, &dyn BandKernel); 4] {
        [
            ("saturation", &self.saturation),
            ("linearity", &self.linearity),
            ("dark", &self.dark),
            ("jump", &self.jump),
        ]
    }
}

fn fit_of<'a>(references: &'a References, pattern: &'a ReadPattern) -> RampFit<'a> {
    RampFit::new(
        references.gain.view().into(),
        references.read_noise.view().into(),
        pattern,
    )
}

fn calibrate(
    raw: &Array3<u16>,
    references: &References,
    pattern: &ReadPattern,
    result: &mut Image,
) {
    let kernels = Kernels::new(references, pattern);
    let chain = Chain {
        source: Source::Counts(raw.view().into(), Encoding::default()),
        groupdq: None,
        pixeldq: Some(references.mask.view().into()),
        kernels: kernels.named().map(|(_, kernel)| kernel).into(),
        fit: &fit_of(references, pattern),
        border: BORDER,
    };
    Execution::uninterrupted(|execution| chain.run(&mut result.planes(), execution))
        .expect("the arrays fit");
}

/// Reads every input and writes every output once.
fn stream(raw: &Array3<u16>, references: &References, result: &mut Image) -> u64 {
    let n_rows = raw.dim().1;
    let sum = AtomicU64::new(0);
    let mut planes = result.planes();
    let inside = n_rows - 2 * BORDER;
    let cut = (0..inside).step_by(BAND_ROWS);
    let rows: Vec<_> = cut.map(|r| r..inside.min(r + BAND_ROWS)).collect();
    let all_cols: Vec<_> = std::iter::once(0..inside).collect();
    let tiles = planes.split(&rows, &all_cols);
    let bands = (0..n_rows).step_by(BAND_ROWS).zip(tiles);
    Execution::uninterrupted(|execution| {
        let work = |(first, mut out): (usize, Planes<'_>)| {
            let mut total = 0;
            for r in first..n_rows.min(first + BAND_ROWS) {
                total += raw.outer_iter().map(|plane| sum_of(plane, r)).sum::<u64>();
                let floats = references.planes_of_floats().into_iter();
                total += floats.map(|plane| sum_of(plane, r)).sum::<u64>();
                let flags = references.planes_of_flags().into_iter();
                total += flags.map(|plane| sum_of(plane.view(), r)).sum::<u64>();
            }
            for r in 0..out.n_rows() {
                let mut planes = out.row(r);
                for quantity in RATE_IMAGE {
                    if let Some(row) = planes.take_numbers(quantity) {
                        row.fill(1.0);
                    }
                }
                if let Some(row) = planes.take_flags(Quantity::Dq) {
                    row.fill(1);
                }
            }
            sum.fetch_add(total & 0xff, Ordering::Relaxed);
        };
        for_each(bands.collect(), work, execution)
    })
    .expect("no one interrupts");
    sum.into_inner()
}

/// Touches every byte of a row, as fast as memory goes.
fn sum_of<T: bytemuck::Pod>(plane: ArrayView2<'_, T>, row: usize) -> u64 {
    let row = plane.index_axis_move(Axis(0), row);
    let bytes: &[u8] = bytemuck::cast_slice(row.to_slice().expect("contiguous rows"));
    let (words, _) = bytes.as_chunks::<8>();
    let add = |sum: u64, word: &[u8; 8]| sum.wrapping_add(u64::from_ne_bytes(*word));
    words.iter().fold(0, add) >> 16
}

fn best<R>(mut run: impl FnMut() -> R) -> Duration {
    let timed = (0..REPEATS).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    });
    timed.min().expect("there are repeats")
}

/// Runs one kernel, or the chain, so many times on one thread.
fn run_named(
    name: &str,
    raw: &Array3<u16>,
    references: &References,
    pattern: &ReadPattern,
    repeats: usize,
) {
    driver::set_num_threads(Some(1)).expect("a thread pool");
    if flight::KERNELS.contains(&name) {
        flight::run(name, raw, repeats);
        return;
    }
    let (_, n_rows, n_cols) = raw.dim();
    let inside = n_rows - 2 * BORDER;
    if name == "chain" {
        let mut result = Image::zeros(&RATE_IMAGE, (inside, inside));
        for _ in 0..repeats {
            calibrate(raw, references, pattern, &mut result);
        }
        return;
    }
    let kernels = Kernels::new(references, pattern);
    let mut data = raw.mapv(f32::from);
    let mut groupdq = Array3::zeros(data.dim());
    let mut pixeldq = Array2::zeros((n_rows, n_cols));
    let mut ramp = RampBand::of_image(
        BandArray::InPlace(data.view_mut()),
        BandArray::InPlace(groupdq.view_mut()),
        BandArray::InPlace(pixeldq.view_mut()),
    );
    Execution::uninterrupted(|execution| {
        // What comes before it, once, so that it sees what it sees in a pipeline.
        for (other, kernel) in kernels.named() {
            let times = if other == name { repeats } else { 1 };
            for _ in 0..times {
                driver::run(&[kernel], &mut ramp, execution)?;
            }
            if other == name {
                return Ok(());
            }
        }
        let mut result = Image::zeros(&RATE_IMAGE, (n_rows, n_cols));
        let fit = fit_of(references, pattern);
        for _ in 0..repeats {
            fit_ramps(&fit, &mut ramp, &mut result.planes(), false, execution)?;
        }
        Ok::<(), romancal_rs_core::error::KernelError>(())
    })
    .expect("the arrays fit");
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: {text} is no number"))
    })
}

fn main() {
    let size = number("CHAIN_SIZE", 4096);
    let n_resultants = number("CHAIN_RESULTANTS", 8);
    let references = References::new(size);
    let pattern = ReadPattern::evenly_spaced(n_resultants, 24.0, 7, None).expect("a valid pattern");
    if let Ok(name) = std::env::var("CHAIN_KERNEL") {
        let raw = exposure::raw(n_resultants, size, 0.01);
        let repeats = number("CHAIN_REPEATS", 1);
        run_named(&name, &raw, &references, &pattern, repeats);
        return;
    }
    println!("{size} x {size} x {n_resultants}, wall time in ns per pixel, best of {REPEATS}");
    println!("irregular  threads   chain  stream  ratio   (memory that is there: chain  stream)");
    for irregular in [0.0, 0.01, 0.05, 0.3] {
        let raw = exposure::raw(n_resultants, size, irregular);
        for threads in [1, 2] {
            driver::set_num_threads(Some(threads)).expect("a thread pool");
            let inside = size - 2 * BORDER;
            let new = || Image::zeros(&RATE_IMAGE, (inside, inside));
            let chain = best(|| calibrate(&raw, &references, &pattern, &mut new()));
            let limit = best(|| stream(&raw, &references, &mut new()));
            let mut old = new();
            let chain_there = best(|| calibrate(&raw, &references, &pattern, &mut old));
            let limit_there = best(|| stream(&raw, &references, &mut old));
            let per_pixel = |time: Duration| time.as_secs_f64() * 1e9 / (size * size) as f64;
            println!(
                "{:7.0} %  {threads:7}  {:6.2}  {:6.2}  {:5.2}   {:29.2}  {:6.2}",
                irregular * 100.0,
                per_pixel(chain),
                per_pixel(limit),
                chain.as_secs_f64() / limit.as_secs_f64(),
                per_pixel(chain_there),
                per_pixel(limit_there),
            );
        }
    }
}
