//! The likelihood fit against dense matrices (`algebra.rs`) and values computed by hand (`cases.rs`).

mod algebra;
mod cases;

use ndarray::{Array2, Array3};

use super::*;
use crate::band::BandArray;
use crate::driver::Execution;
use crate::planes::{Image, run_fit};

/// A ramp with what its detector is like, and its fit.
struct Ramp {
    data: Array3<f32>,
    groupdq: Array3<u8>,
    pixeldq: Array2<u32>,
    gain: f32,
    read_noise: f32,
    pattern: ReadPattern,
}

/// What was fitted to a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fitted {
    rate: Rate,
    dq: u32,
}

impl Ramp {
    /// One row of pixels of gain 2 and a read noise of 6 DN.
    fn of_pixels<const N: usize>(pattern: ReadPattern, pixels: &[[f32; N]]) -> Self {
        let shape = (N, 1, pixels.len());
        Self {
            data: Array3::from_shape_fn(shape, |(g, _, c)| pixels[c][g]),
            groupdq: Array3::zeros(shape),
            pixeldq: Array2::zeros((1, pixels.len())),
            gain: 2.0,
            read_noise: 6.0,
            pattern,
        }
    }

    /// Fits it, and flags it.
    fn fit(&mut self, search: Search) -> Vec<Fitted> {
        let shape = self.pixeldq.dim();
        let gain = Array2::from_elem(shape, self.gain);
        let read_noise = Array2::from_elem(shape, self.read_noise);
        let (gain, read_noise) = (gain.view().into(), read_noise.view().into());
        let fit = LikelihoodFit::new(gain, read_noise, &self.pattern, search).unwrap();
        let mut image = Image::zeros(&RATE_IMAGE, shape);
        let mut band = RampBand::of_image(
            BandArray::Shared(self.data.view()),
            BandArray::InPlace(self.groupdq.view_mut()),
            BandArray::Shared(self.pixeldq.view()),
        );
        Execution::uninterrupted(|execution| {
            run_fit(&fit, &mut band, &mut image.planes(), execution)
        })
        .unwrap();
        let number = |quantity, at| image.numbers(quantity)[at];
        ndarray::indices(shape)
            .into_iter()
            .map(|at| Fitted {
                rate: Rate {
                    slope: number(Quantity::Slope, at),
                    var_poisson: number(Quantity::VarPoisson, at),
                    var_rnoise: number(Quantity::VarRnoise, at),
                    err: number(Quantity::Err, at),
                    chisq: number(Quantity::Chisq, at),
                    dumo: number(Quantity::Dumo, at),
                },
                dq: image.flags(Quantity::Dq)[at],
            })
            .collect()
    }

    /// The flags of the samples of a pixel of row 0.
    fn flags(&self, c: usize) -> Vec<u8> {
        self.groupdq
            .outer_iter()
            .map(|plane| plane[[0, c]])
            .collect()
    }
}

/// `n_resultants` of so many reads, each read 5 s.
fn even(n_resultants: usize, n_reads: u32) -> ReadPattern {
    let group_time = 5.0 * f64::from(n_reads);
    ReadPattern::evenly_spaced(n_resultants, group_time, n_reads, None).unwrap()
}
