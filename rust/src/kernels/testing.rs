//! Small ramps for the kernels' tests.

use ndarray::{Array2, Array3};

use crate::band::{BandArray, BandKernel, RampBand};
use crate::driver::{self, Execution};

/// A ramp with its flags, all of them zero at first.
pub struct Ramp {
    pub data: Array3<f32>,
    pub groupdq: Array3<u8>,
    pub pixeldq: Array2<u32>,
}

impl Ramp {
    /// One row of pixels, given one after the other.
    pub fn of_pixels<const N: usize>(pixels: &[[f32; N]]) -> Self {
        Self {
            data: Array3::from_shape_fn((N, 1, pixels.len()), |(g, _, c)| pixels[c][g]),
            groupdq: Array3::zeros((N, 1, pixels.len())),
            pixeldq: Array2::zeros((1, pixels.len())),
        }
    }

    /// Runs a kernel over the ramp.
    pub fn run(&mut self, kernel: &dyn BandKernel) {
        let mut band = RampBand::of_image(
            BandArray::InPlace(self.data.view_mut()),
            BandArray::InPlace(self.groupdq.view_mut()),
            BandArray::InPlace(self.pixeldq.view_mut()),
        );
        Execution::uninterrupted(|execution| driver::run(&[kernel], &mut band, execution)).unwrap();
    }

    /// The flags of each resultant of a pixel of row 0.
    pub fn flags(&self, col: usize) -> Vec<u8> {
        self.groupdq
            .outer_iter()
            .map(|plane| plane[[0, col]])
            .collect()
    }
}
