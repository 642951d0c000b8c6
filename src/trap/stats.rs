//! Counts the exits from guests to EL2, by cause, and the work for links.

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
    /// A load from or a store to an end of a link.
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
    /// An exception that EL2 injected because of the exit.
    Injected = "injected",
}

/// The number of causes.
pub const CAUSES: usize = NAMES.len();

/// The index behind those of the causes, by which [`Counts::nth`] returns the number of all exits.
/// Those of [`LINK_NAMES`] follow.
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

/// The names of a CPU's counters of work for links, as the monitor prints them.
pub const LINK_NAMES: [&str; 2] = ["notify", "copied-bytes"];

/// The counters of what a CPU has done for its partition's ends of links. Only the CPU itself writes
/// them; any CPU may read.
#[derive(Debug, Default)]
pub struct LinkCounters {
    /// Notifications of queues by the guest's drivers.
    notifications: AtomicU64,
    /// Bytes that were written into drivers' buffers, the headers of virtio included.
    copied: AtomicU64,
}

impl LinkCounters {
    /// Returns counters that are 0.
    pub const fn new() -> Self {
        Self { notifications: AtomicU64::new(0), copied: AtomicU64::new(0) }
    }

    /// Counts a notification of a queue.
    #[inline(always)]
    pub fn count_notification(&self) {
        increase(&self.notifications, 1);
    }

    /// Counts bytes that were copied.
    #[inline(always)]
    pub fn add_copied(&self, bytes: u32) {
        increase(&self.copied, bytes.into());
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
    /// The work for links, in the order of [`LINK_NAMES`].
    links: [u64; LINK_NAMES.len()],
}

impl Counts {
    /// Adds the present counts of a vCPU.
    pub fn add(&mut self, counters: &Counters) {
        for (sum, counter) in self.causes.iter_mut().zip(&counters.0) {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
    }

    /// Adds the present counts of a CPU's work for links.
    pub fn add_links(&mut self, counters: &LinkCounters) {
        let counters = [&counters.notifications, &counters.copied];
        for (sum, counter) in self.links.iter_mut().zip(counters) {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
    }

    /// Returns the count of the cause with this number, of all exits for [`EXITS`], or of work for
    /// links, with the numbers behind it.
    pub fn nth(&self, cause: usize) -> u64 {
        if let Some(count) = self.causes.get(cause) {
            return *count;
        }
        let link = cause.checked_sub(EXITS + 1).and_then(|link| self.links.get(link));
        link.copied().unwrap_or_else(|| {
            self.causes.iter().sum::<u64>() - self.causes[Cause::Injected as usize]
        })
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
    fn work_for_links_is_not_exits() {
        let links = LinkCounters::new();
        links.count_notification();
        links.add_copied(1512);
        links.add_copied(60);
        let mut counts = Counts::default();
        counts.add_links(&links);
        counts.add_links(&links);
        assert_eq!([EXITS, EXITS + 1, EXITS + 2].map(|number| counts.nth(number)), [0, 2, 3144]);
    }

    #[test]
    fn names_belong_to_their_causes() {
        assert_eq!(NAMES[Cause::Hvc as usize], "hvc");
        assert_eq!(NAMES[Cause::Interrupt as usize], "interrupt");
        assert_eq!(NAMES[Cause::Injected as usize], "injected");
        assert!(
            NAMES.iter().chain(&LINK_NAMES).all(|name| name.len() <= 17 && !name.contains(' '))
        );
    }
}
