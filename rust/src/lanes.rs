//! Columns in blocks, so that the loops of a kernel run over many pixels at once and vectorise.
//!
//! A kernel takes the pixels of a row in blocks of [`LANES`] columns, computes the common case for
//! all of them, and then treats the few pixels that are not common one by one. Which of the two a
//! pixel gets depends on that pixel alone, so that results do not depend on the blocks.

use std::ops::{BitOrAssign, Deref, DerefMut, Range};

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};

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

/// Columns whose values fit in a register or two: a sum over the resultants of so many pixels stays there.
pub const VECTOR: usize = 16;

/// One value for each column of a block. Aligned like the lines of a cache and the largest vectors: a
/// vector that lies across two lines takes several times as long to come back from memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Lanes<T = f32>(pub [T; LANES]);

impl<T: Copy> Lanes<T> {
    /// The same value in all lanes.
    #[inline(always)]
    pub fn all(value: T) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    pub fn map<U>(self, function: impl FnMut(T) -> U) -> Lanes<U> {
        Lanes(self.0.map(function))
    }
}

impl<T> Lanes<T> {
    /// The lanes, so many at a time.
    #[inline(always)]
    pub fn vectors(&self) -> &[[T; VECTOR]] {
        self.0.as_chunks().0
    }

    #[inline(always)]
    pub fn vectors_mut(&mut self) -> &mut [[T; VECTOR]] {
        self.0.as_chunks_mut().0
    }
}

impl<T> Deref for Lanes<T> {
    type Target = [T; LANES];

    #[inline(always)]
    fn deref(&self) -> &[T; LANES] {
        &self.0
    }
}

impl<T> DerefMut for Lanes<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T; LANES] {
        &mut self.0
    }
}

/// The column ranges of the blocks of a row.
pub fn blocks(n_cols: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_cols)
        .step_by(LANES)
        .map(move |start| start..n_cols.min(start + LANES))
}

/// One row of a plane.
#[inline(always)]
pub fn row<T>(plane: ArrayView2<'_, T>, index: usize) -> &[T] {
    let row = plane.index_axis_move(Axis(0), index);
    row.to_slice().expect(CONTIGUOUS)
}

/// One row of a plane, to be changed.
#[inline(always)]
pub fn row_mut<T>(plane: ArrayViewMut2<'_, T>, index: usize) -> &mut [T] {
    let row = plane.index_axis_move(Axis(0), index);
    row.into_slice().expect(CONTIGUOUS)
}

/// The same row of each plane of a cube.
pub fn rows<T>(cube: ArrayView3<'_, T>, index: usize) -> Vec<&[T]> {
    (0..cube.len_of(Axis(0)))
        .map(|plane| row(cube.index_axis_move(Axis(0), plane), index))
        .collect()
}

/// The same row of each plane of a cube, to be changed.
pub fn rows_mut<'a, T>(cube: &'a mut ArrayViewMut3<'_, T>, index: usize) -> Vec<&'a mut [T]> {
    cube.axis_iter_mut(Axis(0))
        .map(|plane| row_mut(plane, index))
        .collect()
}

const CONTIGUOUS: &str = "rows are contiguous: every array was checked before it was cut";

/// The values of a block of columns of a row; zero beyond the block.
#[inline(always)]
pub fn load<T: Copy + Default>(row: &[T], cols: &Range<usize>) -> Lanes<T> {
    let row = &row[cols.clone()];
    match <&[T; LANES]>::try_from(row) {
        Ok(whole) => Lanes(*whole),
        Err(_) => {
            let mut block = Lanes::all(T::default());
            copy_part(row, &mut block[..row.len()]);
            block
        }
    }
}

/// Stores the values of a block of columns in a row.
#[inline(always)]
pub fn store<T: Copy>(block: &Lanes<T>, row: &mut [T], cols: &Range<usize>) {
    let row = &mut row[cols.clone()];
    match <&mut [T; LANES]>::try_from(&mut *row) {
        Ok(whole) => *whole = block.0,
        Err(_) => copy_part(&block[..row.len()], row),
    }
}

/// Copies the last block of a row, which is cut short. Out of the way: else the compiler makes one copy,
/// of any length and by a call, of this and of that of whole blocks.
#[cold]
#[inline(never)]
pub fn copy_part<T: Copy>(from: &[T], into: &mut [T]) {
    into.copy_from_slice(from);
}

/// Adds flags to those of a block of columns.
#[inline(always)]
pub fn add_flags<T>(block: &Lanes<T>, row: &mut [T], cols: &Range<usize>)
where
    T: Copy + Default + BitOrAssign,
{
    let mut flags = load(row, cols);
    for lane in 0..LANES {
        flags[lane] |= block[lane];
    }
    store(&flags, row, cols);
}

/// All flags that there are in a block of columns of some rows.
#[inline(always)]
pub fn flags_in<R: AsRef<[u8]>>(rows: &[R], cols: &Range<usize>) -> u8 {
    let mut in_lanes = Lanes::all(0);
    for row in rows {
        let flags = load(row.as_ref(), cols);
        for lane in 0..LANES {
            in_lanes[lane] |= flags[lane];
        }
    }
    let mut all = 0;
    for lane in 0..LANES {
        all |= in_lanes[lane];
    }
    all
}

/// One value or the other, lane by lane. By their bits: a plain choice between two arrays becomes one
/// between their addresses, and a load of each lane by itself.
#[inline(always)]
pub fn select(choice: &Lanes<u32>, chosen: &Lanes, other: &Lanes) -> Lanes {
    let mut selected = Lanes::all(0.0);
    for lane in 0..LANES {
        let mask = if choice[lane] != 0 { u32::MAX } else { 0 };
        let (chosen, other) = (chosen[lane].to_bits(), other[lane].to_bits());
        selected[lane] = f32::from_bits(other ^ ((chosen ^ other) & mask));
    }
    selected
}

/// Which lanes of a block are chosen; looked for eight at a time, as they are few.
pub fn chosen(choice: &Lanes<u8>) -> impl Iterator<Item = usize> {
    let (words, _) = choice.as_chunks::<8>();
    words
        .iter()
        .enumerate()
        .filter(|(_, word)| u64::from_ne_bytes(**word) != 0)
        .flat_map(|(index, word)| {
            let lanes = word.iter().enumerate();
            lanes.filter_map(move |(lane, &is)| (is != 0).then_some(8 * index + lane))
        })
}

/// The difference between each resultant and the next.
#[inline(always)]
pub fn differences(samples: &[Lanes], differences: &mut [Lanes]) {
    for (pair, difference) in samples.windows(2).zip(differences) {
        for lane in 0..LANES {
            difference[lane] = pair[1][lane] - pair[0][lane];
        }
    }
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
            let pairs = head[low]
                .vectors_mut()
                .iter_mut()
                .zip(tail[0].vectors_mut());
            for (low, high) in pairs {
                for lane in 0..VECTOR {
                    let (x, y) = (low[lane], high[lane]);
                    low[lane] = x.min(y);
                    high[lane] = x.max(y);
                }
            }
        }
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
                    (0..n).map(|i| Lanes::all((bits >> i & 1) as f32)).collect();
                network.sort(&mut values);
                assert!(values.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
                assert_eq!(
                    values.iter().map(|lanes| lanes[5]).sum::<f32>(),
                    bits.count_ones() as f32
                );
            }
        }
    }

    #[test]
    fn the_chosen_lanes_are_found() {
        let mut choice = Lanes::all(0);
        for lane in [0, 7, 8, 33, LANES - 1] {
            choice[lane] = 1;
        }
        assert_eq!(
            chosen(&choice).collect::<Vec<_>>(),
            [0, 7, 8, 33, LANES - 1]
        );
    }

    #[test]
    fn blocks_that_are_cut_short_are_filled_with_zeros() {
        let mut row: Vec<u32> = (1..=LANES as u32 + 3).collect();
        let cols = LANES..LANES + 3;
        let block = load(&row, &cols);
        assert_eq!(block[..4], [65, 66, 67, 0]);
        store(&block.map(|value| value * 2), &mut row, &cols);
        add_flags(&Lanes::all(1), &mut row, &cols);
        assert_eq!(row[LANES - 1..], [64, 131, 133, 135]);
    }

    #[test]
    fn blocks_cover_a_row() {
        let cut: Vec<_> = blocks(2 * LANES + 1).collect();
        assert_eq!(cut, [0..LANES, LANES..2 * LANES, 2 * LANES..2 * LANES + 1]);
    }
}
