//! Columns in blocks, so that the loops of a kernel run over many pixels at once and vectorise.
//!
//! A kernel takes the pixels of a row in blocks of [`LANES`] columns, computes the common case for
//! all of them, and then treats the few pixels that are not common one by one. Which of the two a
//! pixel gets depends on that pixel alone, so that results do not depend on the blocks.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, Axis};

/// Compiles a function for the vector instructions of newer processors as well, and chooses among
/// them when it runs. What it calls has to be inlined into it to be compiled like it. All give the
/// same bits: no instruction is used that rounds a product and a sum together.
macro_rules! vectorised {
    ($($function:tt)*) => {
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
            "x86_64+avx2"
        ))]
        $($function)*
    };
}
pub(crate) use vectorised;

/// Columns of a block. The block of a ramp of 8 resultants fits the first-level cache.
pub const LANES: usize = 64;

/// One value for each column of a block.
pub type Lanes = [f64; LANES];

/// The column ranges of the blocks of a row.
pub fn blocks(n_cols: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_cols)
        .step_by(LANES)
        .map(move |start| start..n_cols.min(start + LANES))
}

/// Columns of one row of a plane.
#[inline(always)]
pub fn row<'a, T>(plane: ArrayView2<'a, T>, row: usize, cols: &Range<usize>) -> &'a [T] {
    let row = plane.index_axis_move(Axis(0), row);
    &row.to_slice().expect(CONTIGUOUS)[cols.clone()]
}

/// Columns of one row of a plane, to be changed.
#[inline(always)]
pub fn row_mut<'a, T>(plane: ArrayViewMut2<'a, T>, row: usize, cols: &Range<usize>) -> &'a mut [T] {
    let row = plane.index_axis_move(Axis(0), row);
    &mut row.into_slice().expect(CONTIGUOUS)[cols.clone()]
}

const CONTIGUOUS: &str = "rows are contiguous: every array was checked before it was cut";

/// Samples of a block of columns, resultant by resultant, widened to f64; zero beyond the block.
#[inline(always)]
pub fn load(data: &ArrayView3<'_, f32>, row: usize, cols: &Range<usize>, samples: &mut [Lanes]) {
    for (plane, lanes) in data.outer_iter().zip(samples) {
        *lanes = load_plane(plane, row, cols);
    }
}

/// The values of a block of columns of a plane, widened to f64; zero beyond the block.
#[inline(always)]
pub fn load_plane(plane: ArrayView2<'_, f32>, row_index: usize, cols: &Range<usize>) -> Lanes {
    // By way of a whole block, since loops of a known length vectorise best.
    let mut values = [0.0_f32; LANES];
    values[..cols.len()].copy_from_slice(row(plane, row_index, cols));
    values.map(f64::from)
}

/// Stores the values of a block of columns, narrowed to f32.
#[inline(always)]
pub fn store(lanes: &Lanes, row: &mut [f32]) {
    row.copy_from_slice(&lanes.map(|lane| lane as f32)[..row.len()]);
}

/// All flags of each pixel of a block; zero beyond the block.
#[inline(always)]
pub fn union_of_flags(
    groupdq: &ArrayView3<'_, u8>,
    row_index: usize,
    cols: &Range<usize>,
) -> [u8; LANES] {
    let mut union = [0; LANES];
    for plane in groupdq.outer_iter() {
        let mut samples = [0; LANES];
        samples[..cols.len()].copy_from_slice(row(plane, row_index, cols));
        for lane in 0..LANES {
            union[lane] |= samples[lane];
        }
    }
    union
}

/// The rate between each resultant and the next, and the sum of the rates of each pixel: finite if
/// all of its samples are (with two resultants or more).
#[inline(always)]
pub fn rates(samples: &[Lanes], inverse_intervals: &[f64], rates: &mut [Lanes]) -> Lanes {
    let mut sum = [0.0; LANES];
    for ((pair, inverse), rates) in samples.windows(2).zip(inverse_intervals).zip(rates) {
        let differences = pair[1]
            .iter()
            .zip(&pair[0])
            .map(|(after, before)| after - before);
        for ((rate, sum), difference) in rates.iter_mut().zip(&mut sum).zip(differences) {
            *rate = difference * inverse;
            *sum += *rate;
        }
    }
    sum
}

/// Sorts the values of each lane by a fixed sequence of comparisons, the same for all lanes.
///
/// Batcher's merge exchange (Knuth, The Art of Computer Programming, vol. 3, 5.2.2, algorithm M).
pub struct SortingNetwork(Vec<(usize, usize)>);

impl SortingNetwork {
    /// For `n` values in each lane.
    pub fn new(n: usize) -> Self {
        let mut comparators = Vec::new();
        let top = n.next_power_of_two() / 2;
        let mut p = top;
        while p > 0 {
            let (mut q, mut r, mut d) = (top, 0, p);
            loop {
                comparators.extend((0..n - d).filter(|i| i & p == r).map(|i| (i, i + d)));
                if q == p {
                    break;
                }
                d = q - p;
                q /= 2;
                r = p;
            }
            p /= 2;
        }
        Self(comparators)
    }

    /// Sorts each lane, smallest first. A lane that holds a NaN comes out in no order.
    #[inline(always)]
    pub fn sort(&self, values: &mut [Lanes]) {
        for &(low, high) in &self.0 {
            let (head, tail) = values.split_at_mut(high);
            // Of copies: with values that stay where they are, this would become branches.
            let (x, y) = (head[low], tail[0]);
            for lane in 0..LANES {
                head[low][lane] = if x[lane] < y[lane] { x[lane] } else { y[lane] };
            }
            for lane in 0..LANES {
                tail[0][lane] = if x[lane] < y[lane] { y[lane] } else { x[lane] };
            }
        }
    }
}

/// Median of sorted values: the mean of the middle two of an even number. 0 for none.
pub fn median_of_sorted(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n => 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_sort() {
        // By the 0-1 principle a network that sorts all sequences of 0 and 1 sorts everything.
        for n in 1..=12_usize {
            let network = SortingNetwork::new(n);
            for bits in 0..1_u32 << n {
                let mut values: Vec<Lanes> =
                    (0..n).map(|i| [f64::from(bits >> i & 1); LANES]).collect();
                network.sort(&mut values);
                assert!(values.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
                assert_eq!(
                    values.iter().map(|lanes| lanes[5]).sum::<f64>(),
                    f64::from(bits.count_ones())
                );
            }
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median_of_sorted(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median_of_sorted(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert_eq!(median_of_sorted(&[7.0]), 7.0);
    }

    #[test]
    fn blocks_cover_a_row() {
        let cut: Vec<_> = blocks(2 * LANES + 1).collect();
        assert_eq!(cut, [0..LANES, LANES..2 * LANES, 2 * LANES..2 * LANES + 1]);
    }
}
