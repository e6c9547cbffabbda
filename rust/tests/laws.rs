//! Laws that hold for any ramp: any shape, any bits of a float, any flags.

use std::sync::Once;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3};
use proptest::collection::vec;
use proptest::prelude::*;
use romancal_rs_core::band::{BandArray, BandKernel, RampBand};
use romancal_rs_core::cadence::ReadPattern;
use romancal_rs_core::chain::Chain;
use romancal_rs_core::dq::group;
use romancal_rs_core::driver::{self, Execution};
use romancal_rs_core::encoding::Encoding;
use romancal_rs_core::kernels::dark::{Dark, DarkSignal};
use romancal_rs_core::kernels::flat::{Flat, RateImage, apply_flat};
use romancal_rs_core::kernels::jump::{Jump, JumpParameters};
use romancal_rs_core::kernels::linearity::Linearity;
use romancal_rs_core::kernels::ramp_fit::{RampFit, RampFitResult, SegmentArrays, fit_ramps};
use romancal_rs_core::kernels::saturation::Saturation;
use romancal_rs_core::reference::{Cube, Plane};

/// A ramp, and a reference of each kind.
#[derive(Debug, Clone)]
struct Case {
    data: Array3<f32>,
    groupdq: Array3<u8>,
    pixeldq: Array2<u32>,
    cube: Array3<f32>,
    plane: Array2<f32>,
    other_plane: Array2<f32>,
    ref_dq: Array2<u32>,
    pattern: ReadPattern,
    /// What a count of 0 is worth.
    floor: f32,
    n_pix_grow: usize,
}

/// Numbers from a seed: an array of proptest's own values would take longer to make than to use.
struct Random(u64);

impl Random {
    /// SplitMix64.
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number that a detector might give or, once in `rarity`, any bits or NaN: if all were so,
    /// most ramps would be all infinite.
    fn float(&mut self, rarity: u64) -> f32 {
        let bits = self.bits();
        if !(bits >> 32).is_multiple_of(rarity) {
            return (bits as u32) as f32 * (70_010.0 / 4_294_967_296.0) - 10.0;
        }
        if bits & 3 == 0 {
            f32::NAN
        } else {
            f32::from_bits(self.bits() as u32)
        }
    }

    /// Any flags, once in `rarity`.
    fn flags(&mut self, rarity: u64) -> u8 {
        let bits = self.bits();
        if (bits >> 32).is_multiple_of(rarity) {
            bits as u8
        } else {
            0
        }
    }

    fn cube<T>(&mut self, shape: (usize, usize, usize), of: impl Fn(&mut Self) -> T) -> Array3<T> {
        Array3::from_shape_simple_fn(shape, || of(self))
    }

    fn plane<T>(&mut self, shape: (usize, usize), of: impl Fn(&mut Self) -> T) -> Array2<T> {
        Array2::from_shape_simple_fn(shape, || of(self))
    }
}

prop_compose! {
    fn case()(
        n_resultants in prop_oneof![8 => 1_usize..8, 1 => 8_usize..20],
        n_rows in 1_usize..8,
        n_cols in prop_oneof![1_usize..5, 60_usize..70],
    )(
        steps in vec((1_i64..4, 0_i64..3), n_resultants),
        n_pix_grow in 0_usize..4,
        rarity in prop_oneof![1 => Just(2_u64), 2 => Just(4), 4 => Just(30), 1 => Just(u64::MAX)],
        seed in any::<u64>().no_shrink(),
        shape in Just((n_resultants, n_rows, n_cols)),
    ) -> Case {
        let (n_resultants, n_rows, n_cols) = shape;
        let image = (n_rows, n_cols);
        let mut reads = Vec::with_capacity(n_resultants);
        let mut last = 0;
        for (n_reads, pause) in steps {
            reads.push((last + pause + 1..=last + pause + n_reads).collect::<Vec<_>>());
            last += pause + n_reads;
        }
        let mut random = Random(seed);
        Case {
            data: random.cube(shape, |random| random.float(rarity)),
            cube: random.cube(shape, |random| random.float(rarity)),
            groupdq: random.cube(shape, |random| random.flags(rarity)),
            pixeldq: random.plane(image, |random| random.bits() as u32),
            ref_dq: random.plane(image, |random| random.bits() as u32),
            plane: random.plane(image, |random| random.float(rarity)),
            other_plane: random.plane(image, |random| random.float(rarity)),
            pattern: ReadPattern::from_reads(&reads, 3.04).unwrap(),
            floor: 0.0,
            n_pix_grow,
        }
    }
}

/// Runs with bands of so many rows on so many threads, of a pool of three on any machine.
fn execute<R>(band_rows: usize, threads: usize, run: impl FnOnce(&mut Execution<'_>) -> R) -> R {
    static THREE_THREADS: Once = Once::new();
    THREE_THREADS.call_once(|| driver::set_num_threads(Some(3)).unwrap());
    run(&mut Execution {
        max_threads: Some(threads),
        band_rows: Some(band_rows),
        interrupt: &mut || false,
    })
}

fn coefficients(case: &Case) -> Array3<f32> {
    let cube = case.cube.view();
    ndarray::concatenate(ndarray::Axis(0), &[cube, cube, cube]).unwrap()
}

/// The chain saturation, linearity, dark, jump on a copy of the ramp.
fn corrected(case: &Case, band_rows: usize, threads: usize) -> Case {
    let mut result = case.clone();
    let coeffs = coefficients(case);
    let kernels: [&dyn BandKernel; 4] = [
        &Saturation {
            threshold: case.plane.view().into(),
            ref_dq: case.ref_dq.view().into(),
            floor: case.floor,
            n_pix_grow: case.n_pix_grow,
        },
        &Linearity {
            coeffs: coeffs.view().into(),
            ref_dq: case.ref_dq.view().into(),
        },
        &Dark {
            signal: DarkSignal::Accumulated(case.cube.view().into()),
            ref_dq: case.ref_dq.view().into(),
        },
        &Jump::new(
            case.plane.view().into(),
            case.other_plane.view().into(),
            &case.pattern,
            JumpParameters::default(),
        ),
    ];
    for kernel in kernels {
        let mut ramp = RampBand {
            first_row: 0,
            data: BandArray::InPlace(result.data.view_mut()),
            groupdq: BandArray::InPlace(result.groupdq.view_mut()),
            pixeldq: BandArray::InPlace(result.pixeldq.view_mut()),
        };
        execute(band_rows, threads, |execution| {
            driver::run(kernel, &mut ramp, execution)
        })
        .unwrap();
    }
    result
}

fn fitted(
    case: &Case,
    optional: bool,
    band_rows: usize,
    threads: usize,
) -> (RampFitResult, Option<SegmentArrays>) {
    let fit = RampFit::new(
        case.plane.view().into(),
        case.other_plane.view().into(),
        &case.pattern,
    );
    let mut ramp = RampBand {
        first_row: 0,
        data: BandArray::Shared(case.data.view()),
        groupdq: BandArray::Shared(case.groupdq.view()),
        pixeldq: BandArray::Shared(case.pixeldq.view()),
    };
    let (_, n_rows, n_cols) = case.data.dim();
    let mut image = RampFitResult::zeros(n_rows, n_cols);
    let segments = execute(band_rows, threads, |execution| {
        fit_ramps(&fit, &mut ramp, &mut image.rows(), optional, execution)
    })
    .unwrap();
    (image, segments)
}

/// The bits of floats: NaN equals NaN, and 0 is not -0.
fn bits<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u32> {
    values.into_iter().map(|value| value.to_bits()).collect()
}

fn all_bits((fit, segments): &(RampFitResult, Option<SegmentArrays>)) -> Vec<Vec<u32>> {
    let mut all = vec![
        bits(&fit.slope),
        fit.dq.iter().copied().collect(),
        bits(&fit.var_poisson),
        bits(&fit.var_rnoise),
        bits(&fit.err),
        bits(&fit.chisq),
        bits(&fit.dumo),
    ];
    if let Some(segments) = segments {
        all.extend([
            bits(&segments.slope),
            bits(&segments.sigslope),
            bits(&segments.yint),
            bits(&segments.sigyint),
            bits(&segments.weights),
            bits(&segments.var_poisson),
            bits(&segments.var_rnoise),
            bits(&segments.pedestal),
            bits(&segments.crmag),
        ]);
    }
    all
}

/// The rate image of counts, each step on the whole ramp, then without a border.
fn step_by_step(case: &Case, border: usize) -> Vec<Vec<u32>> {
    let (fit, _) = fitted(&corrected(case, 100, 1), false, 100, 1);
    let inside = |(index, bits): (usize, u32), n_cols: usize, n_rows: usize| {
        let (r, c) = (index / n_cols, index % n_cols);
        let within = |i: usize, n: usize| i >= border && i < n - border;
        (within(r, n_rows) && within(c, n_cols)).then_some(bits)
    };
    let (_, n_rows, n_cols) = case.data.dim();
    all_bits(&(fit, None))
        .into_iter()
        .map(|plane| {
            let pixels = plane.into_iter().enumerate();
            pixels
                .filter_map(|pixel| inside(pixel, n_cols, n_rows))
                .collect()
        })
        .collect()
}

/// The same in one pass, from counts as they were sent, and from the bytes of the references if so
/// wished.
fn in_one_pass(
    case: &Case,
    counts: &Array3<u16>,
    (reference_read, offset): (Option<&Array2<u16>>, u16),
    border: usize,
    from_bytes: bool,
    (band_rows, threads): (usize, usize),
) -> Vec<Vec<u32>> {
    let (_, n_rows, n_cols) = case.data.dim();
    let encoding = Encoding {
        reference_read: reference_read.map(|read| read.view().into()),
        offset: f32::from(offset),
    };
    // One byte before the numbers, so that they lie at no address that suits them.
    let unaligned = |bytes: Vec<u8>| [vec![0], bytes].concat();
    let count_bytes = unaligned(
        counts
            .iter()
            .flat_map(|count| count.to_ne_bytes())
            .collect(),
    );
    let plane_bytes = unaligned(
        case.plane
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect(),
    );
    let (mut raw, mut plane) = (Cube::from(counts.view()), Plane::from(case.plane.view()));
    if from_bytes {
        let shape = (counts.dim().0, n_rows, 2 * n_cols);
        raw = Cube::Bytes(ArrayView3::from_shape(shape, &count_bytes[1..]).unwrap());
        let shape = (n_rows, 4 * n_cols);
        plane = Plane::Bytes(ArrayView2::from_shape(shape, &plane_bytes[1..]).unwrap());
    }
    let coeffs = coefficients(case);
    let ref_dq = || case.ref_dq.view().into();
    let saturation = Saturation {
        threshold: plane,
        ref_dq: ref_dq(),
        floor: encoding.floor(),
        n_pix_grow: case.n_pix_grow,
    };
    let linearity = Linearity {
        coeffs: coeffs.view().into(),
        ref_dq: ref_dq(),
    };
    let dark = Dark {
        signal: DarkSignal::Accumulated(case.cube.view().into()),
        ref_dq: ref_dq(),
    };
    let read_noise = case.other_plane.view().into();
    let jump = Jump::new(plane, read_noise, &case.pattern, JumpParameters::default());
    let chain = Chain {
        raw,
        encoding,
        groupdq: Some(case.groupdq.view().into()),
        pixeldq: Some(case.pixeldq.view().into()),
        kernels: vec![&saturation, &linearity, &dark, &jump],
        fit: RampFit::new(plane, read_noise, &case.pattern),
        border,
    };
    let mut image = RampFitResult::zeros(n_rows - 2 * border, n_cols - 2 * border);
    execute(band_rows, threads, |execution| {
        chain.run(&mut image.rows(), execution)
    })
    .unwrap();
    all_bits(&(image, None))
}

proptest! {
    // So many cases as PROPTEST_CASES says, from the seed PROPTEST_RNG_SEED; 256 without.
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn one_pass_gives_the_bits_of_the_steps(
        case in case(),
        border in 0_usize..3,
        from_bytes in any::<bool>(),
        band_rows in 1_usize..9,
        threads in 1_usize..4,
        offset in prop_oneof![Just(0_u16), 1_u16..2000],
        has_reference_read in any::<bool>(),
    ) {
        let (_, n_rows, n_cols) = case.data.dim();
        let border = border.min(n_rows / 2).min(n_cols / 2);
        let counts = case.data.mapv(|sample| sample as u16);
        let reference_read = case.other_plane.mapv(|sample| sample as u16);
        let mut ramp = case.clone();
        ramp.floor = -f32::from(offset);
        for ((g, r, c), &count) in counts.indexed_iter() {
            let reference = if has_reference_read { reference_read[[r, c]] } else { 0 };
            let sample = i32::from(count) + i32::from(reference) - i32::from(offset);
            ramp.data[[g, r, c]] = sample as f32;
            if has_reference_read && count == 0 {
                ramp.groupdq[[g, r, c]] |= group::AD_FLOOR | group::DO_NOT_USE;
            }
        }
        let expected = step_by_step(&ramp, border);
        let encoding = (has_reference_read.then_some(&reference_read), offset);
        let image = in_one_pass(&case, &counts, encoding, border, from_bytes, (band_rows, threads));
        prop_assert_eq!(image, expected);
    }

    #[test]
    fn flags_are_only_added(case in case()) {
        let result = corrected(&case, 3, 2);
        for (before, after) in case.groupdq.iter().zip(&result.groupdq) {
            prop_assert_eq!(before & after, *before);
        }
        for (before, after) in case.pixeldq.iter().zip(&result.pixeldq) {
            prop_assert_eq!(before & after, *before);
        }
        let (fit, _) = fitted(&case, false, 3, 2);
        for (before, after) in case.pixeldq.iter().zip(&fit.dq) {
            prop_assert_eq!(before & after, *before);
        }
    }

    #[test]
    fn bands_and_threads_do_not_matter(case in case(), band_rows in 1_usize..9) {
        let whole = corrected(&case, 100, 1);
        let cut = corrected(&case, band_rows, 3);
        prop_assert_eq!(bits(&whole.data), bits(&cut.data));
        prop_assert_eq!(&whole.groupdq, &cut.groupdq);
        prop_assert_eq!(&whole.pixeldq, &cut.pixeldq);
        for optional in [false, true] {
            let whole = fitted(&case, optional, 100, 1);
            let cut = fitted(&case, optional, band_rows, 3);
            prop_assert_eq!(all_bits(&whole), all_bits(&cut));
        }
    }

    #[test]
    fn asking_for_the_segments_does_not_change_the_image(case in case()) {
        let plain = fitted(&case, false, 4, 1);
        let mut with_segments = fitted(&case, true, 4, 1);
        with_segments.1 = None;
        prop_assert_eq!(all_bits(&plain), all_bits(&with_segments));
    }

    #[test]
    fn unusable_pixels_are_zero_and_flagged(case in case()) {
        let (fit, _) = fitted(&case, false, 4, 1);
        for ((r, c), dq) in fit.dq.indexed_iter() {
            let known = case.plane[[r, c]].is_finite()
                && case.plane[[r, c]] > 0.0
                && case.other_plane[[r, c]].is_finite();
            let any = (0..case.data.dim().0).any(|g| {
                case.groupdq[[g, r, c]] & 3 == 0 && case.data[[g, r, c]].is_finite()
            });
            if !known || !any {
                prop_assert_eq!(dq & 1, 1);
                prop_assert_eq!(fit.slope[[r, c]], 0.0);
                prop_assert_eq!(fit.err[[r, c]], 0.0);
            } else {
                prop_assert_eq!(dq & 1, case.pixeldq[[r, c]] & 1);
            }
        }
    }

    #[test]
    fn flats_add_flags_whatever_the_bands(case in case(), band_rows in 1_usize..9) {
        let divide = |band_rows, threads| {
            let mut data = case.plane.clone();
            let mut dq = case.pixeldq.clone();
            let mut dumo = case.plane.clone();
            let mut variances = [case.other_plane.clone(), case.other_plane.clone()];
            let [var_poisson, var_rnoise] = &mut variances;
            let image = RateImage {
                data: data.view_mut(),
                dq: dq.view_mut(),
                var_poisson: var_poisson.view_mut(),
                var_rnoise: var_rnoise.view_mut(),
                dumo: Some(dumo.view_mut()),
            };
            let flat = Flat {
                flat: case.cube.index_axis(ndarray::Axis(0), 0).into(),
                flat_err: case.data.index_axis(ndarray::Axis(0), 0).into(),
                flat_dq: case.ref_dq.view().into(),
            };
            let errors =
                execute(band_rows, threads, |execution| apply_flat(image, &flat, execution))
                    .unwrap();
            let floats = [bits(&data), bits(&dumo), bits(&errors.var_flat), bits(&errors.err)];
            (floats, variances.map(|variance| bits(&variance)), dq)
        };
        let whole = divide(100, 1);
        prop_assert_eq!(&whole, &divide(band_rows, 3));
        prop_assert_eq!(&whole.0[0], &whole.0[1]); // dumo is divided as the rate is
        for (before, after) in case.pixeldq.iter().zip(&whole.2) {
            prop_assert_eq!(before & after, *before);
        }
    }
}
