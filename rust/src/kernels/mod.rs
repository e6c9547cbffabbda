//! One file per algorithm: its formula and source, the function, its tests.

pub mod dark;
pub mod flat;
pub mod jump;
pub mod linearity;
pub mod ramp_fit;
pub mod saturation;
#[cfg(test)]
mod testing;

/// Whether a gain can be used: NaN, infinite and non-positive gains are flagged NO_GAIN_VALUE.
#[inline(always)]
fn gain_is_known(gain: f32) -> bool {
    // Without a branch, so that it vectorises.
    gain.is_finite() & (gain > 0.0)
}
