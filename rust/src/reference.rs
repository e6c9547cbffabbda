//! Reference arrays: read a block of columns at a time, wherever they lie.
//!
//! The arrays of a file begin at any byte, so that a mapped file holds numbers that are not aligned.
//! A kernel copies the block of columns it works on into lanes of its own anyway; taking it from bytes
//! spares a copy of the whole array.

use std::marker::PhantomData;
use std::ops::Range;

use bytemuck::Pod;
use ndarray::{ArrayView2, ArrayView3, Axis};

use crate::band::Place;
use crate::error::{KernelError, check_array, check_layout, check_shape};
use crate::lanes::{self, LANES, Lanes};

/// A plane that is only read, (n_rows, n_cols).
pub enum Plane<'a, T> {
    /// Numbers in memory.
    Numbers(ArrayView2<'a, T>),
    /// The bytes of numbers, (n_rows, n_cols x bytes of a number), which may lie at any address.
    Bytes(ArrayView2<'a, u8>),
}

/// A cube that is only read, (n_planes, n_rows, n_cols).
pub enum Cube<'a, T> {
    /// Numbers in memory.
    Numbers(ArrayView3<'a, T>),
    /// The bytes of numbers, (n_planes, n_rows, n_cols x bytes of a number).
    Bytes(ArrayView3<'a, u8>),
}

impl<'a, T: Pod + Default> Plane<'a, T> {
    /// Errs unless the plane has this shape and rows that are contiguous in memory.
    pub fn check(
        &self,
        argument: &'static str,
        expected: (usize, usize),
    ) -> Result<(), KernelError> {
        let (n_rows, n_cols) = expected;
        match self {
            Self::Numbers(array) => check_array(argument, &[n_rows, n_cols], array),
            Self::Bytes(bytes) => {
                check_shape(argument, &[n_rows, n_cols], &self.shape())?;
                check_layout(argument, bytes)
            }
        }
    }

    /// [n_rows, n_cols].
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Numbers(array) => array.dim().into(),
            Self::Bytes(bytes) => [bytes.nrows(), bytes.ncols() / size_of::<T>()],
        }
    }

    /// What belongs to row `r` of a band that lies at `place`.
    #[inline(always)]
    pub fn row(&self, place: &Place, r: usize) -> Row<'a, T> {
        let row = place.first_row + r;
        let bytes = match self {
            Self::Numbers(array) => bytemuck::cast_slice(lanes::row(*array, row)),
            Self::Bytes(bytes) => lanes::row(*bytes, row),
        };
        let size = size_of::<T>();
        Row {
            bytes: &bytes[place.cols.start * size..place.cols.end * size],
            numbers: PhantomData,
        }
    }
}

impl<'a, T: Pod + Default> Cube<'a, T> {
    /// Errs unless the cube has this shape and rows that are contiguous in memory.
    pub fn check(
        &self,
        argument: &'static str,
        expected: (usize, usize, usize),
    ) -> Result<(), KernelError> {
        let expected = [expected.0, expected.1, expected.2];
        match self {
            Self::Numbers(array) => check_array(argument, &expected, array),
            Self::Bytes(bytes) => {
                check_shape(argument, &expected, &self.shape())?;
                check_layout(argument, bytes)
            }
        }
    }

    /// [n_planes, n_rows, n_cols].
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Numbers(array) => array.dim().into(),
            Self::Bytes(bytes) => {
                let (n_planes, n_rows, n_bytes) = bytes.dim();
                [n_planes, n_rows, n_bytes / size_of::<T>()]
            }
        }
    }

    /// One plane.
    pub fn plane(&self, index: usize) -> Plane<'a, T> {
        match self {
            Self::Numbers(array) => Plane::Numbers(array.index_axis_move(Axis(0), index)),
            Self::Bytes(bytes) => Plane::Bytes(bytes.index_axis_move(Axis(0), index)),
        }
    }

    /// The same row of all planes.
    pub fn rows(&self, place: &Place, r: usize) -> Vec<Row<'a, T>> {
        (0..self.shape()[0])
            .map(|index| self.plane(index).row(place, r))
            .collect()
    }
}

// Views can be copied whatever they look at.
impl<T> Clone for Plane<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Plane<'_, T> {}
impl<T> Clone for Cube<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Cube<'_, T> {}

impl<'a, T> From<ArrayView2<'a, T>> for Plane<'a, T> {
    fn from(array: ArrayView2<'a, T>) -> Self {
        Self::Numbers(array)
    }
}

impl<'a, T> From<ArrayView3<'a, T>> for Cube<'a, T> {
    fn from(array: ArrayView3<'a, T>) -> Self {
        Self::Numbers(array)
    }
}

/// One row of a plane.
pub struct Row<'a, T> {
    bytes: &'a [u8],
    numbers: PhantomData<&'a [T]>,
}

impl<T: Pod + Default> Row<'_, T> {
    /// The number of one column.
    #[inline(always)]
    pub fn number(&self, col: usize) -> T {
        let size = size_of::<T>();
        bytemuck::pod_read_unaligned(&self.bytes[col * size..(col + 1) * size])
    }

    /// The numbers of a block of columns; zero beyond the block.
    #[inline(always)]
    pub fn block(&self, cols: &Range<usize>) -> Lanes<T> {
        let size = size_of::<T>();
        let bytes = &self.bytes[cols.start * size..cols.end * size];
        if cols.len() == LANES {
            // Of a length that the compiler knows: without a call.
            return Lanes(bytemuck::pod_read_unaligned(bytes));
        }
        let mut block = Lanes::all(T::default());
        let part = bytemuck::cast_slice_mut(&mut block[..cols.len()]);
        lanes::copy_part(bytes, part);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn numbers_and_their_bytes_give_the_same_blocks() {
        let (n_rows, n_cols) = (3, LANES + 7);
        let numbers = Array2::from_shape_fn((n_rows, n_cols), |(r, c)| (r * n_cols + c) as u32);
        // At an odd distance from whatever address the vector has.
        let mut memory = vec![0];
        memory.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        let bytes = ArrayView2::from_shape((n_rows, n_cols * 4), &memory[1..]).unwrap();
        let (of_numbers, of_bytes) = (Plane::from(numbers.view()), Plane::<u32>::Bytes(bytes));
        assert_eq!(of_bytes.shape(), [n_rows, n_cols]);
        let place = Place::of_image(n_cols);
        for cols in [0..LANES, LANES..n_cols] {
            let expected = of_numbers.row(&place, 2).block(&cols);
            assert_eq!(expected[1], (2 * n_cols + cols.start + 1) as u32);
            assert_eq!(*of_bytes.row(&place, 2).block(&cols), *expected);
            assert_eq!(of_bytes.row(&place, 2).number(cols.start), expected[0]);
        }
        let place = Place {
            first_row: 1,
            cols: 5..n_cols,
        };
        let part = of_bytes.row(&place, 1).block(&(0..2));
        assert_eq!(
            part[..2],
            [(2 * n_cols + 5) as u32, (2 * n_cols + 6) as u32]
        );
    }

    #[test]
    fn a_wrong_shape_is_told_in_numbers() {
        let bytes = Array2::<u8>::zeros((3, 20));
        let plane = Plane::<f32>::Bytes(bytes.view());
        assert!(plane.check("gain", (3, 5)).is_ok());
        assert_eq!(
            plane.check("gain", (3, 4)).unwrap_err().to_string(),
            "gain: expected shape (3, 4), got (3, 5)"
        );
    }
}
