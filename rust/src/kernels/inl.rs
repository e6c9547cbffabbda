//! Integral nonlinearity of the A/D converters: what is to be added to a sample, by its value.
//!
//! The converter of each channel of the read-out has a table of corrections at a few values, the nodes.
//! Between two of them the correction goes along a straight line, beyond the first and the last it is
//! constant.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::{KernelError, shape_text};
use crate::lanes::{LANES, Lanes};

/// Columns that one channel reads out.
pub const CHANNEL_COLS: usize = 128;

/// 2^52: at this size a float has the resolution of 1, so that its last bits count.
const COUNTING: f64 = 4_503_599_627_370_496.0;

/// From 0 to the first of even nodes there are fewer segments than this: then the place of a sample
/// among them is exact enough.
const FARTHEST: f64 = 1e6;

/// The corrections of all channels.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegralNonlinearity {
    nodes: Nodes,
    /// Of each channel, one after the other, a line for each segment: below the first node, between
    /// each two, and from the last on.
    lines: Vec<Line>,
    /// Segments of a channel: one more than there are nodes.
    n_segments: usize,
}

/// The corrected sample is `offset + gain * sample`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    offset: f64,
    gain: f64,
}

/// Where the segments lie.
#[derive(Debug, Clone, PartialEq)]
enum Nodes {
    /// Nodes at equal distances: `per_dn * sample + shift`, rounded, is the number of the segment. On a
    /// node it may be the one or the other, which meet there.
    Even { per_dn: f64, shift: f64 },
    /// Any that increase.
    Uneven(Vec<f64>),
}

impl IntegralNonlinearity {
    /// From the nodes [DN] and the corrections [DN] of each channel at them, (n_channels, n_nodes). A
    /// channel of which all corrections are NaN has none.
    pub fn new(
        values: ArrayView1<'_, f64>,
        corrections: ArrayView2<'_, f64>,
    ) -> Result<Self, KernelError> {
        let nodes = values.to_vec();
        let (Some(&first), Some(&last)) = (nodes.first(), nodes.last()) else {
            return Err(KernelError::value("values", "at least one node", "none"));
        };
        if let Some(node) = nodes.iter().find(|node| !node.is_finite()) {
            return Err(KernelError::value("values", "finite nodes", node));
        }
        if let Some(pair) = nodes.windows(2).find(|pair| pair[1] <= pair[0]) {
            let received = format!("{} after {}", pair[1], pair[0]);
            return Err(KernelError::value(
                "values",
                "nodes that increase",
                received,
            ));
        }
        if corrections.ncols() != nodes.len() {
            return Err(KernelError::Shape {
                argument: "corrections",
                expected: format!("(n_channels, {}), as there are nodes", nodes.len()),
                received: shape_text(corrections.shape()),
            });
        }
        let of_channel = |corrections: ArrayView1<'_, f64>| lines(&nodes, corrections);
        let lines = corrections.outer_iter().flat_map(of_channel).collect();
        let n_segments = nodes.len() + 1;
        let step = (last - first) / (n_segments as f64 - 2.0).max(1.0);
        let is_even = nodes.windows(2).all(|pair| pair[1] - pair[0] == step);
        // Half a segment less than the place among the nodes, counted from 1, rounds to the segment.
        let per_dn = 1.0 / step;
        let shift = 0.5 - first * per_dn;
        let nodes = if is_even && shift.abs() < FARTHEST {
            Nodes::Even { per_dn, shift }
        } else {
            Nodes::Uneven(nodes)
        };
        Ok(Self {
            nodes,
            lines,
            n_segments,
        })
    }

    /// Errs unless there is a channel for all of so many columns.
    pub(crate) fn check(&self, n_cols: usize) -> Result<(), KernelError> {
        let n_channels = self.lines.len() / self.n_segments;
        let needed = n_cols.div_ceil(CHANNEL_COLS);
        if n_channels >= needed {
            return Ok(());
        }
        Err(KernelError::Value {
            argument: "inl",
            expected: "a channel for each 128 columns of data",
            received: format!("{n_channels} for {n_cols} columns, which are {needed}"),
        })
    }

    /// Where the lines begin of the channel that reads out a column.
    #[inline(always)]
    pub(crate) fn first_line(&self, col: usize) -> u64 {
        (col / CHANNEL_COLS * self.n_segments) as u64
    }

    /// Corrects the samples of several blocks, all of pixels whose channels have lines that begin there.
    #[inline(always)]
    pub(crate) fn correct(&self, blocks: &mut [Lanes<f64>], first_lines: &Lanes<u64>) {
        let mut lines = [self.lines[0]; LANES];
        for samples in blocks {
            let mut indices = self.segments(samples);
            for lane in 0..LANES {
                indices[lane] += first_lines[lane];
            }
            for lane in 0..LANES {
                lines[lane] = self.lines[indices[lane] as usize];
            }
            for lane in 0..LANES {
                samples[lane] = lines[lane].offset + lines[lane].gain * samples[lane];
            }
        }
    }

    /// The segment that each sample lies in.
    #[inline(always)]
    fn segments(&self, samples: &Lanes<f64>) -> Lanes<u64> {
        let mut segments = Lanes::all(0);
        match &self.nodes {
            Nodes::Even { per_dn, shift } => {
                let last = (self.n_segments - 1) as f64;
                for lane in 0..LANES {
                    let place = samples[lane] * per_dn + shift;
                    // As comparisons, which send NaN to 0.
                    let place = if place > 0.0 { place } else { 0.0 };
                    let place = if place < last { place } else { last };
                    segments[lane] = (place + COUNTING).to_bits() - COUNTING.to_bits();
                }
            }
            Nodes::Uneven(nodes) => {
                for lane in 0..LANES {
                    let below = nodes.partition_point(|node| *node <= samples[lane]);
                    segments[lane] = below as u64;
                }
            }
        }
        segments
    }
}

/// The lines of a channel.
fn lines(nodes: &[f64], corrections: ArrayView1<'_, f64>) -> Vec<Line> {
    let has_none = corrections.iter().all(|correction| correction.is_nan());
    let line = |offset, slope: f64| Line {
        offset: if has_none { 0.0 } else { offset },
        gain: if has_none { 1.0 } else { 1.0 + slope },
    };
    let last = nodes.len() - 1;
    let mut lines = vec![line(corrections[0], 0.0)];
    for i in 0..last {
        let slope = (corrections[i + 1] - corrections[i]) / (nodes[i + 1] - nodes[i]);
        lines.push(line(corrections[i] - slope * nodes[i], slope));
    }
    lines.push(line(corrections[last], 0.0));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, arr1, arr2};

    /// Corrects the first samples of channel `channel`.
    fn corrected<const N: usize>(
        inl: &IntegralNonlinearity,
        samples: [f64; N],
        channel: usize,
    ) -> Vec<f64> {
        let first_lines = Lanes::all(inl.first_line(channel * CHANNEL_COLS));
        let mut lanes = Lanes::all(0.0);
        lanes[..N].copy_from_slice(&samples);
        let mut read = [lanes];
        inl.correct(&mut read, &first_lines);
        read[0][..N].into()
    }

    #[test]
    fn corrections_are_interpolated_and_constant_outside() {
        // Nodes at equal distances, and the same with one between.
        let even = (arr1(&[100.0, 200.0, 300.0]), arr2(&[[1.0, 3.0, -1.0]]));
        let uneven = (
            arr1(&[100.0, 200.0, 250.0, 300.0]),
            arr2(&[[1.0, 3.0, 1.0, -1.0]]),
        );
        for (values, corrections) in [even, uneven] {
            let inl = IntegralNonlinearity::new(values.view(), corrections.view()).unwrap();
            assert_eq!(
                corrected(
                    &inl,
                    [-50.0, 99.0, 100.0, 125.0, 200.0, 250.0, 300.0, 7e4],
                    0
                ),
                [-49.0, 100.0, 101.0, 126.5, 203.0, 251.0, 299.0, 69_999.0]
            );
            let others = corrected(&inl, [f64::NAN, f64::INFINITY, f64::NEG_INFINITY], 0);
            assert!(others[0].is_nan());
            assert_eq!(others[1..], [f64::INFINITY, f64::NEG_INFINITY]);
        }
    }

    #[test]
    fn each_128_columns_have_a_channel_and_one_of_nan_has_no_correction() {
        let mut corrections = Array2::zeros((3, 2));
        corrections.row_mut(1).fill(f64::NAN);
        corrections.row_mut(2).fill(5.0);
        let inl = IntegralNonlinearity::new(arr1(&[0.0, 64.0]).view(), corrections.view()).unwrap();
        assert_eq!(inl.first_line(127), inl.first_line(0));
        for (channel, expected) in [(0, 10.5), (1, 10.5), (2, 15.5)] {
            assert_eq!(corrected(&inl, [10.5], channel), [expected]);
        }
        assert!(inl.check(3 * 128).is_ok());
        assert_eq!(
            inl.check(3 * 128 + 1).unwrap_err().to_string(),
            "inl: expected a channel for each 128 columns of data, got 3 for 385 columns, which are 4"
        );
    }

    #[test]
    fn nodes_may_lie_anywhere() {
        // At equal distances, below 0 and far from it.
        for values in [[-0.5, 0.0, 0.5], [1e9, 1e9 + 0.5, 1e9 + 1.0]] {
            let corrections = arr2(&[[1.0, 3.0, -1.0]]);
            let inl = IntegralNonlinearity::new(arr1(&values).view(), corrections.view()).unwrap();
            let [first, second, third] = values;
            let samples = [first - 1.0, second, third, third + 1.0];
            let expected = [first, second + 3.0, third - 1.0, third];
            assert_eq!(corrected(&inl, samples, 0), expected, "{values:?}");
        }
    }

    #[test]
    fn one_node_is_a_constant() {
        let inl = IntegralNonlinearity::new(arr1(&[7.0]).view(), arr2(&[[2.0]]).view()).unwrap();
        assert_eq!(corrected(&inl, [0.0, 7.0, 9.0], 0), [2.0, 9.0, 11.0]);
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let message = |values: &[f64], corrections: Array2<f64>| {
            let inl = IntegralNonlinearity::new(arr1(values).view(), corrections.view());
            inl.unwrap_err().to_string()
        };
        assert!(message(&[], Array2::zeros((1, 0))).contains("at least one node"));
        assert!(message(&[3.0, 3.0], Array2::zeros((1, 2))).contains("increase, got 3 after 3"));
        for node in [f64::NAN, f64::INFINITY] {
            let expected = format!("values: expected finite nodes, got {node}");
            assert_eq!(message(&[3.0, node], Array2::zeros((1, 2))), expected);
        }
        assert_eq!(
            message(&[3.0, 4.0], Array2::zeros((1, 3))),
            "corrections: expected shape (n_channels, 2), as there are nodes, got (1, 3)"
        );
    }
}
