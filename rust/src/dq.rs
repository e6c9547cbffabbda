//! Data-quality flags: bits of `groupdq` (u8, per sample) and of `pixeldq` (u32, per pixel).
//!
//! Only those that a kernel sets or asks for; `romancal_rs.dqflags` has them all.

/// Flags of one sample, a byte. Those of [`group::OF_PIXELS`] mean the same in `pixeldq`.
pub mod group {
    /// Bad sample.
    pub const DO_NOT_USE: u8 = 1;
    /// At or above the saturation threshold.
    pub const SATURATED: u8 = 1 << 1;
    /// A jump happened between the previous resultant and this one.
    pub const JUMP_DET: u8 = 1 << 2;
    /// At or below the floor of the A/D converter.
    pub const AD_FLOOR: u8 = 1 << 6;

    /// The first resultant of detector WFI18, where its transient could not be taken off. Of a pixel
    /// the same bit says that it is an outlier.
    pub const WFI18_TRANSIENT: u8 = 1 << 7;

    /// What is said of a pixel if it is said of one of its samples.
    pub const OF_PIXELS: u8 = !(DO_NOT_USE | WFI18_TRANSIENT);
    /// A sample with either of these takes no part in any calculation.
    pub const UNUSABLE: u8 = SATURATED | DO_NOT_USE;
}

/// Flags of one pixel.
pub mod pixel {
    /// Bad pixel.
    pub const DO_NOT_USE: u32 = 1;
    /// A reference pixel that cannot be used.
    pub const BAD_REF_PIXEL: u32 = 1 << 17;
    /// The flat field could not be measured.
    pub const NO_FLAT_FIELD: u32 = 1 << 18;
    /// The gain could not be measured.
    pub const NO_GAIN_VALUE: u32 = 1 << 19;
    /// There is no linearity correction.
    pub const NO_LIN_CORR: u32 = 1 << 20;
    /// There is no saturation threshold.
    pub const NO_SAT_CHECK: u32 = 1 << 21;
    /// The dark current is not known well.
    pub const UNRELIABLE_DARK: u32 = 1 << 23;
}
