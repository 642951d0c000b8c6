//! How often a vCPU came to EL2, and why.

use core::sync::atomic::{AtomicU64, Ordering};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What is counted. Each exit has one cause; [`Cause::Injected`] comes on top of one.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Cause {
            $($(#[$doc])* $name,)+
        }

        /// The causes' names for people, by their numbers.
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
    /// A load or store: the interrupt controller's distributor.
    Distributor = "distributor",
    /// A load or store: GICC_DIR.
    CpuInterface = "cpu-interface",
    /// A load or store: the redistributors.
    Redistributors = "redistributors",
    /// A load or store: the console's PL011.
    Console = "console",
    /// A load or store: the monitor's PL011.
    Monitor = "monitor",
    /// A load or store: the watchdog.
    Watchdog = "watchdog",
    /// A load or store of what is not emulated.
    DataAbort = "data-abort",
    /// An instruction fetch.
    InstructionAbort = "instruction-abort",
    /// An instruction that the guest has not got, WFI or WFE, an SError, or what nobody knows.
    Other = "other",
    /// An interrupt of the partition's own.
    Interrupt = "interrupt",
    /// Somebody rang: another vCPU, or the console.
    Doorbell = "doorbell",
    /// The virtual interface wants its list registers looked at.
    Maintenance = "maintenance",
    /// Bulkhead's own timer.
    Timer = "timer",
    /// The physical UART.
    Uart = "uart",
    /// An exception that the guest was given for what it did.
    Injected = "injected",
}

/// How many causes there are.
pub const CAUSES: usize = NAMES.len();

/// The number behind those of the causes, which stands for all exits.
pub const EXITS: usize = CAUSES;

/// The counters of one vCPU. Only the CPU that it lives on counts.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; CAUSES]);

impl Counters {
    /// Counts one.
    #[inline(always)]
    pub fn count(&self, cause: Cause) {
        let counter = &self.0[cause as usize];
        // One CPU writes, so that nothing is lost between the two.
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// How often each cause has come, of one or several vCPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts(pub [u64; CAUSES]);

impl Counts {
    /// Adds what a vCPU has counted so far.
    pub fn add(&mut self, counters: &Counters) {
        for (sum, counter) in self.0.iter_mut().zip(&counters.0) {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
    }

    /// How often the cause with this number has come, or with [`EXITS`] how many exits there were.
    pub fn nth(&self, cause: usize) -> u64 {
        match self.0.get(cause) {
            Some(count) => *count,
            None => self.0.iter().sum::<u64>() - self.0[Cause::Injected as usize],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_all_but_what_was_injected() {
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
    fn names_go_with_their_causes() {
        assert_eq!(NAMES[Cause::Hvc as usize], "hvc");
        assert_eq!(NAMES[Cause::Interrupt as usize], "interrupt");
        assert_eq!(NAMES[Cause::Injected as usize], "injected");
        assert!(NAMES.iter().all(|name| name.len() <= 17 && !name.contains(' ')));
    }
}
