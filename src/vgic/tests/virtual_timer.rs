//! Guests that handle the virtual timer's interrupt in different ways.

use proptest::prelude::*;

use super::*;

/// A counter tick is a millisecond here.
struct Machine {
    timer: VirtualTimer,
    now: u64,
    registers: TimerRegisters,
    /// The compare value at the last interrupt that was observed or masked.
    expiry: u64,
    /// When EL2 checks the timer next.
    check: Option<u64>,
    /// The interrupts that EL2 has taken.
    interrupts: usize,
    /// The largest delay of an interrupt.
    worst: u64,
}

/// How a guest handles the interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Stops the timer, ends the interrupt, and sets and starts the timer.
    StopsFirst,
    /// Ends the interrupt, masks the timer, and sets and unmasks it later.
    EndsFirst,
    /// Ends the interrupt and sets the compare value.
    SetsOnlyCompare,
}

impl Machine {
    fn new() -> Self {
        Self {
            timer: VirtualTimer::new(),
            now: 0,
            registers: TimerRegisters { control: 0, compare: 0 },
            expiry: NO_EXPIRY,
            check: None,
            interrupts: 0,
            worst: 0,
        }
    }

    fn registers(&self) -> TimerRegisters {
        let TimerRegisters { control, compare } = self.registers;
        let is_expired = control & ENABLE != 0 && compare <= self.now;
        TimerRegisters { control: control | if is_expired { ISTATUS } else { 0 }, compare }
    }

    fn is_line_high(&self) -> bool {
        self.registers().control & (ISTATUS | IMASK) == ISTATUS
    }

    /// Does what EL2 does when it takes the timer's interrupt.
    fn take(&mut self) {
        self.interrupts += 1;
        let is_masked = match self.timer.treatment() {
            Treatment::Plain => false,
            Treatment::Mask => true,
            Treatment::Observe => {
                self.timer.observe(self.expiry, self.registers.compare);
                self.expiry = self.registers.compare;
                self.timer.treatment() == Treatment::Mask
            }
        };
        if is_masked {
            self.registers.control |= IMASK;
            self.expiry = self.registers.compare;
            self.check.get_or_insert(self.now + CHECK_MS.0);
        }
    }

    /// Lets the time pass until the timer's interrupt.
    fn wait(&mut self) {
        while !self.is_line_high() {
            self.now += 1;
            assert!(self.now < self.registers.compare + 2_000, "an expiry is lost");
            if self.check.is_some_and(|due| due <= self.now) {
                self.check = match self.timer.check(self.expiry, self.registers()) {
                    Check::NotMasking => None,
                    Check::After(time) => Some(self.now + time),
                    Check::AtExpiry => Some(self.registers.compare),
                    Check::Unmask => {
                        self.registers.control &= !IMASK;
                        None
                    }
                };
            }
        }
        self.worst = self.worst.max(self.now - self.registers.compare);
        self.take();
    }

    /// Ends the interrupt: EL2 takes it again if the line is still high.
    fn end(&mut self) {
        if self.is_line_high() {
            self.take();
        }
    }

    /// Sets the timer, waits for its expiry and handles it.
    fn expire(&mut self, habit: Habit, time: u64) {
        let compare = self.now + time;
        match habit {
            Habit::StopsFirst | Habit::EndsFirst => {
                self.registers = TimerRegisters { control: ENABLE, compare };
            }
            Habit::SetsOnlyCompare => {
                self.registers.control |= ENABLE;
                self.registers.compare = compare;
            }
        }
        self.wait();
        if habit == Habit::StopsFirst {
            self.registers.control = 0;
        }
        self.end();
        if habit == Habit::EndsFirst {
            self.registers.control = ENABLE | IMASK;
        }
    }
}

#[test]
fn a_guest_that_ends_the_interrupt_first_gets_one_for_each_expiry() {
    let mut machine = Machine::new();
    (0..1_000).for_each(|_| machine.expire(Habit::EndsFirst, 10));
    // The second one of the first expiry shows the guest's habit.
    assert_eq!((machine.interrupts, machine.worst), (1_001, 0));
}

#[test]
fn the_timer_of_a_guest_that_stops_it_first_is_never_masked() {
    let mut machine = Machine::new();
    for _ in 0..1_000 {
        machine.expire(Habit::StopsFirst, 10);
        assert_ne!(machine.timer.treatment(), Treatment::Mask);
    }
    assert_eq!((machine.interrupts, machine.worst), (1_000, 0));
    assert_eq!(machine.timer.treatment(), Treatment::Plain);
}

#[test]
fn a_guest_that_sets_only_the_compare_value_loses_no_expiry() {
    let mut machine = Machine::new();
    (0..100).for_each(|_| machine.expire(Habit::SetsOnlyCompare, 10));
    assert!(machine.interrupts >= 199, "{}: it is not masked after the check", machine.interrupts);
    assert!(machine.worst <= CHECK_MS.0, "{} ms late", machine.worst);
}

#[test]
fn a_guest_with_another_handler_is_observed_anew() {
    let mut machine = Machine::new();
    (0..100).for_each(|_| machine.expire(Habit::StopsFirst, 10));
    machine.timer.restart();
    (0..100).for_each(|_| machine.expire(Habit::EndsFirst, 10));
    assert_eq!(machine.interrupts, 201);
}

#[test]
fn a_guest_that_has_waited_for_a_masked_timer_is_not_observed_again() {
    let mut machine = Machine::new();
    (0..100).for_each(|_| machine.expire(Habit::SetsOnlyCompare, 10));
    machine.timer.restart();
    assert_eq!(machine.timer.treatment(), Treatment::Plain);
}

#[test]
fn checks_become_rare() {
    let mut machine = Machine::new();
    (0..2).for_each(|_| machine.expire(Habit::EndsFirst, 10));
    let times = [(); 5].map(|()| machine.timer.check(machine.expiry, machine.registers()));
    assert_eq!(times, [200, 400, 800, 800, 800].map(Check::After));
}

proptest! {
    #[test]
    fn no_guest_loses_an_expiry(
        steps in prop::collection::vec(
            (prop::sample::select(
                &[Habit::StopsFirst, Habit::EndsFirst, Habit::SetsOnlyCompare][..]), 1u64..300),
            1..60)
    ) {
        let mut machine = Machine::new();
        let mut masked = false;
        for (habit, time) in steps {
            // A guest that has masked the timer itself unmasks it itself.
            if masked && habit == Habit::SetsOnlyCompare {
                continue;
            }
            machine.expire(habit, time);
            masked = habit == Habit::EndsFirst;
        }
        prop_assert!(machine.worst <= CHECK_MS.1, "{} ms late", machine.worst);
    }
}
