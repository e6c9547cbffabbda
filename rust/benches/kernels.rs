//! Time of each kernel on a generated ramp of 2048 x 2048 pixels and 8 resultants.
//!
//! About 1 % of the pixels are irregular: they have a jump or a saturated tail. The time is that of
//! the whole image on 1 and on 2 threads; criterion's elements are pixels, so that the inverse of
//! its throughput is the time for a pixel. Kernels that change data in place work on what the run
//! before left, which takes as long.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array2, Array3};
use romancal_rs_core::band::{BandArray, BandKernel, RampBand};
use romancal_rs_core::cadence::ReadPattern;
use romancal_rs_core::dq::group;
use romancal_rs_core::driver::{self, Execution};
use romancal_rs_core::kernels::dark::{Dark, DarkSignal};
use romancal_rs_core::kernels::flat::{Flat, Rules};
use romancal_rs_core::kernels::jump::{Jump, JumpParameters};
use romancal_rs_core::kernels::likelihood::{LikelihoodFit, Search};
use romancal_rs_core::kernels::linearity::Linearity;
use romancal_rs_core::kernels::ramp_fit::{RampFit, fit_ramps};
use romancal_rs_core::kernels::rate_rows::RATE_IMAGE;
use romancal_rs_core::kernels::saturation::{Partial, Saturation};
use romancal_rs_core::planes::{Image, Planes, Quantity, run_fit, run_image};

mod exposure;

const N_RESULTANTS: usize = 8;
const N_ROWS: usize = 2048;
const N_COLS: usize = 2048;
const THREADS: [usize; 2] = [1, 2];

struct Ramp {
    data: Array3<f32>,
    groupdq: Array3<u8>,
    pixeldq: Array2<u32>,
}

impl Ramp {
    fn generate() -> Self {
        let data = exposure::raw(N_RESULTANTS, N_ROWS, 0.01).mapv(f32::from);
        Self {
            groupdq: Array3::zeros(data.dim()),
            pixeldq: Array2::zeros((N_ROWS, N_COLS)),
            data,
        }
    }

    fn run(&mut self, kernel: &dyn BandKernel, writes_data: bool) {
        let data = if writes_data {
            BandArray::InPlace(self.data.view_mut())
        } else {
            BandArray::Shared(self.data.view())
        };
        let groupdq = if writes_data {
            BandArray::Shared(self.groupdq.view())
        } else {
            BandArray::InPlace(self.groupdq.view_mut())
        };
        let mut ramp =
            RampBand::of_image(data, groupdq, BandArray::InPlace(self.pixeldq.view_mut()));
        Execution::uninterrupted(|execution| driver::run(&[kernel], &mut ramp, execution))
            .expect("the arrays fit");
    }
}

fn plane(value: f32) -> Array2<f32> {
    Array2::from_elem((N_ROWS, N_COLS), value)
}

fn kernels(criterion: &mut Criterion) {
    let no_flags = Array2::zeros((N_ROWS, N_COLS));
    let pattern = ReadPattern::evenly_spaced(N_RESULTANTS, 24.0, 8, None).expect("a valid pattern");
    let mut ramp = Ramp::generate();

    let threshold = plane(50_000.0);
    let saturation = |n_pix_grow| Saturation {
        threshold: threshold.view().into(),
        ref_dq: no_flags.view().into(),
        floor: 0.0,
        n_pix_grow,
        partial: Partial::default(),
    };
    time(criterion, "saturation", || ramp.run(&saturation(0), false));
    time(criterion, "saturation, grown by 1", || {
        ramp.run(&saturation(1), false);
    });
    // The grown area is no longer 1 % of the pixels.
    ramp.groupdq.fill(0);
    ramp.run(&saturation(0), false);

    // The identity, so that running it again and again leaves the ramp as it is.
    let mut coeffs = Array3::zeros((5, N_ROWS, N_COLS));
    coeffs.index_axis_mut(ndarray::Axis(0), 1).fill(1.0);
    let linearity = Linearity {
        coeffs: coeffs.view().into(),
        ref_dq: no_flags.view().into(),
    };
    time(criterion, "linearity", || ramp.run(&linearity, true));

    let no_dark = Array3::zeros((N_RESULTANTS, N_ROWS, N_COLS));
    let dark = Dark {
        signal: DarkSignal::Accumulated(no_dark.view().into()),
        ref_dq: no_flags.view().into(),
    };
    time(criterion, "dark", || ramp.run(&dark, true));

    let (gain, read_noise) = (plane(1.5), plane(8.0));
    let jump = Jump::new(
        gain.view().into(),
        read_noise.view().into(),
        &pattern,
        JumpParameters::default(),
    );
    time(criterion, "jump", || ramp.run(&jump, false));

    let fit = RampFit::new(gain.view().into(), read_noise.view().into(), &pattern);
    let mut band = RampBand::of_image(
        BandArray::Shared(ramp.data.view()),
        BandArray::Shared(ramp.groupdq.view()),
        BandArray::Shared(ramp.pixeldq.view()),
    );
    let mut image = Image::zeros(&RATE_IMAGE, (N_ROWS, N_COLS));
    for (name, optional) in [("ramp fit", false), ("ramp fit, optional", true)] {
        time(criterion, name, || {
            let segments = Execution::uninterrupted(|execution| {
                fit_ramps(&fit, &mut band, &mut image.planes(), optional, execution)
            });
            black_box(segments.expect("the arrays fit"));
        });
    }

    let search = Search::default();
    let fit = LikelihoodFit::new(
        gain.view().into(),
        read_noise.view().into(),
        &pattern,
        search,
    )
    .expect("parameters in their ranges");
    // Each run finds the hits anew.
    ramp.groupdq.mapv_inplace(|flags| flags & !group::JUMP_DET);
    let found = ramp.groupdq.clone();
    time(criterion, "fit_likelihood", || {
        ramp.groupdq.assign(&found);
        let mut band = RampBand::of_image(
            BandArray::Shared(ramp.data.view()),
            BandArray::InPlace(ramp.groupdq.view_mut()),
            BandArray::Shared(ramp.pixeldq.view()),
        );
        Execution::uninterrupted(|execution| {
            run_fit(&fit, &mut band, &mut image.planes(), execution)
        })
        .expect("the arrays fit");
    });

    let (mut data, mut var_poisson, mut var_rnoise) = (plane(2.0), plane(0.1), plane(0.1));
    let mut dq = Array2::zeros((N_ROWS, N_COLS));
    let (mut dumo, mut var_flat, mut err) = (plane(0.0), plane(0.0), plane(0.0));
    let (response, error) = (plane(1.0), plane(0.01));
    let flat = Flat {
        flat: response.view().into(),
        flat_err: error.view().into(),
        flat_dq: no_flags.view().into(),
        rules: Rules::Manual,
    };
    time(criterion, "flat", || {
        let mut planes = Planes::default();
        planes.add_numbers(Quantity::Slope, data.view_mut());
        planes.add_flags(Quantity::Dq, dq.view_mut());
        planes.add_numbers(Quantity::VarPoisson, var_poisson.view_mut());
        planes.add_numbers(Quantity::VarRnoise, var_rnoise.view_mut());
        planes.add_numbers(Quantity::Dumo, dumo.view_mut());
        planes.add_numbers(Quantity::VarFlat, var_flat.view_mut());
        planes.add_numbers(Quantity::Err, err.view_mut());
        Execution::uninterrupted(|execution| {
            run_image(&flat, &mut planes, (N_ROWS, N_COLS), execution)
        })
        .expect("the arrays fit");
    });
}

fn time(criterion: &mut Criterion, name: &str, mut run: impl FnMut()) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    group.throughput(Throughput::Elements((N_ROWS * N_COLS) as u64));
    for threads in THREADS {
        driver::set_num_threads(Some(threads)).expect("a thread pool");
        let id = BenchmarkId::from_parameter(format!("{threads} threads"));
        group.bench_function(id, |bencher| bencher.iter(&mut run));
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
