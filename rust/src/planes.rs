//! The planes of an image, by name: what a fit makes, and what works on it afterwards.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::band::{Found, Place, RampBand};
use crate::driver::{Execution, for_each};
use crate::error::{KernelError, check_array};
use crate::lanes::row_mut;
use crate::tiles::{all, cut, cut_array};

/// What a plane of an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// The rate [DN/s].
    Slope,
    /// Flags of each pixel.
    Dq,
    /// Variance of the rate from photon noise [(DN/s)^2].
    VarPoisson,
    /// Variance of the rate from read noise [(DN/s)^2].
    VarRnoise,
    /// Variance of the rate from the error of the flat [(DN/s)^2].
    VarFlat,
    /// Standard error of the rate [DN/s].
    Err,
    /// Deviations of the differences from the slope, over their noise, squared and summed.
    Chisq,
    /// Slope with uniform weights minus slope [DN/s].
    Dumo,
}

impl Quantity {
    /// What arrays of it are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slope => "slope",
            Self::Dq => "dq",
            Self::VarPoisson => "var_poisson",
            Self::VarRnoise => "var_rnoise",
            Self::VarFlat => "var_flat",
            Self::Err => "err",
            Self::Chisq => "chisq",
            Self::Dumo => "dumo",
        }
    }

    /// Whether it is flags (u32) rather than numbers (f32).
    pub fn is_flags(self) -> bool {
        self == Self::Dq
    }
}

/// A plane of an image, or a part of it, to be changed: (n_rows, n_cols).
pub enum PlaneMut<'a> {
    /// Any quantity but flags.
    Numbers(ArrayViewMut2<'a, f32>),
    /// Flags of each pixel.
    Flags(ArrayViewMut2<'a, u32>),
}

/// Planes of an image, or the same part of all of them, to be changed.
#[derive(Default)]
pub struct Planes<'a>(Vec<Named<'a>>);

struct Named<'a> {
    quantity: Quantity,
    /// What it is called in messages.
    argument: &'static str,
    plane: PlaneMut<'a>,
}

impl<'a> Planes<'a> {
    /// Adds a plane of numbers.
    pub fn add_numbers(&mut self, quantity: Quantity, plane: ArrayViewMut2<'a, f32>) {
        debug_assert!(!quantity.is_flags());
        self.add(quantity, quantity.name(), PlaneMut::Numbers(plane));
    }

    /// Adds a plane of flags.
    pub fn add_flags(&mut self, quantity: Quantity, plane: ArrayViewMut2<'a, u32>) {
        debug_assert!(quantity.is_flags());
        self.add(quantity, quantity.name(), PlaneMut::Flags(plane));
    }

    /// Adds a plane that the caller knows by another name.
    pub fn add(&mut self, quantity: Quantity, argument: &'static str, plane: PlaneMut<'a>) {
        self.0.push(Named {
            quantity,
            argument,
            plane,
        });
    }

    /// Whether there is a plane of this.
    pub fn has(&self, quantity: Quantity) -> bool {
        self.0.iter().any(|named| named.quantity == quantity)
    }

    /// Errs unless all of these are there, and all planes of this size.
    pub fn check(
        &self,
        needed: &[Quantity],
        (n_rows, n_cols): (usize, usize),
    ) -> Result<(), KernelError> {
        if let Some(missing) = needed.iter().find(|quantity| !self.has(**quantity)) {
            return Err(KernelError::value(missing.name(), "a plane", "none"));
        }
        let shape = [n_rows, n_cols];
        for Named {
            argument, plane, ..
        } in &self.0
        {
            match plane {
                PlaneMut::Numbers(array) => check_array(argument, &shape, &array.view())?,
                PlaneMut::Flags(array) => check_array(argument, &shape, &array.view())?,
            }
        }
        Ok(())
    }

    /// Cuts the planes into tiles: those of the first columns first, from the first row to the last.
    pub fn split(&mut self, rows: &[Range<usize>], cols: &[Range<usize>]) -> Vec<Planes<'_>> {
        let mut tiles: Vec<_> = (0..rows.len() * cols.len())
            .map(|_| Planes::default())
            .collect();
        for Named {
            quantity, plane, ..
        } in &mut self.0
        {
            match plane {
                PlaneMut::Numbers(array) => {
                    let parts = cut_array(array.view_mut(), rows, cols);
                    for (tile, part) in tiles.iter_mut().zip(parts) {
                        tile.add_numbers(*quantity, part);
                    }
                }
                PlaneMut::Flags(array) => {
                    let parts = cut_array(array.view_mut(), rows, cols);
                    for (tile, part) in tiles.iter_mut().zip(parts) {
                        tile.add_flags(*quantity, part);
                    }
                }
            }
        }
        tiles
    }

    /// The same row of all planes.
    pub fn row(&mut self, r: usize) -> PlaneRows<'_> {
        let rows = self.0.iter_mut().map(|named| {
            let row = match &mut named.plane {
                PlaneMut::Numbers(array) => PlaneRow::Numbers(row_mut(array.view_mut(), r)),
                PlaneMut::Flags(array) => PlaneRow::Flags(row_mut(array.view_mut(), r)),
            };
            (named.quantity, row)
        });
        PlaneRows(rows.collect())
    }

    /// How many rows the planes have.
    pub fn n_rows(&self) -> usize {
        self.0.first().map_or(0, |named| match &named.plane {
            PlaneMut::Numbers(array) => array.nrows(),
            PlaneMut::Flags(array) => array.nrows(),
        })
    }

    /// How many columns the planes have.
    pub fn n_cols(&self) -> usize {
        self.0.first().map_or(0, |named| match &named.plane {
            PlaneMut::Numbers(array) => array.ncols(),
            PlaneMut::Flags(array) => array.ncols(),
        })
    }
}

/// One row of a plane, to be changed.
pub enum PlaneRow<'a> {
    /// Any quantity but flags.
    Numbers(&'a mut [f32]),
    /// Flags of each pixel.
    Flags(&'a mut [u32]),
}

/// The same row of several planes, to be changed.
pub struct PlaneRows<'a>(Vec<(Quantity, PlaneRow<'a>)>);

impl<'a> PlaneRows<'a> {
    /// Takes out the row of a plane of numbers, if there is one.
    pub fn take_numbers(&mut self, quantity: Quantity) -> Option<&'a mut [f32]> {
        match self.take(quantity)? {
            PlaneRow::Numbers(row) => Some(row),
            PlaneRow::Flags(_) => None,
        }
    }

    /// Takes out the row of a plane of flags, if there is one.
    pub fn take_flags(&mut self, quantity: Quantity) -> Option<&'a mut [u32]> {
        match self.take(quantity)? {
            PlaneRow::Flags(row) => Some(row),
            PlaneRow::Numbers(_) => None,
        }
    }

    fn take(&mut self, quantity: Quantity) -> Option<PlaneRow<'a>> {
        let index = self.0.iter().position(|(of, _)| *of == quantity)?;
        Some(self.0.swap_remove(index).1)
    }
}

/// An image with planes of its own, zero at first.
pub struct Image(Vec<(Quantity, OwnedPlane)>);

enum OwnedPlane {
    Numbers(Array2<f32>),
    Flags(Array2<u32>),
}

impl Image {
    /// With these planes, (n_rows, n_cols).
    pub fn zeros(quantities: &[Quantity], shape: (usize, usize)) -> Self {
        let planes = quantities.iter().map(|&quantity| {
            let plane = if quantity.is_flags() {
                OwnedPlane::Flags(Array2::zeros(shape))
            } else {
                OwnedPlane::Numbers(Array2::zeros(shape))
            };
            (quantity, plane)
        });
        Self(planes.collect())
    }

    /// All planes, to be changed.
    pub fn planes(&mut self) -> Planes<'_> {
        let mut planes = Planes::default();
        for (quantity, plane) in &mut self.0 {
            match plane {
                OwnedPlane::Numbers(array) => planes.add_numbers(*quantity, array.view_mut()),
                OwnedPlane::Flags(array) => planes.add_flags(*quantity, array.view_mut()),
            }
        }
        planes
    }

    /// A plane of numbers.
    ///
    /// # Panics
    /// If the image has none of this.
    pub fn numbers(&self, quantity: Quantity) -> ArrayView2<'_, f32> {
        match self.0.iter().find(|(of, _)| *of == quantity) {
            Some((_, OwnedPlane::Numbers(array))) => array.view(),
            _ => panic!("no plane of {} of numbers", quantity.name()),
        }
    }

    /// A plane of flags.
    ///
    /// # Panics
    /// If the image has none of this.
    pub fn flags(&self, quantity: Quantity) -> ArrayView2<'_, u32> {
        match self.0.iter().find(|(of, _)| *of == quantity) {
            Some((_, OwnedPlane::Flags(array))) => array.view(),
            _ => panic!("no plane of {} of flags", quantity.name()),
        }
    }
}

/// An algorithm that makes an image of ramps.
pub trait Fit: Sync {
    /// The planes of the image.
    fn makes(&self) -> &'static [Quantity];

    /// Errs unless the references and parameters fit a ramp of this shape.
    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError>;

    /// Fits the ramps of a band, from its column `first_col` on as many columns as `out` has. A fit that
    /// looks for jumps flags their samples.
    fn fit(&self, band: &mut RampBand<'_>, first_col: usize, out: &mut Planes<'_>);

    /// What it found out, or made, besides the image. Asked once, after the last band.
    fn found(&self) -> Vec<(&'static str, Found)> {
        Vec::new()
    }
}

/// Fits the ramps of an image into `out`, band by band.
pub fn run_fit(
    fit: &dyn Fit,
    ramp: &mut RampBand<'_>,
    out: &mut Planes<'_>,
    execution: &mut Execution<'_>,
) -> Result<(), KernelError> {
    ramp.check()?;
    let (n_resultants, n_rows, n_cols) = ramp.shape();
    fit.check((n_resultants, n_rows, n_cols))?;
    out.check(fit.makes(), (n_rows, n_cols))?;
    if n_rows == 0 || n_cols == 0 {
        return Ok(());
    }
    let height = execution.band_rows(n_resultants, n_cols);
    let tiles = out.split(&cut(n_rows, height), &all(n_cols));
    for_each(
        ramp.bands(height).into_iter().zip(tiles).collect(),
        |(band, mut planes)| fit.fit(&mut band.into_band(), 0, &mut planes),
        execution,
    )
}

/// An algorithm that changes an image in place, row by row.
pub trait ImageKernel: Sync {
    /// The planes that it works on. Others it may use where they are there.
    fn needs(&self) -> &'static [Quantity];

    /// Errs unless the kernel's references and parameters fit an image of this shape.
    fn check(&self, shape: (usize, usize)) -> Result<(), KernelError>;

    /// Corrects row `r` of what lies at `place`.
    fn apply(&self, place: &Place, r: usize, rows: PlaneRows<'_>);
}

/// Runs a kernel over an image, band by band.
pub fn run_image(
    kernel: &dyn ImageKernel,
    planes: &mut Planes<'_>,
    (n_rows, n_cols): (usize, usize),
    execution: &mut Execution<'_>,
) -> Result<(), KernelError> {
    planes.check(kernel.needs(), (n_rows, n_cols))?;
    kernel.check((n_rows, n_cols))?;
    if n_rows == 0 || n_cols == 0 {
        return Ok(());
    }
    let bands = cut(n_rows, execution.band_rows(1, n_cols));
    let tiles = planes.split(&bands, &all(n_cols));
    for_each(
        bands.iter().zip(tiles).collect(),
        |(rows, mut planes)| {
            let place = Place {
                first_row: rows.start,
                cols: 0..n_cols,
            };
            for r in 0..planes.n_rows() {
                kernel.apply(&place, r, planes.row(r));
            }
        },
        execution,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_planes_lie_where_they_should() {
        let mut image = Image::zeros(&[Quantity::Slope, Quantity::Dq], (3, 5));
        let mut planes = image.planes();
        let tiles = planes.split(&cut(3, 2), &cut(5, 3));
        assert_eq!(tiles.len(), 4);
        for (i, mut tile) in tiles.into_iter().enumerate() {
            for r in 0..tile.n_rows() {
                let mut rows = tile.row(r);
                rows.take_numbers(Quantity::Slope).unwrap().fill(i as f32);
                rows.take_flags(Quantity::Dq).unwrap().fill(i as u32);
                assert!(rows.take_numbers(Quantity::Err).is_none());
            }
        }
        let expected = ndarray::arr2(&[[0, 0, 0, 2, 2], [0, 0, 0, 2, 2], [1, 1, 1, 3, 3]]);
        assert_eq!(image.flags(Quantity::Dq), expected);
        assert_eq!(image.numbers(Quantity::Slope), expected.mapv(|i| i as f32));
    }

    #[test]
    fn a_plane_that_is_missing_or_of_another_size_is_named() {
        let mut image = Image::zeros(&[Quantity::Slope], (3, 5));
        let planes = image.planes();
        let text = |result: Result<(), KernelError>| result.unwrap_err().to_string();
        assert_eq!(
            text(planes.check(&[Quantity::Err], (3, 5))),
            "err: expected a plane, got none"
        );
        assert_eq!(
            text(planes.check(&[Quantity::Slope], (5, 3))),
            "slope: expected shape (5, 3), got (3, 5)"
        );
    }
}
