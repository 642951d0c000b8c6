//! The longest stays of CPUs in EL2, by cause, under a load of attacks, floods of output and work
//! of the monitor.
//!
//! A stay begins at an exception vector or after WFI, and ends at ERET, at WFI, or where the CPU
//! acknowledges its interrupts in the run loop. Nothing else can happen on that CPU in between, so
//! the longest stay is what EL2 adds to the latency of everything.

pub mod causes;
pub mod code;
pub mod load;
pub mod report;
pub mod trace;

use causes::{CAUSES, Group, LEAVE, POLL, cause, signs};
use code::{Code, Entry, Kind};
use trace::Event;

use super::guest::Figure;

/// The longest stay of a cause.
#[derive(Clone, Default, Debug)]
pub struct Longest {
    /// Its length, in instructions.
    pub length: u32,
    /// The CPU that stayed.
    pub cpu: usize,
    /// Its functions in the order of their first execution, and the number of instructions in each.
    pub functions: Vec<(String, u64)>,
}

/// The stays of one cause.
#[derive(Clone, Default, Debug)]
pub struct Stays {
    /// The lengths, in instructions.
    pub lengths: Vec<u32>,
    /// The longest one.
    pub longest: Longest,
}

/// What runs have shown.
pub struct Run {
    /// The stays of each cause, in the order of [`CAUSES`].
    pub stays: Vec<Stays>,
    /// The longest stay of each CPU, in the last run.
    pub longest: Vec<Longest>,
    /// The number of instructions in all stays.
    pub instructions: u64,
}

/// The stay of a CPU that has not ended.
struct Open {
    entry: Entry,
    length: u64,
    /// The functions executed so far, with the number of instructions in each.
    functions: Vec<(usize, u64)>,
}

#[derive(Default)]
struct Cpu {
    /// The address of the block that is being executed, and its limit.
    block: Option<(u64, u64)>,
    open: Option<Open>,
    /// Whether it has entered a guest. What it executes before belongs to boot.
    has_run: bool,
}

/// Divides the instructions of all CPUs into stays.
pub struct Divider<'a> {
    code: &'a Code,
    /// The functions that acknowledge interrupts while no guest runs, and that leave a guest.
    poll: Option<usize>,
    leave: Option<usize>,
    cpus: Vec<Cpu>,
    last: usize,
    stays: Vec<Stays>,
    /// The longest stay of each CPU.
    longest: Vec<Longest>,
    /// For each function, the causes of which it is a sign.
    signs: Vec<u32>,
    instructions: u64,
}

impl<'a> Divider<'a> {
    /// Returns a divider of the executions of this code.
    pub fn new(code: &'a Code) -> Self {
        let named = |name| code.functions().iter().position(|path| path.ends_with(name));
        let (poll, leave) = (named(POLL), named(LEAVE));
        let stays = CAUSES.iter().map(|_| Stays::default()).collect();
        let signs = code.functions().iter().map(|path| signs(path)).collect();
        let (cpus, longest) = (Vec::new(), Vec::new());
        Self { code, poll, leave, cpus, last: 0, stays, longest, signs, instructions: 0 }
    }

    /// Returns the number of instructions so far.
    pub const fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Takes the next line of the log.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Stopped => {
                if let Some(cpu) = self.cpus.get_mut(self.last) {
                    cpu.block = None;
                }
            }
            Event::Rewound(address) => {
                if let Some((begin, _)) =
                    self.cpus.get_mut(self.last).and_then(|it| it.block.take())
                {
                    self.execute(self.last, begin, address.saturating_sub(begin) / 4, Kind::Plain);
                }
            }
            Event::Block { cpu, address, most } => {
                if self.cpus.len() <= cpu {
                    self.cpus.resize_with(cpu + 1, Cpu::default);
                    self.longest.resize_with(cpu + 1, Longest::default);
                }
                self.last = cpu;
                self.resolve(cpu, address);
                if let Some(entry) = self.code.entry(address) {
                    self.close(cpu);
                    self.open(cpu, entry);
                } else if self.cpus[cpu].open.is_none() {
                    self.open(cpu, Entry::RunLoop);
                } else if self.polls(cpu, address) {
                    self.close(cpu);
                    self.open(cpu, Entry::RunLoop);
                }
                self.cpus[cpu].block = Some((address, most));
            }
        }
    }

    /// Counts the last block of a CPU, whose next one begins at `next`.
    fn resolve(&mut self, cpu: usize, next: u64) {
        if let Some((begin, most)) = self.cpus[cpu].block.take() {
            let (count, kind) = self.code.block(begin, most, next);
            self.execute(cpu, begin, count, kind);
        }
    }

    /// Returns whether this is the first instruction of the function that acknowledges interrupts,
    /// called by the run loop.
    fn polls(&self, cpu: usize, address: u64) -> bool {
        let function = self.code.function(address);
        if Some(function) != self.poll || self.code.function(address - 4) == function {
            return false;
        }
        let has_left = |open: &Open| open.functions.iter().any(|(it, _)| Some(*it) == self.leave);
        let open = self.cpus[cpu].open.as_ref();
        open.is_some_and(|open| open.entry == Entry::RunLoop || has_left(open))
    }

    fn open(&mut self, cpu: usize, entry: Entry) {
        self.cpus[cpu].open = Some(Open { entry, length: 0, functions: Vec::new() });
    }

    /// Adds executed instructions to the stay of a CPU.
    fn execute(&mut self, cpu: usize, begin: u64, count: u64, last: Kind) {
        self.instructions += count;
        let function = self.code.function(begin);
        if let Some(open) = &mut self.cpus[cpu].open {
            open.length += count;
            match open.functions.iter_mut().find(|(it, _)| *it == function) {
                Some((_, instructions)) => *instructions += count,
                None => open.functions.push((function, count)),
            }
        }
        if matches!(last, Kind::Eret | Kind::Wait) {
            self.close(cpu);
            self.cpus[cpu].has_run |= last == Kind::Eret;
        }
    }

    /// Ends the stay of a CPU, if there is one.
    fn close(&mut self, cpu: usize) {
        let Some(open) = self.cpus[cpu].open.take() else { return };
        // Without an instruction, QEMU has looked for interrupts first and begins again.
        if open.length == 0 || !self.cpus[cpu].has_run {
            return;
        }
        let names = self.code.functions();
        let signs = open.functions.iter().fold(0, |signs, (it, _)| signs | self.signs[*it]);
        let stays = &mut self.stays[cause(open.entry, signs)];
        let length = u32::try_from(open.length).unwrap_or(u32::MAX);
        for longest in [&mut stays.longest, &mut self.longest[cpu]] {
            if longest.length < length {
                let named = |(it, count): &(usize, u64)| (names[*it].clone(), *count);
                let functions = open.functions.iter().map(named).collect();
                *longest = Longest { length, cpu, functions };
            }
        }
        stays.lengths.push(length);
    }

    /// Returns what the log has shown. The stays that have not ended count as well.
    pub fn finish(mut self) -> Run {
        for cpu in 0..self.cpus.len() {
            self.resolve(cpu, 0);
            self.close(cpu);
        }
        Run { stays: self.stays, longest: self.longest, instructions: self.instructions }
    }
}

/// Adds the stays of another run.
pub fn add(stays: &mut [Stays], more: Vec<Stays>) {
    for (stays, more) in stays.iter_mut().zip(more) {
        stays.lengths.extend(more.lengths);
        if stays.longest.length < more.longest.length {
            stays.longest = more.longest;
        }
    }
}

/// Statistics of lengths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// The number of stays.
    pub count: usize,
    /// The least.
    pub min: u64,
    /// The median.
    pub median: u64,
    /// The mean.
    pub mean: u64,
    /// The length that one in a thousand exceeds.
    pub p999: u64,
    /// The greatest.
    pub max: u64,
}

impl From<Statistics> for Figure {
    fn from(it: Statistics) -> Self {
        Self { min: it.min, median: it.median, mean: it.mean, max: it.max }
    }
}

/// Returns the statistics of some lengths, `None` if there are none.
pub fn statistics(mut lengths: Vec<u32>) -> Option<Statistics> {
    lengths.sort_unstable();
    let at = |thousandths: usize| -> u64 {
        let index = (lengths.len() * thousandths).div_ceil(1000).saturating_sub(1);
        lengths[index].into()
    };
    let count = lengths.len();
    let mean = || lengths.iter().map(|length| u64::from(*length)).sum::<u64>() / count as u64;
    (count > 0).then(|| Statistics {
        count,
        min: at(0),
        median: at(500),
        mean: mean(),
        p999: at(999),
        max: at(1000),
    })
}

/// Returns the statistics of a group.
pub fn of_group(stays: &[Stays], group: Group) -> Option<Statistics> {
    let of_group = CAUSES.iter().zip(stays).filter(|(cause, _)| cause.group == group);
    statistics(of_group.flat_map(|(_, stays)| stays.lengths.iter().copied()).collect())
}
