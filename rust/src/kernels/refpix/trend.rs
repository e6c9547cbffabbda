//! Straight lines through the reference samples of a channel.

/// `slope t + level`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Line {
    pub slope: f64,
    pub level: f64,
}

impl Line {
    /// The least-squares line through points (t, value); 0 where there is none.
    pub fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let (mut n, mut sum_t, mut sum_value) = (0.0, 0.0, 0.0);
        for (t, value) in points.clone() {
            n += 1.0;
            sum_t += t;
            sum_value += value;
        }
        if n == 0.0 {
            return Self::default();
        }
        let (mean_t, mean_value) = (sum_t / n, sum_value / n);
        let (mut of_t, mut of_both) = (0.0, 0.0);
        for (t, value) in points {
            of_t += (t - mean_t) * (t - mean_t);
            of_both += (t - mean_t) * (value - mean_value);
        }
        // A single point tells of no slope.
        let slope = if of_t > 0.0 { of_both / of_t } else { 0.0 };
        Self {
            slope,
            level: mean_value - slope * mean_t,
        }
    }

    pub fn at(self, t: f64) -> f64 {
        self.slope * t + self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_its_points() {
        let points = [(-2.0, 1.0), (0.0, 2.0), (4.0, 4.0)];
        let line = Line::through(points.into_iter());
        assert_eq!((line.slope, line.level), (0.5, 2.0));
        assert_eq!(line.at(2.0), 3.0);
    }

    #[test]
    fn one_point_gives_a_level_and_none_nothing() {
        let line = Line::through([(3.0, 7.0)].into_iter());
        assert_eq!((line.slope, line.level), (0.0, 7.0));
        assert_eq!(Line::through([].into_iter()), Line::default());
    }
}
