//! Laws that hold for any ramp: any shape, any bits of a float, any flags.

use std::sync::Once;
use std::sync::atomic::AtomicUsize;

use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3};
use proptest::collection::vec;
use proptest::prelude::*;
use romancal_rs_core::band::{BandArray, BandKernel, Changes, Found, RampBand};
use romancal_rs_core::cadence::ReadPattern;
use romancal_rs_core::chain::{Chain, Source};
use romancal_rs_core::dq::group;
use romancal_rs_core::driver::{self, Execution};
use romancal_rs_core::encoding::Encoding;
use romancal_rs_core::error::KernelError;
use romancal_rs_core::kernels::dark::{Dark, DarkSignal};
use romancal_rs_core::kernels::dark_decay::{DarkDecay, Decay};
use romancal_rs_core::kernels::flat::{Flat, Rules};
use romancal_rs_core::kernels::inl::IntegralNonlinearity;
use romancal_rs_core::kernels::jump::{Jump, JumpParameters};
use romancal_rs_core::kernels::linearity::Linearity;
use romancal_rs_core::kernels::ramp_fit::{RampFit, SegmentArrays, fit_ramps};
use romancal_rs_core::kernels::rate_rows::RATE_IMAGE;
use romancal_rs_core::kernels::read_linearity::ReadLinearity;
use romancal_rs_core::kernels::read_times::Detector;
use romancal_rs_core::kernels::saturation::{Partial, Rule, Saturation};
use romancal_rs_core::kernels::wfi18_transient::{Mode, Wfi18Transient};
use romancal_rs_core::planes::{Fit, Image, Planes, Quantity, run_image};
use romancal_rs_core::reference::{Cube, Plane};
use romancal_rs_core::survey::{Part, Survey};

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
    partial: Rule,
    backup: usize,
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
        n_rows in prop_oneof![8 => 1_usize..8, 1 => 12_usize..18],
        n_cols in prop_oneof![1_usize..5, 60_usize..70],
    )(
        steps in vec((1_i64..4, 0_i64..3), n_resultants),
        n_pix_grow in 0_usize..4,
        partial in prop_oneof![Just(Rule::None), Just(Rule::MeanRead), Just(Rule::Concave)],
        backup in prop_oneof![2 => Just(0_usize), 1 => 0_usize..4],
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
            partial,
            backup,
        }
    }
}

/// How an image is cut, and on how many threads it is worked on.
#[derive(Debug, Clone, Copy)]
struct Way {
    band_rows: usize,
    tile_cols: Option<usize>,
    threads: usize,
}

/// The whole image at once.
const WHOLE: Way = Way {
    band_rows: 100,
    tile_cols: None,
    threads: 1,
};

prop_compose! {
    fn way()(
        band_rows in 1_usize..9,
        tile_cols in prop_oneof![Just(None), (1_usize..9).prop_map(Some), Just(Some(64))],
        threads in 1_usize..4,
    ) -> Way {
        Way { band_rows, tile_cols, threads }
    }
}

/// Runs in a way, on threads of a pool of three on any machine.
fn execute<R>(way: Way, run: impl FnOnce(&mut Execution<'_>) -> R) -> R {
    static THREE_THREADS: Once = Once::new();
    THREE_THREADS.call_once(|| driver::set_num_threads(Some(3)).unwrap());
    run(&mut Execution {
        max_threads: Some(way.threads),
        band_rows: Some(way.band_rows),
        tile_cols: way.tile_cols,
        interrupt: &mut || false,
        done: &AtomicUsize::new(0),
    })
}

/// A correction as that by reference pixels: it has to see the border first, then prepares what all
/// rows of some columns need, and corrects.
struct CommonMode {
    /// Whether it is the first rows that tell, rather than the border.
    of_rows: bool,
    changed_bits: Option<u64>,
}

impl CommonMode {
    /// The part of a ramp that tells.
    fn part(of_rows: bool, (n_resultants, n_rows, n_cols): (usize, usize, usize)) -> Part {
        let resultants = n_resultants / 2..n_resultants;
        if of_rows {
            Part::rows(resultants, 0..n_rows.div_ceil(2), n_cols)
        } else {
            Part::border(resultants, 1, (n_rows, n_cols))
        }
    }
}

impl CommonMode {
    /// The same sum in any order: of the bits of what it sees.
    fn sum(piece: &RampBand<'_>) -> u64 {
        let of_samples = |sum: u64, sample: &f32| sum.wrapping_add(u64::from(sample.to_bits()));
        let of_flags = |sum: u64, flags: &u8| sum.wrapping_add(u64::from(*flags));
        let sum = piece.data.view().iter().fold(0, of_samples);
        piece.groupdq.view().iter().fold(sum, of_flags)
    }

    fn correction(bits: u64, col: usize) -> f32 {
        (bits.wrapping_mul(col as u64 + 1) % 64) as f32
    }
}

impl BandKernel for CommonMode {
    fn name(&self) -> &'static str {
        "common mode"
    }

    fn changes(&self) -> Changes {
        Changes {
            data: true,
            ..Changes::default()
        }
    }

    fn check(&self, _: (usize, usize, usize)) -> Result<(), KernelError> {
        Ok(())
    }

    fn by_channel(&self) -> bool {
        true
    }

    fn survey(&self, shape: (usize, usize, usize)) -> Option<Box<dyn Survey<'_> + '_>> {
        Some(Box::new(SumOfBits {
            of_rows: self.of_rows,
            shape,
            sum: std::sync::atomic::AtomicU64::new(0),
        }))
    }

    fn for_columns(&self, cols: &std::ops::Range<usize>) -> Option<Box<dyn BandKernel + '_>> {
        let bits = self.changed_bits?;
        let of_column = |col| Self::correction(bits, col);
        Some(Box::new(OfColumns(
            cols.clone(),
            cols.clone().map(of_column).collect(),
        )))
    }

    fn apply(&self, _: &mut RampBand<'_>) {
        panic!("it works only on the columns that it was prepared for");
    }

    fn found(&self) -> Vec<(&'static str, Found)> {
        let sum = self.changed_bits.map(|bits| bits as f64);
        sum.map(|sum| ("sum", Found::Number(sum)))
            .into_iter()
            .collect()
    }
}

struct SumOfBits {
    of_rows: bool,
    shape: (usize, usize, usize),
    sum: std::sync::atomic::AtomicU64,
}

impl<'k> Survey<'k> for SumOfBits {
    fn part(&self) -> Part {
        CommonMode::part(self.of_rows, self.shape)
    }

    fn look(&self, piece: &RampBand<'_>) {
        self.sum
            .fetch_add(CommonMode::sum(piece), std::sync::atomic::Ordering::Relaxed);
    }

    fn conclude(
        self: Box<Self>,
        _execution: &mut Execution<'_>,
    ) -> Result<Box<dyn BandKernel + 'k>, KernelError> {
        Ok(Box::new(CommonMode {
            of_rows: self.of_rows,
            changed_bits: Some(self.sum.into_inner()),
        }))
    }
}

struct OfColumns(std::ops::Range<usize>, Vec<f32>);

impl BandKernel for OfColumns {
    fn name(&self) -> &'static str {
        "common mode of some columns"
    }

    fn changes(&self) -> Changes {
        Changes {
            data: true,
            ..Changes::default()
        }
    }

    fn check(&self, _: (usize, usize, usize)) -> Result<(), KernelError> {
        Ok(())
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let first_col = band.place.cols.start;
        for ((_, _, c), sample) in band.data.view_mut().indexed_iter_mut() {
            *sample -= self.1[first_col + c - self.0.start];
        }
    }
}

/// The same, as one would write it for the whole ramp.
fn correct_common_mode(ramp: &mut Case, of_rows: bool) {
    let part = CommonMode::part(of_rows, ramp.data.dim());
    let mut sum = 0_u64;
    for (rows, cols) in part.pixels {
        for g in part.resultants.clone() {
            for r in rows.clone() {
                for c in cols.clone() {
                    sum = sum
                        .wrapping_add(u64::from(ramp.data[[g, r, c]].to_bits()))
                        .wrapping_add(u64::from(ramp.groupdq[[g, r, c]]));
                }
            }
        }
    }
    for ((_, _, c), sample) in ramp.data.indexed_iter_mut() {
        *sample -= CommonMode::correction(sum, c);
    }
}

fn coefficients(case: &Case) -> Array3<f32> {
    let cube = case.cube.view();
    ndarray::concatenate(ndarray::Axis(0), &[cube, cube, cube]).unwrap()
}

/// The kernels on the case's references.
struct Kernels<'a> {
    saturation: Saturation<'a>,
    linearity: Linearity<'a>,
    dark: Dark<'a>,
    jump: Jump<'a>,
}

impl<'a> Kernels<'a> {
    fn new(case: &'a Case, coeffs: &'a Array3<f32>, floor: f32) -> Self {
        let plane = case.plane.view().into();
        Self::on_plane(case, coeffs, floor, plane)
    }

    /// With `plane` for the threshold and the gain.
    fn on_plane(
        case: &'a Case,
        coeffs: &'a Array3<f32>,
        floor: f32,
        plane: Plane<'a, f32>,
    ) -> Self {
        let ref_dq = || case.ref_dq.view().into();
        Self {
            saturation: Saturation {
                threshold: plane,
                ref_dq: ref_dq(),
                floor,
                n_pix_grow: case.n_pix_grow,
                partial: Partial {
                    rule: case.partial,
                    backup: case.backup,
                    read_pattern: Some(&case.pattern),
                },
            },
            linearity: Linearity {
                coeffs: coeffs.view().into(),
                ref_dq: ref_dq(),
            },
            dark: Dark {
                signal: DarkSignal::Accumulated(case.cube.view().into()),
                ref_dq: ref_dq(),
            },
            jump: Jump::new(
                plane,
                case.other_plane.view().into(),
                &case.pattern,
                JumpParameters::default(),
            ),
        }
    }

    fn in_order(&self) -> [&dyn BandKernel; 4] {
        [&self.saturation, &self.linearity, &self.dark, &self.jump]
    }
}

/// A copy of the ramp that went through these kernels together.
fn run(case: &Case, kernels: &[&dyn BandKernel], way: Way) -> Case {
    let mut result = case.clone();
    let mut ramp = RampBand::of_image(
        BandArray::InPlace(result.data.view_mut()),
        BandArray::InPlace(result.groupdq.view_mut()),
        BandArray::InPlace(result.pixeldq.view_mut()),
    );
    let outcomes = execute(way, |execution| driver::run(kernels, &mut ramp, execution)).unwrap();
    for (kernel, outcome) in kernels.iter().zip(outcomes) {
        let finds = ["common mode", "wfi18_transient"].contains(&kernel.name());
        // Of the two kernels by the name of linearity, the one finds something and the other does not.
        let may_find = finds || kernel.name() == "linearity";
        assert!(!outcome.found.is_empty() || !finds);
        assert!(outcome.found.is_empty() || may_find);
    }
    result
}

/// The ramp after saturation, linearity, dark and jump, one by one.
fn corrected(case: &Case, way: Way) -> Case {
    let coeffs = coefficients(case);
    let kernels = Kernels::new(case, &coeffs, case.floor);
    let steps = kernels.in_order().into_iter();
    steps.fold(case.clone(), |ramp, kernel| run(&ramp, &[kernel], way))
}

fn fitted(case: &Case, optional: bool, way: Way) -> (Image, Option<SegmentArrays>) {
    let fit = RampFit::new(
        case.plane.view().into(),
        case.other_plane.view().into(),
        &case.pattern,
    );
    let mut ramp = RampBand::of_image(
        BandArray::Shared(case.data.view()),
        BandArray::Shared(case.groupdq.view()),
        BandArray::Shared(case.pixeldq.view()),
    );
    let (_, n_rows, n_cols) = case.data.dim();
    let mut image = Image::zeros(fit.makes(), (n_rows, n_cols));
    let segments = execute(way, |execution| {
        fit_ramps(&fit, &mut ramp, &mut image.planes(), optional, execution)
    })
    .unwrap();
    (image, segments)
}

/// The bits of floats: NaN equals NaN, and 0 is not -0.
fn bits<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u32> {
    values.into_iter().map(|value| value.to_bits()).collect()
}

fn all_bits((image, segments): &(Image, Option<SegmentArrays>)) -> Vec<Vec<u32>> {
    let planes = RATE_IMAGE.iter().map(|&quantity| {
        if quantity.is_flags() {
            image.flags(quantity).iter().copied().collect()
        } else {
            bits(image.numbers(quantity))
        }
    });
    let mut all: Vec<_> = planes.collect();
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

/// The rate image of a corrected ramp, without a border.
fn image_of(corrected: &Case, border: usize) -> Vec<Vec<u32>> {
    let (fit, _) = fitted(corrected, false, WHOLE);
    let (_, n_rows, n_cols) = corrected.data.dim();
    let inside = |(index, bits): (usize, u32), n_cols: usize, n_rows: usize| {
        let (r, c) = (index / n_cols, index % n_cols);
        let within = |i: usize, n: usize| i >= border && i < n - border;
        (within(r, n_rows) && within(c, n_cols)).then_some(bits)
    };
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
    (with_common_mode, way): (Option<bool>, Way),
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
    let kernels = Kernels::on_plane(case, &coeffs, encoding.floor(), plane);
    let fit = RampFit::new(plane, case.other_plane.view().into(), &case.pattern);
    let mut kernels: Vec<_> = kernels.in_order().into();
    let common_mode = CommonMode {
        of_rows: with_common_mode == Some(true),
        changed_bits: None,
    };
    if with_common_mode.is_some() {
        kernels.insert(2, &common_mode);
    }
    let chain = Chain {
        source: Source::Counts(raw, encoding),
        groupdq: Some(case.groupdq.view().into()),
        pixeldq: Some(case.pixeldq.view().into()),
        kernels,
        fit: &fit,
        border,
    };
    calibrated(&chain, way)
}

/// The rate image that a chain makes.
fn calibrated(chain: &Chain<'_>, way: Way) -> Vec<Vec<u32>> {
    let (_, n_rows, n_cols) = match &chain.source {
        Source::Counts(raw, _) => raw.shape().into(),
        Source::Samples(data) => data.shape().into(),
    };
    let inside = (n_rows - 2 * chain.border, n_cols - 2 * chain.border);
    let mut image = Image::zeros(chain.fit.makes(), inside);
    let report = execute(way, |execution| chain.run(&mut image.planes(), execution)).unwrap();
    for (kernel, outcome) in chain.kernels.iter().zip(&report.kernels) {
        let is_common_mode = kernel.name() == "common mode";
        assert_eq!(
            !outcome.found.is_empty(),
            is_common_mode && inside.0 * inside.1 > 0
        );
    }
    assert_eq!(report.kernels.len(), chain.kernels.len());
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
        way in way(),
        with_common_mode in any::<Option<bool>>(),
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
        let coeffs = coefficients(&case);
        let kernels = Kernels::new(&case, &coeffs, ramp.floor);
        for (index, kernel) in kernels.in_order().into_iter().enumerate() {
            if let (2, Some(of_rows)) = (index, with_common_mode) {
                correct_common_mode(&mut ramp, of_rows);
            }
            ramp = run(&ramp, &[kernel], WHOLE);
        }
        let expected = image_of(&ramp, border);
        let encoding = (has_reference_read.then_some(&reference_read), offset);
        let how = (with_common_mode, way);
        let image = in_one_pass(&case, &counts, encoding, border, from_bytes, how);
        prop_assert_eq!(image, expected);
    }

    #[test]
    fn the_last_kernels_and_the_fit_go_on_from_a_ramp(
        case in case(),
        first in 0_usize..5,
        border in 0_usize..3,
        way in way(),
    ) {
        let (_, n_rows, n_cols) = case.data.dim();
        let border = border.min(n_rows / 2).min(n_cols / 2);
        let coeffs = coefficients(&case);
        let kernels = Kernels::new(&case, &coeffs, case.floor);
        let (before, after) = kernels.in_order().into_iter().enumerate()
            .partition::<Vec<_>, _>(|(index, _)| *index < first);
        let only = |kernels: Vec<(usize, _)>| -> Vec<&dyn BandKernel> {
            kernels.into_iter().map(|(_, kernel)| kernel).collect()
        };
        let ramp = run(&case, &only(before), WHOLE);
        let after = only(after);
        let expected = image_of(&run(&ramp, &after, WHOLE), border);
        let fit = RampFit::new(
            case.plane.view().into(),
            case.other_plane.view().into(),
            &case.pattern,
        );
        let chain = Chain {
            source: Source::Samples(ramp.data.view().into()),
            groupdq: Some(ramp.groupdq.view().into()),
            pixeldq: Some(ramp.pixeldq.view().into()),
            kernels: after,
            fit: &fit,
            border,
        };
        prop_assert_eq!(calibrated(&chain, way), expected);
    }

    #[test]
    fn kernels_together_give_the_bits_of_one_after_the_other(
        case in case(),
        // One that surveys, and after it another that is to see what the first leaves.
        with_common_modes in any::<[Option<bool>; 2]>(),
        way in way(),
    ) {
        let coeffs = coefficients(&case);
        let kernels = Kernels::new(&case, &coeffs, case.floor);
        let common_modes = with_common_modes
            .map(|mode| mode.map(|of_rows| CommonMode { of_rows, changed_bits: None }));
        let mut together: Vec<&dyn BandKernel> = Vec::new();
        let mut expected = case.clone();
        for (index, kernel) in kernels.in_order().into_iter().enumerate() {
            // Before the dark, and before the jump detection.
            if let Some(Some(mode)) = index.checked_sub(2).map(|of| &common_modes[of]) {
                correct_common_mode(&mut expected, mode.of_rows);
                together.push(mode);
            }
            expected = run(&expected, &[kernel], WHOLE);
            together.push(kernel);
        }
        let result = run(&case, &together, way);
        prop_assert_eq!(bits(&result.data), bits(&expected.data));
        prop_assert_eq!(&result.groupdq, &expected.groupdq);
        prop_assert_eq!(&result.pixeldq, &expected.pixeldq);
    }

    #[test]
    fn kernels_that_know_the_detector_give_the_same_bits_in_any_tiles(
        case in case(),
        origin in (0_usize..4000, 0_usize..4000),
        of_ramp in any::<bool>(),
        way in way(),
    ) {
        let decay = Decay { amplitude: 5.0, time_constant: 20.0 };
        let detector = Detector::named("WFI18").unwrap();
        let dark_decay = DarkDecay::new(decay, 3.04, &case.pattern, detector, origin);
        let transient = Wfi18Transient {
            frame_time: 3.04,
            read_pattern: &case.pattern,
            mode: Mode::Fit,
            origin,
        };
        let mut case = case.clone();
        if of_ramp {
            // Such that the transient can be fitted.
            for ((g, r, c), sample) in case.data.indexed_iter_mut() {
                *sample = 100.0 * g as f32 + (r * r + c % 7) as f32;
            }
        }
        let expected = run(&run(&case, &[&dark_decay], WHOLE), &[&transient], WHOLE);
        let result = run(&case, &[&dark_decay, &transient], way);
        prop_assert_eq!(bits(&result.data), bits(&expected.data));
        prop_assert_eq!(&result.groupdq, &expected.groupdq);
        prop_assert_eq!(&result.pixeldq, &expected.pixeldq);
    }

    #[test]
    fn flags_are_only_added(case in case()) {
        let way = Way { band_rows: 3, threads: 2, ..WHOLE };
        let result = corrected(&case, way);
        for (before, after) in case.groupdq.iter().zip(&result.groupdq) {
            prop_assert_eq!(before & after, *before);
        }
        for (before, after) in case.pixeldq.iter().zip(&result.pixeldq) {
            prop_assert_eq!(before & after, *before);
        }
        let (fit, _) = fitted(&case, false, way);
        for (before, after) in case.pixeldq.iter().zip(fit.flags(Quantity::Dq)) {
            prop_assert_eq!(before & after, *before);
        }
    }

    #[test]
    fn tiles_and_threads_do_not_matter(case in case(), way in way()) {
        let whole = corrected(&case, WHOLE);
        let cut = corrected(&case, way);
        prop_assert_eq!(bits(&whole.data), bits(&cut.data));
        prop_assert_eq!(&whole.groupdq, &cut.groupdq);
        prop_assert_eq!(&whole.pixeldq, &cut.pixeldq);
        for optional in [false, true] {
            let whole = fitted(&case, optional, WHOLE);
            let cut = fitted(&case, optional, way);
            prop_assert_eq!(all_bits(&whole), all_bits(&cut));
        }
    }

    #[test]
    fn linearity_by_reads_does_not_depend_on_tiles_and_leaves_no_sample_out_of_range(
        case in case(),
        way in way(),
        has_inverse in any::<bool>(),
        has_inl in any::<bool>(),
        is_even in any::<bool>(),
    ) {
        let (coeffs, inverse) = (coefficients(&case), coefficients(&case));
        let mut nodes = Array1::from_iter((0..=40).map(|node| f64::from(1500 * node)));
        nodes[20] += f64::from(u8::from(!is_even));
        let corrections = Array2::from_shape_fn((1, 41), |(_, node)| (node % 7) as f64 - 3.0);
        let inl = IntegralNonlinearity::new(nodes.view(), corrections.view()).unwrap();
        let kernel = || {
            ReadLinearity::new(
                coeffs.view().into(),
                case.ref_dq.view().into(),
                has_inverse.then(|| (inverse.view().into(), &case.pattern)),
                has_inl.then_some(&inl),
            )
        };
        let (of_whole, of_cut) = (kernel(), kernel());
        let whole = run(&case, &[&of_whole], WHOLE);
        let cut = run(&case, &[&of_cut], way);
        prop_assert_eq!(of_whole.found(), of_cut.found());
        prop_assert_eq!(bits(&whole.data), bits(&cut.data));
        prop_assert_eq!(&whole.groupdq, &cut.groupdq);
        prop_assert_eq!(&whole.pixeldq, &cut.pixeldq);
        for (sample, flags) in whole.data.iter().zip(&whole.groupdq) {
            prop_assert!(sample.abs() <= 1e6 || (sample.is_nan() && flags & 1 == 1));
        }
        for (before, after) in case.groupdq.iter().zip(&whole.groupdq) {
            prop_assert_eq!(before | (after & 1), *after);
        }
    }

    #[test]
    fn asking_for_the_segments_does_not_change_the_image(case in case()) {
        let plain = fitted(&case, false, WHOLE);
        let mut with_segments = fitted(&case, true, WHOLE);
        with_segments.1 = None;
        prop_assert_eq!(all_bits(&plain), all_bits(&with_segments));
    }

    #[test]
    fn unusable_pixels_are_zero_and_flagged(case in case()) {
        let (fit, _) = fitted(&case, false, WHOLE);
        let (slope, err) = (fit.numbers(Quantity::Slope), fit.numbers(Quantity::Err));
        for ((r, c), dq) in fit.flags(Quantity::Dq).indexed_iter() {
            let known = case.plane[[r, c]].is_finite()
                && case.plane[[r, c]] > 0.0
                && case.other_plane[[r, c]].is_finite();
            let any = (0..case.data.dim().0).any(|g| {
                case.groupdq[[g, r, c]] & 3 == 0 && case.data[[g, r, c]].is_finite()
            });
            if !known || !any {
                prop_assert_eq!(dq & 1, 1);
                prop_assert_eq!(slope[[r, c]], 0.0);
                prop_assert_eq!(err[[r, c]], 0.0);
            } else {
                prop_assert_eq!(dq & 1, case.pixeldq[[r, c]] & 1);
            }
        }
    }

    #[test]
    fn flats_add_flags_whatever_the_bands(case in case(), band_rows in 1_usize..9) {
        let divide = |rules, band_rows, threads| {
            let (mut data, mut dumo) = (case.plane.clone(), case.plane.clone());
            let mut dq = case.pixeldq.clone();
            let mut var_poisson = case.other_plane.clone();
            let mut var_rnoise = case.other_plane.clone();
            let (mut var_flat, mut err) = (case.plane.clone(), case.plane.clone());
            let mut planes = Planes::default();
            planes.add_numbers(Quantity::Slope, data.view_mut());
            planes.add_numbers(Quantity::Dumo, dumo.view_mut());
            planes.add_numbers(Quantity::VarPoisson, var_poisson.view_mut());
            planes.add_numbers(Quantity::VarRnoise, var_rnoise.view_mut());
            planes.add_numbers(Quantity::VarFlat, var_flat.view_mut());
            planes.add_numbers(Quantity::Err, err.view_mut());
            planes.add_flags(Quantity::Dq, dq.view_mut());
            let flat = Flat {
                flat: case.cube.index_axis(ndarray::Axis(0), 0).into(),
                flat_err: case.data.index_axis(ndarray::Axis(0), 0).into(),
                flat_dq: case.ref_dq.view().into(),
                rules,
            };
            let shape = case.plane.dim();
            let way = Way { band_rows, threads, ..WHOLE };
            execute(way, |execution| run_image(&flat, &mut planes, shape, execution)).unwrap();
            let floats = [&data, &var_poisson, &var_rnoise, &var_flat, &err];
            let finite = (0..data.len()).map(|i| {
                floats.iter().all(|plane| plane.iter().nth(i).is_some_and(|x| x.is_finite()))
            });
            let finite: Vec<bool> = finite.collect();
            (floats.map(bits), bits(&dumo), dq, finite)
        };
        for rules in [Rules::Manual, Rules::Flight] {
            let whole = divide(rules, 100, 1);
            prop_assert_eq!(&whole, &divide(rules, band_rows, 3));
            let (floats, dumo, dq, finite) = whole;
            prop_assert_eq!(&floats[0], &dumo); // it is divided as the rate is
            for ((before, after), is_finite) in case.pixeldq.iter().zip(&dq).zip(finite) {
                prop_assert_eq!(before & after, *before);
                prop_assert!(is_finite || after & 1 != 0);
                prop_assert!(is_finite || rules == Rules::Manual);
            }
        }
    }
}
