//! Counts the exits from guests to EL2, by cause, and the bytes that are copied for links.

use core::sync::atomic::{AtomicU64, Ordering};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// The cause of an exit. Each exit has one; [`Cause::Injected`] is counted besides it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Cause {
            $($(#[$doc])* $name,)+
        }

        /// The causes' names as the monitor prints them, by their numbers.
        pub const NAMES: [&str; [$($text),+].len()] = [$($text),+];
    };
}

causes! {
    /// HVC.
    Hvc = "hvc",
    /// SMC.
    Smc = "smc",
    /// MSR, MRS or a system instruction.
    SystemRegister = "system-register",
    /// A load from or a store to the interrupt controller's distributor.
    Distributor = "distributor",
    /// A load from or a store to the page of GICC_DIR.
    CpuInterface = "cpu-interface",
    /// A load from or a store to the redistributors.
    Redistributors = "redistributors",
    /// A load from or a store to the console's PL011.
    Console = "console",
    /// A load from or a store to the monitor's PL011.
    Monitor = "monitor",
    /// A notification of a queue of an end of a link.
    Notify = "notify",
    /// Another access to an end of a link.
    Link = "link",
    /// A load from or a store to another emulated device.
    Device = "device",
    /// A data abort at an address where nothing is emulated.
    DataAbort = "data-abort",
    /// An instruction abort.
    InstructionAbort = "instruction-abort",
    /// An undefined instruction, WFI or WFE, an SError, or an exception of an unknown class.
    Other = "other",
    /// A physical interrupt that belongs to the partition.
    Interrupt = "interrupt",
    /// A kick from another CPU, on behalf of a vCPU or the console.
    Kick = "kick",
    /// The maintenance interrupt of the GIC's virtual CPU interface.
    Maintenance = "maintenance",
    /// EL2's timer.
    Timer = "timer",
    /// The interrupt of the physical UART.
    Uart = "uart",
    /// The interrupt of an SMMU.
    Smmu = "smmu",
    /// An exception that EL2 injected because of the exit.
    Injected = "injected",
}

/// The number of causes.
pub const CAUSES: usize = NAMES.len();

/// The index behind those of the causes, by which [`Counts::nth`] returns the number of all exits.
pub const EXITS: usize = CAUSES;

/// The counters of one vCPU. Only the CPU that runs it writes them; any CPU may read.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Counters([AtomicU64; CAUSES]);

impl Counters {
    /// Returns the offset of the counter of a cause, in bytes.
    pub const fn offset(cause: Cause) -> usize {
        cause as usize * size_of::<AtomicU64>()
    }

    /// Counts one exit.
    #[inline(always)]
    pub fn count(&self, cause: Cause) {
        self.add(cause, 1);
    }

    /// Counts a number of exits.
    #[inline(always)]
    pub fn add(&self, cause: Cause, exits: u64) {
        increase(&self.0[cause as usize], exits);
    }
}

/// The name of [`COPIED`] as the monitor prints it.
pub const COPIED_NAME: &str = "copied-bytes";

/// The index by which [`Counts::nth`] returns the number of bytes that were copied for links.
pub const COPIED: usize = EXITS + 1;

/// The number of bytes that a CPU has copied for its partition's ends of links, with the headers of
/// virtio. Only the CPU itself writes it; any CPU may read.
#[derive(Debug, Default)]
pub struct CopiedBytes(AtomicU64);

impl CopiedBytes {
    /// Returns a counter that is 0.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts bytes.
    #[inline(always)]
    pub fn add(&self, bytes: u32) {
        increase(&self.0, bytes.into());
    }
}

/// Increases a counter that only this CPU writes, so that no count is lost between the load and the
/// store.
#[inline(always)]
fn increase(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// Sums of the counters of one or several vCPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// The exits by cause.
    causes: [u64; CAUSES],
    /// The bytes that were copied for links.
    copied: u64,
}

impl Counts {
    /// Adds the present counts of a vCPU.
    pub fn add(&mut self, counters: &Counters) {
        for (sum, counter) in self.causes.iter_mut().zip(&counters.0) {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
    }

    /// Adds the present number of bytes that a CPU has copied.
    pub fn add_copied(&mut self, copied: &CopiedBytes) {
        self.copied = self.copied.wrapping_add(copied.0.load(Ordering::Relaxed));
    }

    /// Returns the count of the cause with this number, of all exits for [`EXITS`], or of bytes for
    /// [`COPIED`].
    pub fn nth(&self, cause: usize) -> u64 {
        match self.causes.get(cause) {
            Some(count) => *count,
            None if cause == COPIED => self.copied,
            None => self.causes.iter().sum::<u64>() - self.causes[Cause::Injected as usize],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injected_exceptions_are_not_exits() {
        let [one, other] = [Counters::default(), Counters::default()];
        for cause in [Cause::Hvc, Cause::Timer, Cause::Injected] {
            one.count(cause);
        }
        other.count(Cause::Hvc);
        let mut before = Counts::default();
        before.add(&one);
        let mut both = before;
        both.add(&other);
        let numbers = [Cause::Hvc as usize, Cause::Injected as usize, EXITS];
        assert_eq!(numbers.map(|number| before.nth(number)), [1, 1, 2]);
        assert_eq!(numbers.map(|number| both.nth(number)), [2, 1, 3]);
    }

    #[test]
    fn bytes_that_are_copied_are_not_exits() {
        let copied = CopiedBytes::new();
        copied.add(1512);
        copied.add(60);
        let mut counts = Counts::default();
        counts.add_copied(&copied);
        counts.add_copied(&copied);
        assert_eq!([EXITS, COPIED].map(|number| counts.nth(number)), [0, 3144]);
    }

    #[test]
    fn names_belong_to_their_causes() {
        assert_eq!(NAMES[Cause::Hvc as usize], "hvc");
        assert_eq!(NAMES[Cause::Interrupt as usize], "interrupt");
        assert_eq!(NAMES[Cause::Injected as usize], "injected");
        assert!(
            NAMES.iter().chain([&COPIED_NAME]).all(|name| name.len() <= 17 && !name.contains(' '))
        );
    }
}
