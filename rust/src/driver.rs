//! Runs kernels over bands of an image in parallel: the only user of rayon.
//!
//! There is one thread pool in the process. Its size is `ROMANCAL_RS_NUM_THREADS`, or else
//! `OMP_NUM_THREADS`, read when the pool is first used, or else the number of cores. The thread that
//! calls only waits: it looks for an interrupt a few times a second, and the workers stop at the end
//! of their bands.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::band::{BandKernel, Outcome, RampBand};
use crate::error::KernelError;
use crate::survey::{Ready, Show, conclude, for_columns};
use crate::tiles::{BandTask, all, cut, with_halo};

/// The environment variable that sets the size of the pool.
pub const NUM_THREADS_VARIABLE: &str = "ROMANCAL_RS_NUM_THREADS";

/// What schedulers of jobs set, so that processes beside each other do not use too many threads.
const OPENMP_VARIABLE: &str = "OMP_NUM_THREADS";

/// Threads of the pool at most: a larger number is a slip, and would bring the machine down.
const MAX_THREADS: usize = 1024;

/// What a number of threads has to be.
pub const THREADS_EXPECTED: &str = "a whole number from 1 to 1024";

/// How often the calling thread looks for an interrupt.
const INTERRUPT_PERIOD: Duration = Duration::from_millis(100);

/// Rows of a band unless the caller asks for another number: enough that halo rows, which are
/// computed twice, do not matter, and few enough that all threads have work.
const BAND_ROWS: usize = 64;

/// Samples of a band at most (but always a whole row), so that bands of long ramps stay short in
/// time and an interrupt is soon heard.
const BAND_SAMPLES: usize = 1 << 21;

/// Columns that one output of the detector reads.
pub const CHANNEL_COLS: usize = 128;

/// How to cut and to run. Results do not depend on it.
pub struct Execution<'a> {
    /// At most so many bands at the same time; `None`: as many as the pool has threads.
    pub max_threads: Option<usize>,
    /// Rows of a band; `None`: a sensible number.
    pub band_rows: Option<usize>,
    /// Columns of a tile, whose bands one thread works on in turn; `None`: all of them, or those of a
    /// channel where a kernel asks for that.
    pub tile_cols: Option<usize>,
    /// Asked a few times a second, in the calling thread: shall the work stop?
    pub interrupt: &'a mut dyn FnMut() -> bool,
    /// Counts the pixels that are through, for who wants to know how far it is. What surveys see of
    /// them before does not count.
    pub done: &'a AtomicUsize,
}

impl Execution<'_> {
    /// Runs to the end on the whole pool.
    pub fn uninterrupted<R>(run: impl FnOnce(&mut Execution<'_>) -> R) -> R {
        run(&mut Execution {
            max_threads: None,
            band_rows: None,
            tile_cols: None,
            interrupt: &mut || false,
            done: &AtomicUsize::new(0),
        })
    }

    /// Columns of a tile of an image of so many; `None` where bands over all columns will do.
    pub(crate) fn tile_cols(&self, by_channel: bool, n_cols: usize) -> Option<usize> {
        let cols = self.tile_cols.or(by_channel.then_some(CHANNEL_COLS))?;
        Some(cols.clamp(1, n_cols.max(1)))
    }

    /// Rows of a band of an image with so many resultants and columns.
    pub(crate) fn band_rows(&self, n_resultants: usize, n_cols: usize) -> usize {
        let row = (n_resultants * n_cols).max(1);
        self.band_rows
            .unwrap_or((BAND_SAMPLES / row).min(BAND_ROWS))
            .max(1)
    }
}

/// Runs kernels, one after the other, over a ramp: band by band, and each band through all of them.
///
/// Returns what each kernel has to tell.
pub fn run(
    kernels: &[&dyn BandKernel],
    ramp: &mut RampBand<'_>,
    execution: &mut Execution<'_>,
) -> Result<Vec<Outcome>, KernelError> {
    ramp.check()?;
    let shape = ramp.shape();
    let (_, n_rows, n_cols) = shape;
    for kernel in kernels {
        kernel.check(shape).map_err(|error| match kernels {
            [_] => error, // there is no doubt which
            _ => error.of(kernel.name()),
        })?;
    }
    let clocks: Vec<_> = kernels.iter().map(|_| Clock::default()).collect();
    if n_rows == 0 || n_cols == 0 {
        return Ok(vec![Outcome::default(); kernels.len()]);
    }
    let ready = conclude(kernels, shape, &*ramp, &clocks, execution)?;
    run_tiles(&ready, ramp, &clocks, execution)?;
    Ok(outcomes(&ready, &clocks))
}

impl Show for RampBand<'_> {
    type Memory = ();

    fn height(&self, execution: &Execution<'_>, tile_cols: Option<usize>, _halo: usize) -> usize {
        let (n_resultants, _, n_cols) = self.shape();
        execution.band_rows(n_resultants, tile_cols.unwrap_or(n_cols))
    }

    fn memory(&self, _height: usize, _width: usize, _halo: usize) {}

    fn piece<'m>(
        &'m self,
        rows: &Range<usize>,
        cols: &Range<usize>,
        halo: usize,
        (): &'m mut (),
    ) -> RampBand<'m> {
        let (_, n_rows, n_cols) = self.shape();
        self.copied(with_halo(rows, halo, n_rows), with_halo(cols, halo, n_cols))
    }
}

/// What each kernel has to tell.
pub(crate) fn outcomes(kernels: &[Ready<'_>], clocks: &[Clock]) -> Vec<Outcome> {
    let kernels = kernels.iter().zip(clocks);
    kernels
        .map(|(kernel, clock)| Outcome {
            took: clock.get(),
            found: kernel.found(),
        })
        .collect()
}

fn run_tiles(
    ready: &[Ready<'_>],
    ramp: &mut RampBand<'_>,
    clocks: &[Clock],
    execution: &mut Execution<'_>,
) -> Result<(), KernelError> {
    let (n_resultants, n_rows, n_cols) = ramp.shape();
    let halo = halo_of(ready);
    let by_channel = ready.iter().any(|kernel| kernel.by_channel());
    let tile_cols = execution.tile_cols(by_channel, n_cols);
    let mut height = execution.band_rows(n_resultants, tile_cols.unwrap_or(n_cols));
    if execution.band_rows.is_none() {
        // A band's halo is copied and computed besides its own rows: they should not be fewer.
        height = height.max(halo);
    }
    let rows = cut(n_rows, height);
    let done = execution.done;
    let work = |kernels: &[Ready<'_>], band: BandTask<'_>, pixels: usize| {
        band.run(|band| apply_all(kernels, band, |index, time| clocks[index].add(time)));
        done.fetch_add(pixels, Ordering::Relaxed);
    };
    if let Some(tile_cols) = tile_cols {
        let cols = cut(n_cols, tile_cols);
        let tiles = ramp.split(&rows, &cols, halo).into_iter().zip(&cols);
        return for_each(
            tiles.collect(),
            |(bands, own_cols)| {
                let Some(cols) = bands.first().map(BandTask::cols) else {
                    return;
                };
                let kernels = for_columns(ready, cols, |index, time| clocks[index].add(time));
                for (band, rows) in bands.into_iter().zip(&rows) {
                    work(&kernels, band, rows.len() * own_cols.len());
                }
            },
            execution,
        );
    }
    let kernels = for_columns(ready, &(0..n_cols), |index, time| clocks[index].add(time));
    let bands = ramp.split(&rows, &all(n_cols), halo);
    for_each(
        bands.into_iter().flatten().zip(&rows).collect(),
        |(band, rows)| work(&kernels, band, rows.len() * n_cols),
        execution,
    )
}

/// Time that threads add to.
#[derive(Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// How many pixels around one the result of all kernels depends on.
pub(crate) fn halo_of(kernels: &[Ready<'_>]) -> usize {
    let halos = kernels.iter().map(|kernel| kernel.halo());
    halos.fold(0, usize::saturating_add)
}

/// Takes a band through kernels, in order. `took` is told which kernel took how long.
pub(crate) fn apply_all(
    kernels: &[Ready<'_>],
    band: &mut RampBand<'_>,
    took: impl Fn(usize, Duration),
) {
    let timed = |index: usize, band: &mut RampBand<'_>| {
        let started = Instant::now();
        kernels[index].apply(band);
        took(index, started.elapsed());
    };
    let mut index = 0;
    while index < kernels.len() {
        // Several kernels that look at no neighbours work on a row one after the other: it stays near.
        let alone = kernels[index..]
            .iter()
            .take_while(|kernel| kernel.halo() == 0)
            .count();
        if alone <= 1 {
            timed(index, band);
            index += 1;
            continue;
        }
        for r in 0..band.shape().1 {
            let mut row = band.rows(r..r + 1);
            for kernel in index..index + alone {
                timed(kernel, &mut row);
            }
        }
        index += alone;
    }
}

/// Does all tasks on the pool. A task that panics makes this panic when the others are done.
pub fn for_each<T: Send>(
    tasks: Vec<T>,
    work: impl Fn(T) + Sync,
    execution: &mut Execution<'_>,
) -> Result<(), KernelError> {
    for_each_with(tasks, || (), |(), task| work(task), execution)
}

/// The same with memory that each thread makes once and keeps from task to task.
pub fn for_each_with<T: Send, M>(
    tasks: Vec<T>,
    memory: impl Fn() -> M + Sync,
    work: impl Fn(&mut M, T) + Sync,
    execution: &mut Execution<'_>,
) -> Result<(), KernelError> {
    let pool = pool()?;
    let workers = execution
        .max_threads
        .unwrap_or(usize::MAX)
        .min(pool.current_num_threads())
        .min(tasks.len());
    let queue = Mutex::new(tasks.into_iter());
    let next = || lock(&queue).next();
    let cancelled = AtomicBool::new(false);
    pool.in_place_scope(|scope| {
        let (at_work, all_done) = channel::<()>();
        for _ in 0..workers {
            let at_work = at_work.clone();
            let (next, memory, work, cancelled) = (&next, &memory, &work, &cancelled);
            scope.spawn(move |_| {
                // Dropped when this worker ends, also by a panic.
                let _at_work = at_work;
                let mut memory = memory();
                while !cancelled.load(Ordering::Relaxed)
                    && let Some(task) = next()
                {
                    work(&mut memory, task);
                }
            });
        }
        drop(at_work);
        while all_done.recv_timeout(INTERRUPT_PERIOD) == Err(RecvTimeoutError::Timeout) {
            if (execution.interrupt)() {
                cancelled.store(true, Ordering::Relaxed);
            }
        }
    });
    if cancelled.into_inner() {
        return Err(KernelError::Interrupted);
    }
    Ok(())
}

/// How many threads the pool has. Starts it if nobody has used it yet.
pub fn num_threads() -> Result<usize, KernelError> {
    Ok(pool()?.current_num_threads())
}

/// Replaces the pool by one of `threads` threads; `None`: as many as a first use would give.
/// Calls that are running keep the pool they began with.
pub fn set_num_threads(threads: Option<usize>) -> Result<(), KernelError> {
    let threads = match threads {
        Some(threads) if !(1..=MAX_THREADS).contains(&threads) => {
            return Err(KernelError::value("threads", THREADS_EXPECTED, threads));
        }
        Some(threads) => threads,
        None => default_num_threads()?,
    };
    replace_pool(&mut lock(&POOL), threads)?;
    Ok(())
}

/// The process's pool. A child process made by `fork` inherits the memory but not the threads of
/// its parent's pool, and would wait for them for ever: so it starts its own. It must not be made
/// while a call runs, which could hold this lock.
static POOL: Mutex<Option<Pool>> = Mutex::new(None);

struct Pool {
    process: u32,
    threads: Arc<ThreadPool>,
}

impl Pool {
    fn start(threads: usize) -> Result<Self, KernelError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("romancal-rs-{index}"))
            .build()
            .map_err(|error| KernelError::ThreadPool(error.to_string()))?;
        Ok(Self {
            process: std::process::id(),
            threads: Arc::new(threads),
        })
    }
}

fn pool() -> Result<Arc<ThreadPool>, KernelError> {
    let mut pool = lock(&POOL);
    if let Some(running) = pool.as_ref()
        && running.process == std::process::id()
    {
        return Ok(Arc::clone(&running.threads));
    }
    let threads = match pool.as_ref() {
        Some(of_parent) => of_parent.threads.current_num_threads(),
        None => default_num_threads()?,
    };
    replace_pool(&mut pool, threads)
}

/// Starts a pool of `threads` threads in place of the one there is.
fn replace_pool(pool: &mut Option<Pool>, threads: usize) -> Result<Arc<ThreadPool>, KernelError> {
    let started = Pool::start(threads)?;
    let threads = Arc::clone(&started.threads);
    if let Some(old) = pool.replace(started)
        && old.process != std::process::id()
    {
        // The pool of a parent process has no threads here that could end: stopping it could only
        // wait for them.
        std::mem::forget(old);
    }
    Ok(threads)
}

fn default_num_threads() -> Result<usize, KernelError> {
    let Some(text) = std::env::var_os(NUM_THREADS_VARIABLE) else {
        let of_openmp = std::env::var(OPENMP_VARIABLE)
            .ok()
            .and_then(|text| openmp_num_threads(&text));
        return Ok(of_openmp.unwrap_or_else(num_cores));
    };
    text.to_str()
        .and_then(|text| text.trim().parse().ok())
        .filter(|threads| (1..=MAX_THREADS).contains(threads))
        .ok_or_else(|| {
            KernelError::value(
                NUM_THREADS_VARIABLE,
                THREADS_EXPECTED,
                text.to_string_lossy(),
            )
        })
}

/// What a value of `OMP_NUM_THREADS` says of the outermost level, the first of a list. Nothing where
/// it is no number from 1: the variable is not ours, and OpenMP passes such values over as well.
fn openmp_num_threads(text: &str) -> Option<usize> {
    let first = text.split(',').next()?;
    let threads = first.trim().parse::<usize>().ok()?;
    (threads > 0).then_some(threads.min(MAX_THREADS))
}

fn num_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What these mutexes guard is whole at any time, so a panic of another thread does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

    use super::*;
    use crate::band::{BandArray, Changes};

    #[test]
    fn of_openmp_the_outermost_level_counts_and_what_is_no_number_does_not() {
        for (text, threads) in [("3", 3), (" 4,2", 4), ("2 , 8", 2), ("100000", MAX_THREADS)] {
            assert_eq!(openmp_num_threads(text), Some(threads), "{text:?}");
        }
        for text in ["", "0", "-1", "all", "2.5", ",2"] {
            assert_eq!(openmp_num_threads(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_task_is_done_once() {
        let sum = AtomicUsize::new(0);
        Execution::uninterrupted(|execution| {
            for_each(
                (1..=100).collect(),
                |task| {
                    sum.fetch_add(task, Ordering::Relaxed);
                },
                execution,
            )
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 5050);
    }

    #[test]
    fn an_interrupt_stops_the_work_after_the_bands_in_flight() {
        let done = AtomicUsize::new(0);
        let result = for_each(
            vec![(); 1000],
            |()| {
                done.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            },
            &mut Execution {
                max_threads: Some(1),
                band_rows: None,
                tile_cols: None,
                interrupt: &mut || true,
                done: &AtomicUsize::new(0),
            },
        );
        assert_eq!(result, Err(KernelError::Interrupted));
        assert!(done.into_inner() < 100);
    }

    /// A kernel that sees its neighbours, and leaves all as it is.
    struct Nothing;

    impl BandKernel for Nothing {
        fn name(&self) -> &'static str {
            "nothing"
        }

        fn changes(&self) -> Changes {
            Changes::FLAGS
        }

        fn halo(&self) -> usize {
            2
        }

        fn check(&self, _shape: (usize, usize, usize)) -> Result<(), KernelError> {
            Ok(())
        }

        fn apply(&self, _band: &mut RampBand<'_>) {}
    }

    #[test]
    fn each_pixel_is_counted_once_however_the_image_is_cut() {
        let (data, mut groupdq, mut pixeldq) = (
            Array3::zeros((2, 11, 7)),
            Array3::zeros((2, 11, 7)),
            Array2::zeros((11, 7)),
        );
        for (band_rows, tile_cols) in [(None, None), (Some(3), None), (Some(4), Some(3))] {
            let mut ramp = RampBand::of_image(
                BandArray::Shared(data.view()),
                BandArray::InPlace(groupdq.view_mut()),
                BandArray::InPlace(pixeldq.view_mut()),
            );
            let done = AtomicUsize::new(0);
            let mut execution = Execution {
                max_threads: None,
                band_rows,
                tile_cols,
                interrupt: &mut || false,
                done: &done,
            };
            run(&[&Nothing], &mut ramp, &mut execution).unwrap();
            assert_eq!(done.into_inner(), 11 * 7, "{band_rows:?}, {tile_cols:?}");
        }
    }

    #[test]
    #[should_panic(expected = "a worker fell")]
    fn a_panic_of_a_worker_is_a_panic_of_the_caller() {
        let _ = Execution::uninterrupted(|execution| {
            for_each(vec![()], |()| panic!("a worker fell"), execution)
        });
    }
}
