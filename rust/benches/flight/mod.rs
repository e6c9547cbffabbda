//! The kernels of the flight recipe on made-up references, for a program that counts instructions.

use ndarray::{Array1, Array2, Array3};
use num_complex::Complex;
use romancal_rs_core::band::{BandArray, BandKernel, RampBand};
use romancal_rs_core::cadence::ReadPattern;
use romancal_rs_core::driver::{self, Execution};
use romancal_rs_core::kernels::dark_decay::{DarkDecay, Decay};
use romancal_rs_core::kernels::inl::IntegralNonlinearity;
use romancal_rs_core::kernels::read_linearity::ReadLinearity;
use romancal_rs_core::kernels::read_times::Detector;
use romancal_rs_core::kernels::refpix::{Channels, ReferencePixels, Switches};
use romancal_rs_core::kernels::saturation::{Partial, Rule, Saturation};
use romancal_rs_core::kernels::wfi18_transient::{Mode, Wfi18Transient};

/// What `run` knows.
pub const KERNELS: [&str; 6] = [
    "partial saturation",
    "partial saturation of romancal",
    "refpix",
    "dark decay",
    "wfi18 transient",
    "read linearity",
];

const FRAME_TIME: f64 = 3.04;
const READS: i64 = 8;
const CHANNEL_COLS: usize = 128;

/// Runs one kernel so many times on a ramp of resultants of 8 reads.
pub fn run(name: &str, raw: &Array3<u16>, repeats: usize) {
    let (n_resultants, n_rows, n_cols) = raw.dim();
    let reads: Vec<Vec<i64>> = (0..n_resultants as i64)
        .map(|g| (READS * g + 1..=READS * (g + 1)).collect())
        .collect();
    let pattern = ReadPattern::from_reads(&reads, FRAME_TIME).expect("a valid pattern");
    let ref_dq = Array2::from_elem((n_rows, n_cols), 0x100);
    match name {
        "partial saturation" | "partial saturation of romancal" => {
            let rule = match name {
                "partial saturation" => Rule::Concave,
                _ => Rule::MeanRead,
            };
            let threshold = Array2::from_elem((n_rows, n_cols), 60_000.0);
            let kernel = Saturation {
                threshold: threshold.view().into(),
                ref_dq: ref_dq.view().into(),
                floor: 0.0,
                n_pix_grow: 0,
                partial: Partial {
                    rule,
                    backup: 0,
                    read_pattern: Some(&pattern),
                },
            };
            repeat(&kernel, raw, repeats);
        }
        "refpix" => {
            let n_channels = n_cols / CHANNEL_COLS;
            let of = |weight: f64| {
                Array2::from_elem((n_channels, n_rows * 70 + 1), Complex::new(weight, 0.01))
            };
            let (side, alpha) = (of(0.02), of(0.9));
            let amp33 = Array3::from_shape_fn((n_resultants, n_rows, CHANNEL_COLS), |(g, y, x)| {
                5000 + ((g * 31 + y * 17 + x * 7) % 41) as u16
            });
            let kernel = ReferencePixels {
                amp33: amp33.view().into(),
                gamma: side.view().into(),
                zeta: side.view().into(),
                alpha: alpha.view().into(),
                switches: Switches::default(),
                channels: Channels::default(),
            };
            repeat(&kernel, raw, repeats);
        }
        "dark decay" => {
            let decay = Decay {
                amplitude: 4.0,
                time_constant: 15.0,
            };
            let kernel = DarkDecay::new(decay, FRAME_TIME, &pattern, Detector::WFI18, (0, 0));
            repeat(&kernel, raw, repeats);
        }
        "wfi18 transient" => {
            let kernel = Wfi18Transient {
                frame_time: FRAME_TIME,
                read_pattern: &pattern,
                mode: Mode::Fit,
                origin: (0, 0),
            };
            repeat(&kernel, raw, repeats);
        }
        "read linearity" => {
            let coeffs = |terms: &[f32]| {
                let of = |(k, _, _): (usize, usize, usize)| terms[k];
                Array3::from_shape_fn((terms.len(), n_rows, n_cols), of)
            };
            let linear = coeffs(&[0.1, 1.0, 1e-7, 1e-12, 1e-17, 1e-22]);
            let inverse = coeffs(&[-0.1, 1.0, -1e-7, 1e-13]);
            let nodes = Array1::from_iter((0..1024).map(|node| 64.0 * f64::from(node)));
            let of_node =
                |(channel, node): (usize, usize)| (node as f64 / 50.0 + channel as f64).sin();
            let n_channels = n_cols.div_ceil(CHANNEL_COLS);
            let corrections = Array2::from_shape_fn((n_channels, 1024), of_node);
            let inl =
                IntegralNonlinearity::new(nodes.view(), corrections.view()).expect("a valid table");
            let kernel = ReadLinearity::new(
                linear.view().into(),
                ref_dq.view().into(),
                Some((inverse.view().into(), &pattern)),
                Some(&inl),
            );
            repeat(&kernel, raw, repeats);
        }
        _ => panic!("{name}: no such kernel"),
    }
}

fn repeat(kernel: &dyn BandKernel, raw: &Array3<u16>, repeats: usize) {
    let (_, n_rows, n_cols) = raw.dim();
    let mut data = raw.mapv(f32::from);
    let mut groupdq = Array3::zeros(raw.dim());
    let mut pixeldq = Array2::zeros((n_rows, n_cols));
    let mut ramp = RampBand::of_image(
        BandArray::InPlace(data.view_mut()),
        BandArray::InPlace(groupdq.view_mut()),
        BandArray::InPlace(pixeldq.view_mut()),
    );
    for _ in 0..repeats {
        Execution::uninterrupted(|execution| driver::run(&[kernel], &mut ramp, execution))
            .expect("the arrays fit");
    }
}
