//! Repeated measurements. They are printed at the end, since printing takes time too.

use runtime::println;
use spin::Mutex;

use crate::counter::{self, Counter, Cycles, Ticks};

/// The number of times that short operations are measured.
pub const TIMES: usize = 101;

/// Measurements of one operation.
#[derive(Clone, Copy)]
pub struct Samples {
    values: [u64; TIMES],
    count: usize,
}

impl Samples {
    /// Returns an empty set of samples.
    pub const fn new() -> Self {
        Self { values: [0; TIMES], count: 0 }
    }

    /// Adds a sample, if there is room.
    pub fn add(&mut self, value: u64) {
        if let Some(slot) = self.values.get_mut(self.count) {
            *slot = value;
            self.count += 1;
        }
    }

    /// Applies `change` to each sample.
    pub fn map(mut self, change: impl Fn(u64) -> u64) -> Self {
        for value in &mut self.values[..self.count] {
            *value = change(*value);
        }
        self
    }

    /// Returns the median.
    pub fn median(self) -> u64 {
        self.figures().median
    }

    fn figures(mut self) -> Figures {
        let values = &mut self.values[..self.count];
        values.sort_unstable();
        let count = values.len() as u64;
        let sum: u64 = values.iter().sum();
        let (Some(least), Some(most)) = (values.first(), values.last()) else {
            return Figures::default();
        };
        Figures {
            count,
            least: *least,
            most: *most,
            median: values[values.len() / 2],
            mean: (sum + count / 2) / count,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Figures {
    count: u64,
    least: u64,
    median: u64,
    mean: u64,
    most: u64,
}

/// The figures of all operations measured so far.
static RESULTS: Mutex<Results> =
    Mutex::new(Results { rows: [const { None }; MOST_ROWS], count: 0 });

const MOST_ROWS: usize = 64;

struct Results {
    rows: [Option<(&'static str, &'static str, Figures)>; MOST_ROWS],
    count: usize,
}

/// Keeps samples in the unit of the selected counter.
pub fn keep(name: &'static str, samples: Samples) {
    keep_in(counter::unit(), name, samples);
}

/// Keeps samples in another unit.
pub fn keep_in(unit: &'static str, name: &'static str, samples: Samples) {
    let mut results = RESULTS.lock();
    let count = results.count;
    results.rows[count] = Some((name, unit, samples.figures()));
    results.count += 1;
}

/// Prints all figures, one line each.
pub fn print_all() {
    for (name, unit, figures) in RESULTS.lock().rows.iter().flatten() {
        let Figures { count, least, median, mean, most } = figures;
        println!(
            "bench: name={name} unit={unit} n={count} min={least} median={median} mean={mean} \
             max={most}"
        );
    }
}

/// Measures `operation` [`TIMES`] times, with `prepare` before each time, and keeps the samples.
pub fn measure(name: &'static str, prepare: impl FnMut(), operation: impl FnMut()) {
    keep(name, samples(TIMES, prepare, operation));
}

/// Measures `operation` this number of times, with `prepare` before each time.
pub fn samples(times: usize, mut prepare: impl FnMut(), mut operation: impl FnMut()) -> Samples {
    let mut samples = Samples::new();
    for _ in 0..times {
        prepare();
        samples.add(cost(&mut operation));
    }
    samples
}

/// Measures `operation` once, without the cost of measuring.
#[inline(always)]
pub fn cost(operation: impl FnOnce()) -> u64 {
    if counter::is_cycles() { cost_by::<Cycles>(operation) } else { cost_by::<Ticks>(operation) }
}

#[inline(always)]
fn cost_by<C: Counter>(operation: impl FnOnce()) -> u64 {
    let start = C::read();
    operation();
    let end = C::read();
    (end - start).saturating_sub(nothing_by::<C>())
}

/// Measures the cost of measuring.
pub fn nothing() -> u64 {
    if counter::is_cycles() { nothing_by::<Cycles>() } else { nothing_by::<Ticks>() }
}

fn nothing_by<C: Counter>() -> u64 {
    let start = C::read();
    C::read() - start
}
