//! The fit of two exponentials: `y(t) = a exp(-t / ta) + b exp(-t / tb)`.
//!
//! At given time constants the amplitudes that fit best follow from linear equations, so that only the
//! time constants are to be searched (variable projection; Golub & Pereyra 1973, SIAM J. Numer. Anal. 10,
//! 413). All pairs of a grid of time constants are tried, as the sum of squares has several minima.
//! Steps by the method of Levenberg and Marquardt, in the logarithms, lead from the best of them to the
//! minimum, with the derivatives of Kaufman 1975, BIT 15, 49.

/// A sum of two exponentials, the faster one first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transient {
    /// At time 0 [DN].
    pub amplitudes: [f64; 2],
    /// After how long each is 1/e of that [s].
    pub time_constants: [f64; 2],
}

/// A transient that was fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitted {
    pub transient: Transient,
    /// Root of the mean square of what it leaves [DN].
    pub rms: f64,
}

/// Time constants of the grid [s], beyond which no fit goes.
const SHORTEST: f64 = 0.02;
const LONGEST: f64 = 30.0;
const N_GRID: usize = 48;

/// Points that are needed: more than parameters.
const FEWEST_POINTS: usize = 5;

/// Which part of an exponential the other may not give.
const DISTINCT: f64 = 1e-8;

/// Steps at most, and how much of the sum of squares a step has to gain for another.
const MAX_STEPS: usize = 200;
const LEAST_GAIN: f64 = 1e-14;

/// A step that does not lead down is damped more, and the next one less, within these bounds.
const DAMPING: f64 = 1e-3;
const LEAST_DAMPING: f64 = 1e-12;
const MOST_DAMPING: f64 = 1e12;

/// Fits the values at some times [s]. Values that are not finite are left out.
///
/// `None` where fewer than five are left, or what the fit leaves is more than what their mean leaves.
pub fn fit(times: &[f64], values: &[f64]) -> Option<Fitted> {
    let points = times.iter().zip(values);
    let (times, values): (Vec<f64>, Vec<f64>) =
        points.filter(|(_, value)| value.is_finite()).unzip();
    if values.len() < FEWEST_POINTS {
        return None;
    }
    let start = best_of_grid(&times, &values)?;
    let best = refine(Projection::new(&times, &values, start));
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let of_mean: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let [a, b] = best.amplitudes;
    let is_finite = a.is_finite() && b.is_finite() && best.cost.is_finite();
    let fits = is_finite && best.cost <= of_mean;
    fits.then(|| Fitted {
        transient: best.transient(),
        rms: (best.cost / n).sqrt(),
    })
}

/// The logarithms of the pair of time constants of the grid that fits best.
fn best_of_grid(times: &[f64], values: &[f64]) -> Option<[f64; 2]> {
    let step = (LONGEST / SHORTEST).ln() / (N_GRID - 1) as f64;
    let logs: Vec<f64> = (0..N_GRID)
        .map(|i| SHORTEST.ln() + step * i as f64)
        .collect();
    let bases: Vec<_> = logs.iter().map(|&log| basis(times, log)).collect();
    let with_values: Vec<_> = bases.iter().map(|basis| dot(basis, values)).collect();
    let squares: Vec<_> = bases.iter().map(|basis| dot(basis, basis)).collect();
    let mut best = None;
    for i in 0..N_GRID {
        for j in i + 1..N_GRID {
            // The sum of squares is less by this than that of the values.
            let overlap = dot(&bases[i], &bases[j]) / squares[i];
            let left = squares[j] - overlap * overlap * squares[i];
            let of_left = with_values[j] - overlap * with_values[i];
            let gain = with_values[i].powi(2) / squares[i] + of_left.powi(2) / left;
            let is_best = best.is_none_or(|(most, _)| gain > most);
            if left > 0.0 && gain.is_finite() && is_best {
                best = Some((gain, [logs[i], logs[j]]));
            }
        }
    }
    best.map(|(_, logs)| logs)
}

/// Goes down from there to a minimum of the sum of squares.
fn refine(mut best: Projection<'_>) -> Projection<'_> {
    let bounds = SHORTEST.ln()..=LONGEST.ln();
    let mut damping = DAMPING;
    for _ in 0..MAX_STEPS {
        let (curvature, slope) = best.normal_equations();
        let lower = loop {
            let damped = |i: usize| curvature[i][i] * (1.0 + damping);
            let determinant = damped(0) * damped(1) - curvature[0][1].powi(2);
            let step = [
                (slope[0] * damped(1) - slope[1] * curvature[0][1]) / determinant,
                (slope[1] * damped(0) - slope[0] * curvature[0][1]) / determinant,
            ];
            let logs =
                [0, 1].map(|i| (best.logs[i] + step[i]).clamp(*bounds.start(), *bounds.end()));
            // Also where the equations have no solution.
            let next = Projection::new(best.times, best.values, logs);
            if next.cost < best.cost {
                break Some(next);
            }
            damping *= 4.0;
            if damping > MOST_DAMPING {
                break None;
            }
        };
        let Some(lower) = lower else {
            return best;
        };
        damping = (damping / 6.0).max(LEAST_DAMPING);
        let gain = 1.0 - lower.cost / best.cost;
        best = lower;
        if gain < LEAST_GAIN {
            return best;
        }
    }
    best
}

/// The best fit at given time constants.
struct Projection<'a> {
    times: &'a [f64],
    values: &'a [f64],
    /// Logarithms of the time constants.
    logs: [f64; 2],
    bases: [Vec<f64>; 2],
    /// Unit vectors that span the same as the bases.
    units: [Vec<f64>; 2],
    amplitudes: [f64; 2],
    /// What the fit leaves, and the sum of its squares.
    left: Vec<f64>,
    cost: f64,
}

impl<'a> Projection<'a> {
    fn new(times: &'a [f64], values: &'a [f64], logs: [f64; 2]) -> Self {
        let bases = logs.map(|log| basis(times, log));
        // Gram and Schmidt.
        let length = dot(&bases[0], &bases[0]).sqrt();
        let first: Vec<_> = bases[0].iter().map(|value| value / length).collect();
        let overlap = dot(&first, &bases[1]);
        let mut second = bases[1].clone();
        subtract(&mut second, overlap, &first);
        let rest = dot(&second, &second).sqrt();
        // Of time constants that are nearly the same, only one counts: the amplitudes would be huge, of
        // opposite sign, and their sum all rounding.
        let is_other = rest > DISTINCT * dot(&bases[1], &bases[1]).sqrt();
        let inverse = if is_other { 1.0 / rest } else { 0.0 };
        second.iter_mut().for_each(|value| *value *= inverse);
        let (of_first, of_second) = (dot(&first, values), dot(&second, values));
        let b = of_second * inverse;
        let a = (of_first - overlap * b) / length;
        let mut left = values.to_vec();
        subtract(&mut left, of_first, &first);
        subtract(&mut left, of_second, &second);
        Self {
            times,
            values,
            logs,
            bases,
            units: [first, second],
            amplitudes: [a, b],
            cost: dot(&left, &left),
            left,
        }
    }

    /// The equations of the step of Gauss and Newton: curvature times step is slope.
    fn normal_equations(&self) -> ([[f64; 2]; 2], [f64; 2]) {
        let derivatives = [0, 1].map(|i| {
            let rate = self.amplitudes[i] * (-self.logs[i]).exp();
            let of_basis = self.bases[i].iter().zip(self.times);
            let mut derivative: Vec<_> =
                of_basis.map(|(basis, time)| rate * basis * time).collect();
            // What the amplitudes do not make up for.
            for unit in &self.units {
                let along = dot(unit, &derivative);
                subtract(&mut derivative, along, unit);
            }
            derivative
        });
        let [of_first, of_second] = &derivatives;
        let mixed = dot(of_first, of_second);
        (
            [
                [dot(of_first, of_first), mixed],
                [mixed, dot(of_second, of_second)],
            ],
            [dot(of_first, &self.left), dot(of_second, &self.left)],
        )
    }

    fn transient(&self) -> Transient {
        let ([a, b], [ta, tb]) = (self.amplitudes, self.logs.map(f64::exp));
        if ta <= tb {
            Transient {
                amplitudes: [a, b],
                time_constants: [ta, tb],
            }
        } else {
            Transient {
                amplitudes: [b, a],
                time_constants: [tb, ta],
            }
        }
    }
}

fn basis(times: &[f64], log: f64) -> Vec<f64> {
    let rate = -(-log).exp();
    times.iter().map(|time| (time * rate).exp()).collect()
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}

fn subtract(from: &mut [f64], amount: f64, unit: &[f64]) {
    for (value, unit) in from.iter_mut().zip(unit) {
        *value -= amount * unit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> Vec<f64> {
        (0..400).map(|i| 0.007 * f64::from(i)).collect()
    }

    fn model(transient: &Transient, time: f64) -> f64 {
        let [a, b] = transient.amplitudes;
        let [ta, tb] = transient.time_constants;
        a * (-time / ta).exp() + b * (-time / tb).exp()
    }

    fn values(transient: &Transient) -> Vec<f64> {
        times().iter().map(|&time| model(transient, time)).collect()
    }

    #[test]
    fn a_transient_without_noise_is_found_to_the_last_digits() {
        for (amplitudes, time_constants) in [
            ([230.0, 100.0], [0.2, 0.52]),
            ([-30.0, 300.0], [0.05, 0.4]),
            ([100.0, 100.0], [0.1, 9.0]),
            ([5.0, -5.0], [0.7, 1.5]),
        ] {
            let truth = Transient {
                amplitudes,
                time_constants,
            };
            let fitted = fit(&times(), &values(&truth)).unwrap();
            assert!(fitted.rms < 1e-7, "{fitted:?}");
            for i in 0..2 {
                let found = fitted.transient;
                assert!(
                    (found.amplitudes[i] / amplitudes[i] - 1.0).abs() < 1e-4,
                    "{found:?}"
                );
                assert!((found.time_constants[i] / time_constants[i] - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let truth = Transient {
            amplitudes: [230.0, 100.0],
            time_constants: [0.2, 0.52],
        };
        let mut with_gaps = values(&truth);
        with_gaps[0] = f64::NAN;
        with_gaps[77] = f64::INFINITY;
        let fitted = fit(&times(), &with_gaps).unwrap();
        for time in times() {
            let error = model(&fitted.transient, time) - model(&truth, time);
            assert!(error.abs() < 1e-6, "{error}");
        }
    }

    #[test]
    fn what_no_transient_explains_is_refused() {
        assert_eq!(fit(&times()[..4], &[4.0, 3.0, 2.0, 1.0]), None);
        let mut four = vec![f64::NAN; 400];
        four[..4].fill(1.0);
        assert_eq!(fit(&times(), &four), None);
        // Nothing that fades: the mean explains it to the last bit.
        let constant = vec![1000.0; 400];
        assert_eq!(fit(&times(), &constant), None);
    }

    #[test]
    fn nothing_is_fitted_by_nothing() {
        let fitted = fit(&times(), &vec![0.0; 400]).unwrap();
        assert_eq!(fitted.transient.amplitudes, [0.0, 0.0]);
        assert_eq!(fitted.rms, 0.0);
    }
}
