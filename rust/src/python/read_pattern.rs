//! `ReadPattern`.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::detached::exception;
use super::whole::Whole;
use crate::cadence;
use crate::error::KernelError;

/// When each resultant of an exposure was taken.
///
/// Made with `evenly_spaced` or `from_reads`, or from its attributes.
///
/// Parameters
/// ----------
/// times : sequence of float
///     Mean time of each resultant, increasing [s].
/// n_reads : sequence of int
///     How many reads each resultant averages.
/// group_time : float
///     Time of the last read of the first resultant [s]. A pixel of which only one sample is
///     usable has its rate from that sample over this time.
/// frame_time : float, optional
///     Time of one read [s]. Without it nothing can be done that asks for single reads, as
///     `linearize_reads` does.
///
/// Raises
/// ------
/// ValueError
///     If there are no resultants or more than 1024, times that are not finite or do not increase,
///     a resultant without reads or with more than 1000000, or a duration that is not positive.
#[pyclass(frozen, eq, module = "romancal_rs", name = "ReadPattern")]
#[derive(PartialEq)]
pub struct ReadPattern(pub cadence::ReadPattern);

#[pymethods]
impl ReadPattern {
    #[new]
    #[pyo3(signature = (times, n_reads, group_time, frame_time=None))]
    fn new(
        times: Vec<f64>,
        n_reads: Vec<Whole>,
        group_time: f64,
        frame_time: Option<f64>,
    ) -> PyResult<Self> {
        let n_reads = n_reads
            .into_iter()
            .map(|reads| count("n_reads", READS, &reads))
            .collect::<PyResult<_>>()?;
        let pattern = cadence::ReadPattern::new(times, n_reads, group_time);
        let pattern = match frame_time {
            Some(frame_time) => pattern.and_then(|pattern| pattern.with_frame_time(frame_time)),
            None => pattern,
        };
        pattern.map(Self).map_err(exception)
    }

    /// Resultants of as many reads each, one every `group_time`.
    ///
    /// Parameters
    /// ----------
    /// n_resultants : int
    ///     How many resultants there are.
    /// group_time : float
    ///     Time from one resultant to the next [s].
    /// n_reads : int, optional
    ///     Reads in each resultant.
    /// frame_time : float, optional
    ///     Time of one read [s]; by default the reads fill the group: ``group_time / n_reads``.
    ///
    /// Returns
    /// -------
    /// ReadPattern
    ///     With ``times[i] = i * group_time + frame_time * (n_reads + 1) / 2``.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     If a number is not positive, there are more than 1024 resultants, or the reads do not fit
    ///     in the group: ``n_reads * frame_time > group_time``.
    #[staticmethod]
    #[pyo3(
        signature = (n_resultants, group_time, n_reads=Whole::Number(1), frame_time=None),
        text_signature = "(n_resultants, group_time, n_reads=1, frame_time=None)"
    )]
    fn evenly_spaced(
        n_resultants: Whole,
        group_time: f64,
        n_reads: Whole,
        frame_time: Option<f64>,
    ) -> PyResult<Self> {
        let n_resultants = count("n_resultants", RESULTANTS, &n_resultants)?;
        let n_reads = count("n_reads", READS, &n_reads)?;
        cadence::ReadPattern::evenly_spaced(n_resultants as usize, group_time, n_reads, frame_time)
            .map(Self)
            .map_err(exception)
    }

    /// Resultants of the given reads.
    ///
    /// Parameters
    /// ----------
    /// reads : list of list of int
    ///     Numbers of the reads that each resultant averages; the first read of an exposure is 1,
    ///     one frame time after the reset. Consecutive within a resultant; there may be gaps between.
    /// frame_time : float
    ///     Time of one read [s].
    ///
    /// Returns
    /// -------
    /// ReadPattern
    ///     With the mean times of the reads.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     If a resultant is empty, reads do not increase, are not consecutive or are not from 1 to
    ///     1000000, or there are more than 1024 resultants.
    #[staticmethod]
    fn from_reads(reads: Vec<Vec<Whole>>, frame_time: f64) -> PyResult<Self> {
        let number = |read: &Whole| {
            let number = read.at_least(1, "reads", "read numbers from 1 to 1000000")?;
            Ok(number as i64)
        };
        let reads = reads
            .iter()
            .map(|resultant| resultant.iter().map(number).collect())
            .collect::<PyResult<Vec<Vec<i64>>>>()?;
        cadence::ReadPattern::from_reads(&reads, frame_time)
            .map(Self)
            .map_err(exception)
    }

    /// Mean time of each resultant [s], float64.
    #[getter]
    fn times<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.0.times())
    }

    /// How many reads each resultant averages, int64.
    #[getter]
    fn n_reads<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        PyArray1::from_iter(py, self.0.n_reads().iter().map(|&reads| i64::from(reads)))
    }

    /// Time of the last read of the first resultant [s].
    #[getter]
    fn group_time(&self) -> f64 {
        self.0.group_time()
    }

    /// Time of one read [s]; None where it is not known.
    #[getter]
    fn frame_time(&self) -> Option<f64> {
        self.0.frame_time()
    }

    fn __len__(&self) -> usize {
        self.0.n_resultants()
    }

    fn __repr__(&self) -> String {
        let frame_time = self.0.frame_time();
        format!(
            "ReadPattern(times={:?}, n_reads={:?}, group_time={:?}{})",
            self.0.times(),
            self.0.n_reads(),
            self.0.group_time(),
            frame_time.map_or(String::new(), |time| format!(", frame_time={time:?}"))
        )
    }

    /// For pickle and copy.
    fn __getnewargs__(&self) -> (Vec<f64>, Vec<u32>, f64, Option<f64>) {
        (
            self.0.times().to_vec(),
            self.0.n_reads().to_vec(),
            self.0.group_time(),
            self.0.frame_time(),
        )
    }
}

const READS: &str = "from 1 to 1000000 reads";
const RESULTANTS: &str = "from 1 to 1024 resultants";

fn count(argument: &'static str, expected: &'static str, number: &Whole) -> PyResult<u32> {
    u32::try_from(number.at_least(1, argument, expected)?)
        .map_err(|_| exception(KernelError::value(argument, expected, number)))
}
