//! When a pixel is read within a frame: the detector is read row by row, and each row by 32 outputs at
//! a time, channels of 128 columns each.
//!
//! Pixel j of a channel, in row r of the order of reading, is read after `j + 142 r + p floor(r / 256)`
//! clocks: 128 pixels and 14 more clocks a row, and every 256 rows a pause of p clocks, in which the
//! guide window is read. The frame of `clocks = 127 + 142 * 4095 + 16 p` takes the frame time T, so that
//!
//! `t(y, x) = t(r) + t(j)`, `t(r) = T / clocks (142 r + p floor(r / 256))`, `t(j) = T / clocks j`.
//!
//! Rows are read from the top, `r = y`, in the detectors whose number is a multiple of 3, and else from
//! the bottom, `r = 4095 - y`; columns from the left in channels 0, 2, ..., and from the right in the
//! others.
//!
//! The length of the pauses follows from the frame time, `p = 1.5 (T / 4.915263 us - 127 - 142 * 4095) / 16`,
//! and is 0 where the frame time leaves no room for them, below 2.8588 s.
//!
//! Source: romancal 1.1.0, where pauses may be negative.

use crate::driver::CHANNEL_COLS;
use crate::error::KernelError;

/// Rows, and columns, of a detector.
pub const DETECTOR_SIZE: usize = 4096;

/// Clocks of a row besides those of its pixels.
const CLOCKS_BETWEEN_ROWS: usize = 14;
const CLOCKS_OF_ROW: f64 = (CHANNEL_COLS + CLOCKS_BETWEEN_ROWS) as f64;

/// The clock of the last pixel, were there no pauses.
const LAST_CLOCK: f64 = (CHANNEL_COLS - 1) as f64 + (DETECTOR_SIZE - 1) as f64 * CLOCKS_OF_ROW;

/// Rows from one pause to the next, and how many pauses that are.
const ROWS_BETWEEN_PAUSES: usize = 256;
const N_PAUSES: f64 = (DETECTOR_SIZE / ROWS_BETWEEN_PAUSES) as f64;

/// Time of a clock [s].
const CLOCK_TIME: f64 = 4.915_263e-6;

/// How much longer a pause is than what is left of the frame time would give each.
const PAUSE_FACTOR: f64 = 1.5;

/// One of the 18 detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detector(u8);

impl Detector {
    /// The one of which the first resultant has a transient.
    pub const WFI18: Self = Self(18);

    /// By its name, `WFI01` to `WFI18`.
    pub fn named(name: &str) -> Result<Self, KernelError> {
        let number = (1..=18).find(|number| name == format!("WFI{number:02}"));
        let unknown = || KernelError::value("detector", "WFI01 to WFI18", name);
        number.map(Self).ok_or_else(unknown)
    }

    fn is_read_from_the_top(self) -> bool {
        self.0.is_multiple_of(3)
    }
}

/// When the rows, and the columns, of a detector are read within a frame.
#[derive(Debug, Clone, Copy)]
pub struct ReadTimes {
    /// Seconds from clock to clock.
    clock: f64,
    /// Clocks of a pause.
    pause: f64,
    from_the_top: bool,
}

impl ReadTimes {
    /// In frames of so many seconds.
    pub fn new(detector: Detector, frame_time: f64) -> Self {
        let left = (frame_time / CLOCK_TIME - LAST_CLOCK) / N_PAUSES;
        let pause = (left * PAUSE_FACTOR).max(0.0);
        Self {
            clock: frame_time / (LAST_CLOCK + N_PAUSES * pause),
            pause,
            from_the_top: detector.is_read_from_the_top(),
        }
    }

    /// When the first pixels of row `y` are read [s].
    pub fn of_row(&self, y: usize) -> f64 {
        let row = if self.from_the_top {
            y
        } else {
            DETECTOR_SIZE - 1 - y
        };
        let pauses = (row / ROWS_BETWEEN_PAUSES) as f64;
        self.clock * (CLOCKS_OF_ROW * row as f64 + self.pause * pauses)
    }

    /// How much later than those a pixel of column `x` is read [s].
    pub fn of_col(&self, x: usize) -> f64 {
        let (channel, col) = (x / CHANNEL_COLS, x % CHANNEL_COLS);
        let order = if channel.is_multiple_of(2) {
            col
        } else {
            CHANNEL_COLS - 1 - col
        };
        self.clock * order as f64
    }
}

/// Errs unless an image of so many rows and columns lies on the detector where its origin is.
pub fn check_origin(
    origin: (usize, usize),
    (n_rows, n_cols): (usize, usize),
) -> Result<(), KernelError> {
    let fits = |start: usize, length: usize| {
        start
            .checked_add(length)
            .is_some_and(|end| end <= DETECTOR_SIZE)
    };
    if fits(origin.0, n_rows) && fits(origin.1, n_cols) {
        return Ok(());
    }
    Err(KernelError::value(
        "origin",
        "a first row and column with which the image lies within 4096 x 4096 pixels",
        format!("{origin:?} for {n_rows} x {n_cols} pixels"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_have_names() {
        assert_eq!(Detector::named("WFI18"), Ok(Detector::WFI18));
        assert!(Detector::named("WFI03").unwrap().is_read_from_the_top());
        assert!(!Detector::named("WFI01").unwrap().is_read_from_the_top());
        for name in ["WFI00", "WFI19", "WFI1", "wfi01", "", "SCA01"] {
            let message = Detector::named(name).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("detector: expected WFI01 to WFI18, got {name}")
            );
        }
    }

    #[test]
    fn clocks_are_counted_in_the_order_of_reading() {
        // A frame without pauses, of a second for each clock.
        let times = ReadTimes {
            clock: 1.0,
            pause: 0.0,
            from_the_top: false,
        };
        assert_eq!(times.of_row(4095), 0.0);
        assert_eq!(times.of_row(4093), 284.0);
        assert_eq!(
            [0, 1, 127, 128, 255, 256].map(|x| times.of_col(x)),
            [0.0, 1.0, 127.0, 127.0, 0.0, 0.0]
        );
        let paused = ReadTimes {
            pause: 1000.0,
            from_the_top: true,
            ..times
        };
        assert_eq!(paused.of_row(255), 142.0 * 255.0);
        assert_eq!(paused.of_row(256), 142.0 * 256.0 + 1000.0);
        assert_eq!(paused.of_row(4095), 142.0 * 4095.0 + 15.0 * 1000.0);
    }

    #[test]
    fn a_frame_ends_with_a_pause() {
        for frame_time in [2.86, 3.04, 3.16247, 10.0] {
            let times = ReadTimes::new(Detector::WFI18, frame_time);
            let last = times.of_row(4095) + times.of_col(127);
            let end = last + times.clock * times.pause;
            assert!((end - frame_time).abs() < 1e-14, "{end}");
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        for frame_time in [0.5, 2.5, 2.8588, 2.8589, 3.04] {
            let times = ReadTimes::new(Detector::WFI18, frame_time);
            assert!((1..4096).all(|y| times.of_row(y) > times.of_row(y - 1) + times.of_col(127)));
            assert!(times.of_row(4095) + times.of_col(127) <= frame_time * (1.0 + 1e-15));
        }
    }
}
