//! Generated exposures for the benchmarks.

use ndarray::{Array3, Axis};

/// Rows that are generated; the image repeats them.
const GENERATED_ROWS: usize = 64;

/// Rates of 2 to 400 DN per resultant with their noise, for a gain of 1.5 and 7 reads of noise 8, as
/// counts. Of the irregular pixels half have a jump (and flag their neighbours) and half saturate.
pub fn raw(n_resultants: usize, size: usize, irregular: f64) -> Array3<u16> {
    let mut random = Uniform(1);
    let mut data = Array3::zeros((n_resultants, size, size));
    for r in 0..size.min(GENERATED_ROWS) {
        for c in 0..size {
            let rate = 2.0 * 200.0_f64.powf(random.next());
            let kind = random.next();
            let hit = (random.next() * n_resultants as f64) as usize;
            let mut signal = 1000.0;
            for g in 0..n_resultants {
                signal += rate + (rate / 1.5).sqrt() * random.noise();
                if kind < irregular && g == hit {
                    signal += if kind < irregular / 2.0 {
                        2000.0
                    } else {
                        100_000.0
                    };
                }
                data[[g, r, c]] = (signal + 3.0 * random.noise()).clamp(1.0, 65535.0) as u16;
            }
        }
    }
    for mut plane in data.axis_iter_mut(Axis(0)) {
        for r in GENERATED_ROWS..size {
            let (generated, mut rest) = plane.view_mut().split_at(Axis(0), GENERATED_ROWS);
            rest.row_mut(r - GENERATED_ROWS)
                .assign(&generated.row(r % GENERATED_ROWS));
        }
    }
    data
}

/// A small generator of uniform numbers in 0..1 (SplitMix64), the same in every run.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly Gaussian, of mean 0 and standard deviation 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}
