//! The fit of two exponentials: `y(t) = a exp(-t / ta) + b exp(-t / tb)`.
//!
//! At given time constants the amplitudes that fit best follow from linear equations, so that only the
//! time constants are to be searched (variable projection; Golub & Pereyra 1973, SIAM J. Numer. Anal. 10,
//! 413). All pairs of a grid of time constants are tried, as the sum of squares has several minima.
//! Steps by the method of Levenberg and Marquardt, in the logarithms, lead from the best of them to the
//! minimum, with the derivatives of Kaufman 1975, BIT 15, 49.
//!
//! Two exponentials are only taken where they explain significantly more than one, and one where it
//! explains significantly more than none: what more would add is noise, with parameters of any size. The
//! values tell of their noise only by what a fit leaves of them, so that sums of squares are compared by
//! an F-test ([`chance`]). One that leaves more than the mean does is no transient, and two, which can do
//! as well as any constant, have to explain significantly more.

#[cfg(test)]
mod tests;

/// A sum of two exponentials, the faster one first; or one of them, or none.
///
/// Of one that is not there the amplitude is 0, and the time constant infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transient {
    /// At time 0 [DN].
    pub amplitudes: [f64; 2],
    /// After how long each is 1/e of that [s].
    pub time_constants: [f64; 2],
}

impl Transient {
    /// No transient.
    pub const NONE: Self = Self {
        amplitudes: [0.0; 2],
        time_constants: [f64::INFINITY; 2],
    };

    /// How long before the first value that it was fitted to it still holds [s]: a tenth of the shorter
    /// time constant, in which that exponential changes by a tenth. Of none, that of the shortest that a
    /// fit looks for.
    pub fn reach(&self) -> f64 {
        let shorter = self.time_constants[0];
        REACH
            * if shorter.is_finite() {
                shorter
            } else {
                SHORTEST
            }
    }
}

const REACH: f64 = 0.1;

/// A transient that was fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitted {
    /// The transient.
    pub transient: Transient,
    /// Root of the mean square of what it leaves [DN].
    pub rms: f64,
    /// How many values it was fitted to.
    pub n_values: usize,
    /// The time of the earliest of them [s].
    pub from: f64,
}

/// Time constants of the grid [s], beyond which no fit goes.
const SHORTEST: f64 = 0.02;
const LONGEST: f64 = 30.0;
const N_GRID: usize = 48;

/// How well the logarithm of a single one is found: half of the digits, as a minimum goes.
const FINEST_LOG: f64 = 1e-8;

/// Points that are needed: more than parameters.
const FEWEST_POINTS: usize = 5;

/// How far apart the logarithms of two time constants are at least. Of such that come together the
/// amplitudes grow beyond bounds, with opposite signs; these, a tenth apart, can do nearly the same.
const APART: f64 = 0.1;

/// Exponentials are only taken if noise would explain as much with this probability at most: low, as many
/// time constants are tried, some ten of which explain the noise each in its own way.
const MOST_CHANCE: f64 = 1e-5;

/// What the means of rows are never better known than [DN]: the rounding of single precision of 9000 DN,
/// 0.0005 DN, over the root of a row's pixels.
const FINEST: f64 = 1e-5;

/// Which part of an exponential the other may not give.
const DISTINCT: f64 = 1e-8;

/// Steps at most, and how much of the sum of squares a step has to gain for another.
const MAX_STEPS: usize = 200;
const LEAST_GAIN: f64 = 1e-14;

/// A step that does not lead down is damped more, and the next one less, within these bounds.
const DAMPING: f64 = 1e-3;
const LEAST_DAMPING: f64 = 1e-12;
const MOST_DAMPING: f64 = 1e12;

/// Fits the values at some times [s], with as many exponentials as they tell of. Values that are not
/// finite are left out.
///
/// `None` where fewer than five are left, or where the values are not 0, but their mean explains them as
/// well.
pub fn fit(times: &[f64], values: &[f64]) -> Option<Fitted> {
    let points = times.iter().zip(values);
    let (times, values): (Vec<f64>, Vec<f64>) =
        points.filter(|(_, value)| value.is_finite()).unzip();
    let n = values.len();
    if n < FEWEST_POINTS {
        return None;
    }
    let one = best_of_one(&times, &values);
    let two = refine(Projection::new(
        &times,
        &values,
        best_of_grid(&times, &values)?,
    ));
    if ![one.cost, two.cost].iter().all(|cost| cost.is_finite()) {
        return None;
    }
    let (mut transient, mut cost) = (Transient::NONE, dot(&values, &values));
    let (mut fades, of_mean) = (true, cost_of_mean(&values));
    for (more, n_parameters, most_chance) in [(one, 2, 1.0), (two, 4, MOST_CHANCE)] {
        if chance(more.cost, cost, (n, n_parameters)) < MOST_CHANCE {
            (transient, cost) = (more.transient(), more.cost);
            fades = chance(cost, of_mean, (n, n_parameters)) <= most_chance;
        }
    }
    fades.then(|| Fitted {
        transient,
        rms: (cost / n as f64).sqrt(),
        n_values: n,
        from: times.iter().copied().fold(f64::INFINITY, f64::min),
    })
}

/// The probability that noise alone lowers the sum of squares of n values from `of_less` to `of_more`, for
/// a model with two parameters more, of which it then has so many.
///
/// That is the tail of the distribution of F with 2 and `nu = n - n_parameters` degrees of freedom, which
/// is `(1 + 2 F / nu)^(-nu / 2)`. With more parameters more than two it serves as well: as the ratio of
/// likelihoods.
fn chance(of_more: f64, of_less: f64, (n, n_parameters): (usize, usize)) -> f64 {
    let rounding = n as f64 * FINEST * FINEST;
    let ratio = (of_more + rounding) / (of_less + rounding);
    ratio.powf((n - n_parameters) as f64 / 2.0)
}

fn cost_of_mean(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Logarithms of the time constants of the grid.
fn grid() -> Vec<f64> {
    let step = (LONGEST / SHORTEST).ln() / (N_GRID - 1) as f64;
    let logs = (0..N_GRID).map(|i| SHORTEST.ln() + step * i as f64);
    logs.collect()
}

/// The best fit of one exponential: of the grid, and then by the golden section between the neighbours of
/// the best.
fn best_of_one<'a>(times: &'a [f64], values: &'a [f64]) -> Projection<'a> {
    let at = |log: f64| Projection::new(times, values, [log, log]);
    let logs = grid();
    let costs: Vec<_> = logs.iter().map(|&log| at(log).cost).collect();
    let best = (0..N_GRID)
        .min_by(|&i, &j| costs[i].total_cmp(&costs[j]))
        .unwrap_or_default();
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (
        logs[best.saturating_sub(1)],
        logs[(best + 1).min(N_GRID - 1)],
    );
    let inner = |low: f64, high: f64| [high - golden * (high - low), low + golden * (high - low)];
    let [mut left, mut right] = inner(low, high).map(at);
    while high - low > FINEST_LOG {
        if left.cost < right.cost {
            (high, right) = (right.logs[0], left);
            left = at(inner(low, high)[0]);
        } else {
            (low, left) = (left.logs[0], right);
            right = at(inner(low, high)[1]);
        }
    }
    let found = if left.cost < right.cost { left } else { right };
    // A bound is not between its neighbours.
    let of_grid = at(logs[best]);
    if of_grid.cost < found.cost {
        of_grid
    } else {
        found
    }
}

/// The logarithms of the pair of time constants of the grid that fits best.
fn best_of_grid(times: &[f64], values: &[f64]) -> Option<[f64; 2]> {
    let logs = grid();
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
            let logs = allowed([0, 1].map(|i| best.logs[i] + step[i]));
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

/// The nearest logarithms of two time constants that are within the bounds, and apart from each other.
fn allowed(logs: [f64; 2]) -> [f64; 2] {
    let (shortest, longest) = (SHORTEST.ln(), LONGEST.ln());
    let [one, other] = logs.map(|log| log.clamp(shortest, longest));
    if (one - other).abs() >= APART {
        return [one, other];
    }
    let half = (APART / 2.0).copysign(one - other);
    let middle = ((one + other) / 2.0).clamp(shortest + APART / 2.0, longest - APART / 2.0);
    [middle + half, middle - half]
}

/// The best fit at given time constants; of one exponential, if they are the same.
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
        let mut terms = [0, 1].map(|i| (self.logs[i].exp(), self.amplitudes[i]));
        for (time_constant, amplitude) in &mut terms {
            if *amplitude == 0.0 {
                *time_constant = f64::INFINITY;
            }
        }
        terms.sort_by(|one, other| one.0.total_cmp(&other.0));
        Transient {
            amplitudes: terms.map(|term| term.1),
            time_constants: terms.map(|term| term.0),
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
