//! `ReadPattern`.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::detached::{ArgumentTypeError, exception};
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
/// ArgumentError
///     If there are no resultants or more than 1024, times that are not finite or do not increase,
///     a resultant without reads or with more than 1000000, or a duration that is not positive. It
///     is a ValueError.
/// ArgumentTypeError
///     If an argument is of another type. It is a TypeError.
///
/// Examples
/// --------
/// >>> from romancal_rs import ReadPattern
/// >>> pattern = ReadPattern.from_reads([[1], [2, 3], [4, 5, 6]], frame_time=3.0)
/// >>> len(pattern)
/// 3
/// >>> pattern.times.tolist()
/// [3.0, 7.5, 15.0]
/// >>> pattern.n_reads.tolist()
/// [1, 2, 3]
#[pyclass(frozen, eq, module = "romancal_rs", name = "ReadPattern")]
#[derive(PartialEq)]
pub struct ReadPattern(pub cadence::ReadPattern);

#[pymethods]
impl ReadPattern {
    #[new]
    #[pyo3(signature = (times, n_reads, group_time, frame_time=None))]
    fn new(
        times: &Bound<'_, PyAny>,
        n_reads: &Bound<'_, PyAny>,
        group_time: &Bound<'_, PyAny>,
        frame_time: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let times = items("times", NUMBERS, times)?
            .iter()
            .map(|time| number("times", NUMBERS, time))
            .collect::<PyResult<_>>()?;
        let n_reads = items("n_reads", "whole numbers", n_reads)?
            .iter()
            .map(|reads| count("n_reads", READS, &whole("n_reads", "whole numbers", reads)?))
            .collect::<PyResult<_>>()?;
        let group_time = seconds("group_time", group_time)?;
        let frame_time = frame_time
            .map(|time| seconds("frame_time", time))
            .transpose()?;
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
    /// ArgumentError
    ///     If a number is not positive, there are more than 1024 resultants, or the reads do not fit
    ///     in the group: ``n_reads * frame_time > group_time``.
    /// ArgumentTypeError
    ///     If an argument is of another type.
    ///
    /// Examples
    /// --------
    /// >>> from romancal_rs import ReadPattern
    /// >>> ReadPattern.evenly_spaced(4, group_time=6.0, n_reads=2).times.tolist()
    /// [4.5, 10.5, 16.5, 22.5]
    #[staticmethod]
    #[pyo3(
        signature = (n_resultants, group_time, n_reads=None, frame_time=None),
        text_signature = "(n_resultants, group_time, n_reads=1, frame_time=None)"
    )]
    fn evenly_spaced(
        n_resultants: &Bound<'_, PyAny>,
        group_time: &Bound<'_, PyAny>,
        n_reads: Option<&Bound<'_, PyAny>>,
        frame_time: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let n_resultants = whole("n_resultants", "a whole number", n_resultants)?;
        let n_resultants = count("n_resultants", RESULTANTS, &n_resultants)?;
        let group_time = seconds("group_time", group_time)?;
        let n_reads = match n_reads {
            Some(n_reads) => count(
                "n_reads",
                READS,
                &whole("n_reads", "a whole number", n_reads)?,
            )?,
            None => 1,
        };
        let frame_time = frame_time
            .map(|time| seconds("frame_time", time))
            .transpose()?;
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
    /// ArgumentError
    ///     If a resultant is empty, reads do not increase, are not consecutive or are not from 1 to
    ///     1000000, or there are more than 1024 resultants. Resultants are counted from 0.
    /// ArgumentTypeError
    ///     If an argument is of another type.
    ///
    /// Examples
    /// --------
    /// >>> from romancal_rs import ReadPattern
    /// >>> ReadPattern.from_reads([[1], [2, 3]], frame_time=3.0).times.tolist()
    /// [3.0, 7.5]
    #[staticmethod]
    fn from_reads(reads: &Bound<'_, PyAny>, frame_time: &Bound<'_, PyAny>) -> PyResult<Self> {
        let frame_time = seconds("frame_time", frame_time)?;
        let mut resultants = Vec::new();
        for (index, resultant) in items("reads", LISTS, reads)?.iter().enumerate() {
            let numbers = items("reads", LISTS, resultant)
                .map_err(|_| wrong_type("reads", LISTS, resultant, Some(index)))?;
            let read = |read: &Bound<'_, PyAny>| read_number(read, index);
            resultants.push(numbers.iter().map(read).collect::<PyResult<Vec<i64>>>()?);
        }
        let reads = resultants;
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

const NUMBERS: &str = "numbers of seconds";
const LISTS: &str = "a list of read numbers for each resultant";

fn count(argument: &'static str, expected: &'static str, number: &Whole) -> PyResult<u32> {
    u32::try_from(number.at_least(1, argument, expected)?)
        .map_err(|_| exception(KernelError::value(argument, expected, number)))
}

fn wrong_type(
    argument: &str,
    expected: &str,
    object: &Bound<'_, PyAny>,
    resultant: Option<usize>,
) -> PyErr {
    let name = object.get_type().name();
    let found = name.map_or_else(|_| "another type".into(), |name| name.to_string());
    let place = resultant.map_or_else(String::new, |index| format!(" in resultant {index}"));
    ArgumentTypeError::new_err(format!(
        "{argument}: expected {expected}, got {found}{place}"
    ))
}

/// What an object holds that can be counted and iterated, and is no text.
fn items<'py>(
    argument: &str,
    expected: &str,
    object: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let wrong = || wrong_type(argument, expected, object, None);
    if object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>() {
        return Err(wrong());
    }
    object.len().map_err(|_| wrong())?; // what has no end is refused
    object.try_iter().map_err(|_| wrong())?.collect()
}

fn number(argument: &str, expected: &str, object: &Bound<'_, PyAny>) -> PyResult<f64> {
    object
        .extract()
        .map_err(|_| wrong_type(argument, expected, object, None))
}

fn seconds(argument: &str, object: &Bound<'_, PyAny>) -> PyResult<f64> {
    number(argument, "a number of seconds", object)
}

fn whole(argument: &str, expected: &str, object: &Bound<'_, PyAny>) -> PyResult<Whole> {
    object
        .extract()
        .map_err(|_| wrong_type(argument, expected, object, None))
}

/// The number of a read; whether it is one that can be is for the pattern to say.
fn read_number(object: &Bound<'_, PyAny>, resultant: usize) -> PyResult<i64> {
    let number: Result<Whole, PyErr> = object.extract();
    match number {
        Ok(Whole::Number(number)) => Ok(number),
        Ok(too_large) => Err(exception(KernelError::value(
            "reads",
            cadence::READ_NUMBERS,
            format!("{too_large} in resultant {resultant}"),
        ))),
        Err(_) => Err(wrong_type(
            "reads",
            "whole numbers",
            object,
            Some(resultant),
        )),
    }
}
