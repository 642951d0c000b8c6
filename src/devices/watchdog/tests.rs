//! The watchdog, against a model of the hardware and as drivers use it.

use super::super::NoPeer;
use super::*;
use proptest::prelude::*;

/// The hardware, one step for each value of the counter, after the architecture's pseudocode.
#[derive(Clone, Debug, Default)]
struct Hardware {
    counter: u64,
    enable: bool,
    offset: u32,
    compare: u64,
    ws0: bool,
    ws1: bool,
}

impl Hardware {
    fn tick(&mut self) {
        self.counter += 1;
        self.compare_now();
    }

    /// What the hardware does in each clock cycle, of which each value of the counter has many.
    fn compare_now(&mut self) {
        let timeout_refresh = self.enable && !self.ws1 && self.counter > self.compare;
        if timeout_refresh {
            self.compare = self.counter + u64::from(self.offset);
            if self.ws0 {
                self.ws1 = true;
            } else {
                self.ws0 = true;
            }
        }
    }

    fn run_to(&mut self, now: u64) {
        while self.counter < now {
            self.tick();
        }
    }

    fn explicit_refresh(&mut self) {
        self.compare = self.counter + u64::from(self.offset);
        self.ws0 = false;
    }

    fn write(&mut self, access: Write) {
        if self.ws1 {
            return;
        }
        match access {
            Write::Refresh => self.explicit_refresh(),
            Write::Status(value) => {
                self.enable = value % 2 == 1;
                self.explicit_refresh();
            }
            Write::Offset(value) => {
                self.offset = value;
                self.explicit_refresh();
            }
            Write::Low(value) => {
                let high = self.compare / (1 << 32);
                self.compare = high * (1 << 32) + u64::from(value);
                self.compare_now();
            }
            Write::High(value) => {
                self.compare = u64::from(value) * (1 << 32) + self.compare % (1 << 32);
                self.compare_now();
            }
            Write::Nowhere(..) => {}
        }
    }

    fn status(&self) -> u32 {
        u32::from(self.enable) + 2 * u32::from(self.ws0) + 4 * u32::from(self.ws1)
    }
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Refresh,
    Status(u32),
    Offset(u32),
    Low(u32),
    High(u32),
    Nowhere(WatchdogFrame, u64),
}

impl Write {
    fn carry_out(self, watchdog: &mut Watchdog, now: u64) {
        let (frame, offset, value) = match self {
            Self::Refresh => (WatchdogFrame::Refresh, 0, 0x1234),
            Self::Status(value) => (WatchdogFrame::Control, 0, value),
            Self::Offset(value) => (WatchdogFrame::Control, 8, value),
            Self::Low(value) => (WatchdogFrame::Control, 0x10, value),
            Self::High(value) => (WatchdogFrame::Control, 0x14, value),
            Self::Nowhere(frame, offset) => (frame, offset, 0xffff_ffff),
        };
        watchdog.write(frame, offset, value, now);
    }
}

fn any_write() -> impl Strategy<Value = Write> {
    let frame = prop_oneof![Just(WatchdogFrame::Control), Just(WatchdogFrame::Refresh)];
    prop_oneof![
        6 => Just(Write::Refresh),
        2 => any::<u32>().prop_map(Write::Status),
        2 => (0u32..40).prop_map(Write::Offset),
        1 => (0u32..400).prop_map(Write::Low),
        1 => prop_oneof![Just(0), Just(1), Just(u32::MAX)].prop_map(Write::High),
        1 => (frame, 0u64..0x400).prop_map(|(frame, offset)| {
            let is_register = match frame {
                WatchdogFrame::Control => matches!(offset * 4, 0 | 8 | 0x10 | 0x14),
                WatchdogFrame::Refresh => offset == 0,
            };
            Write::Nowhere(frame, if is_register { 0xfcc } else { offset * 4 })
        }),
    ]
}

/// Checks that all registers and signals are the same.
fn compare(watchdog: &mut Watchdog, hardware: &Hardware) {
    let now = hardware.counter;
    assert_eq!(watchdog.read(WatchdogFrame::Control, 0, now), hardware.status());
    assert_eq!(watchdog.read(WatchdogFrame::Control, 8, now), hardware.offset);
    let compare = [0x10, 0x14].map(|offset| watchdog.read(WatchdogFrame::Control, offset, now));
    assert_eq!(u64::from(compare[1]) << 32 | u64::from(compare[0]), hardware.compare);
    assert_eq!(watchdog.interrupt_line(), hardware.ws0);
    assert_eq!(watchdog.has_fired(), hardware.ws1);
    for frame in [WatchdogFrame::Control, WatchdogFrame::Refresh] {
        assert_eq!(watchdog.read(frame, 0xfcc, now), 0x43b);
        assert_eq!(watchdog.read(frame, 0xc, now), 0);
    }
    assert_eq!(watchdog.read(WatchdogFrame::Refresh, 0, now), 0);
}

/// The counter's value at which the hardware's signals change next, if it comes within 1000.
fn next_change(hardware: &Hardware) -> Option<u64> {
    let mut later = hardware.clone();
    let signals = |it: &Hardware| (it.ws0, it.ws1);
    (0..1000).find_map(|_| {
        later.tick();
        (signals(&later) != signals(hardware)).then_some(later.counter)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_behaves_like_the_hardware(
        ticks in 0u64..100,
        steps in prop::collection::vec((0u64..60, prop::option::of(any_write())), 1..30),
    ) {
        let mut watchdog = Watchdog::new(0, ticks);
        let offset = (ticks / 2) as u32;
        let compare_at = ticks - ticks / 2;
        let mut hardware =
            Hardware { enable: true, offset, compare: compare_at, ..Hardware::default() };
        let mut now = 0;
        for (passed, access) in steps {
            now += passed;
            hardware.run_to(now);
            if let Some(access) = access {
                hardware.write(access);
                access.carry_out(&mut watchdog, now);
            }
            compare(&mut watchdog, &hardware);
            let deadline = watchdog.deadline().filter(|deadline| *deadline <= now + 1000);
            prop_assert_eq!(deadline, next_change(&hardware));
        }
    }
}

const STATUS: u64 = 0;

#[test]
fn it_guards_the_boot() {
    let mut watchdog = Watchdog::new(1000, 500);
    assert_eq!(watchdog.read(WatchdogFrame::Control, STATUS, 1000), 1);
    assert_eq!(watchdog.deadline(), Some(1251));
    watchdog.poll(1250);
    assert!(!watchdog.interrupt_line());
    watchdog.poll(1251);
    assert!(watchdog.interrupt_line() && !watchdog.has_fired());
    assert_eq!(watchdog.deadline(), Some(1502));
    watchdog.poll(1501);
    assert!(!watchdog.has_fired());
    watchdog.poll(1502);
    assert!(watchdog.has_fired());
    assert_eq!(watchdog.deadline(), None);
}

#[test]
fn a_timeout_beyond_two_offsets_lengthens_the_first_stage() {
    let ticks = 3 << 32;
    let mut watchdog = Watchdog::new(0, ticks);
    assert_eq!(watchdog.read(WatchdogFrame::Control, 8, 0), u32::MAX);
    let first = watchdog.deadline().unwrap();
    watchdog.poll(first);
    assert!(watchdog.interrupt_line());
    let second = watchdog.deadline().unwrap();
    assert_eq!((second - first, second), (1 << 32, ticks + 2));
    watchdog.write(WatchdogFrame::Refresh, 0, 0, first);
    assert_eq!(watchdog.deadline(), Some(first + (1 << 32)));
}

/// A late access, as when the machine stood still: it fired before.
#[test]
fn a_refresh_after_it_has_fired_is_ignored() {
    let mut watchdog = Watchdog::new(0, 100);
    watchdog.write(WatchdogFrame::Refresh, 0, 0, 102);
    assert!(watchdog.has_fired());
    watchdog.write(WatchdogFrame::Control, STATUS, 0, 103);
    assert!(watchdog.has_fired());
    assert_eq!(watchdog.read(WatchdogFrame::Control, STATUS, 103), 0b111);
}

/// What Linux's `sbsa_gwdt` does: it takes the watchdog over while it runs, refreshes it, turns it
/// off and on.
#[test]
fn a_driver_takes_it_over() {
    let mut watchdog = Watchdog::new(0, 60_000);
    assert_eq!(watchdog.read(WatchdogFrame::Control, W_IIDR, 20_000) >> 16 & 0xf, 0);
    watchdog.write(WatchdogFrame::Control, WOR, 5000, 20_000);
    assert_eq!(watchdog.deadline(), Some(25_001));
    watchdog.write(WatchdogFrame::Refresh, WRR, 0, 24_000);
    assert_eq!(watchdog.deadline(), Some(29_001));
    watchdog.poll(30_000);
    assert!(watchdog.interrupt_line());
    watchdog.write(WatchdogFrame::Control, WCS, 0, 31_000);
    assert!(!watchdog.interrupt_line());
    assert_eq!(watchdog.deadline(), None);
    watchdog.poll(1_000_000);
    assert!(!watchdog.has_fired());
    watchdog.write(WatchdogFrame::Control, WCS, WCS_EN, 1_000_000);
    assert_eq!(watchdog.deadline(), Some(1_005_001));
}

#[test]
fn as_a_device_it_has_two_frames_and_restarts_with_the_counter() {
    let mut device = Watchdog::new(0, 100);
    let at = |now, call: &mut dyn FnMut(&mut Env<'_>)| call(&mut Env { now, peer: &mut NoPeer });
    let refresh = Offset::in_frame(1, WRR);
    at(40, &mut |env| Device::write(&mut device, refresh, 0, env));
    assert_eq!(Device::deadline(&device), Some(91));
    at(91, &mut |env| Device::poll(&mut device, env));
    assert!(device.line());
    at(92, &mut |env| {
        for (frame, value) in [(0, 0b11), (1, 0), (2, 0)] {
            assert_eq!(Device::read(&mut device, Offset::in_frame(frame, WCS), env), value);
        }
        assert_eq!(Device::read(&mut device, Offset::in_frame(1, W_IIDR), env), 0x43b);
        Device::write(&mut device, Offset::in_frame(2, WRR), 0, env);
    });
    assert!(device.line(), "frame 2 does not exist");
    device.reset();
    assert_eq!((device.line(), Device::deadline(&device)), (false, Some(51)));
}
