//! The slots of time tables.

use super::*;

/// The ticks of a microsecond, times two: a slot's ticks are not whole microseconds.
const fn us(microseconds: u64) -> u64 {
    microseconds * FREQUENCY as u64 / 1_000_000
}

/// A control loop with two slots, and what looks at images between them.
const SLOTS: [Slot; 3] = [
    Slot { start: 0, length: 150, seat: 0, gives_idle: false },
    Slot { start: 150, length: 350, seat: 1, gives_idle: false },
    Slot { start: 500, length: 150, seat: 0, gives_idle: false },
];

/// Ten thousand frames beside a busy seat and one that wakes at all times, with stays in EL2 of up
/// to 10 µs: every slot starts on its tick.
#[test]
fn no_slot_is_late_or_missed() {
    let restless = Guest { work: us(3), sleep: us(7) };
    let mut cpu = by_table(&SLOTS, &[BUSY, BUSY], &[BUSY, restless, BUSY]);
    cpu.delay = us(10);
    let (mut starts, mut ran) = ([0; 2], [0; 2]);
    cpu.run(EPOCH + 10_000 * MS - us(20), |decision, from, to| {
        let Some(seat @ 0..2) = decision.seat else { return };
        ran[seat] += to - from;
        if let Some(start) = decision.not_before {
            assert_eq!(from, start);
            let offset = (start - EPOCH) % MS;
            assert!(SLOTS.iter().any(|it| it.seat == seat && us(it.start.into()) == offset));
            starts[seat] += 1;
        }
    });
    assert_eq!(starts, [20_000, 10_000]);
    assert_eq!(cpu.schedule.missed(), 0);
    for (seat, count) in [(0, 20_000), (1, 10_000)] {
        let lateness = cpu.schedule.seat(seat).unwrap().lateness();
        assert_eq!((lateness.starts, lateness.late, lateness.worst), (count, 0, 0));
    }
    // Each has the time of its slots, but for the end of one that another follows.
    let least = |slots: u64, lost: u64| 10_000 * (us(slots) - us(lost));
    assert!(ran[0] >= least(300, 10) && ran[0] <= 10_000 * us(320), "{ran:?}");
    assert!(ran[1] >= least(350, 10) && ran[1] <= 10_000 * us(350), "{ran:?}");
}

/// A stay in EL2 that is longer than the time before a slot makes the slot late, and is counted.
#[test]
fn a_late_start_is_counted() {
    let mut cpu = by_table(&SLOTS, &[BUSY, BUSY], &[BUSY]);
    cpu.delay = us(40);
    cpu.run(EPOCH + 100 * MS, |_, _, _| {});
    let lateness = cpu.schedule.seat(0).unwrap().lateness();
    assert_eq!(lateness.starts, 200);
    assert!((20..180).contains(&lateness.late), "{lateness:?}");
    assert!(lateness.worst > us(20) && lateness.worst < us(30), "{lateness:?}");
}

#[test]
fn slots_that_go_by_without_a_decision_are_counted() {
    let mut cpu = by_table(&SLOTS, &[BUSY, BUSY], &[]);
    assert_eq!(cpu.schedule.decide(EPOCH).seat, Some(0));
    // The two others of this frame, all of 6 frames, and the first two of the one after.
    cpu.schedule.decide(EPOCH + 7 * MS + us(500));
    assert_eq!(cpu.schedule.missed(), 2 + 6 * 3 + 2);
    cpu.schedule.decide(EPOCH + 8 * MS);
    assert_eq!(cpu.schedule.missed(), 22);
}

#[test]
fn gaps_are_for_the_seats_with_weights() {
    let mut cpu = by_table(&SLOTS, &[BUSY, BUSY], &[BUSY, BUSY]);
    cpu.run(EPOCH + 1000 * MS, |_, _, _| {});
    let others = cpu.share(2) + cpu.share(3);
    assert!((0.335..0.35).contains(&others), "{others}");
    assert!((cpu.share(2) - cpu.share(3)).abs() < 0.01);
}

#[test]
fn a_slot_whose_owner_sleeps_stays_empty_unless_it_is_given_away() {
    for gives_idle in [false, true] {
        let slots = [Slot { gives_idle, ..slot(0, 0, 900) }];
        let sleepy = Guest { work: us(100), sleep: us(399) };
        let mut cpu = by_table(&slots, &[sleepy], &[BUSY]);
        let mut in_slot = 0;
        cpu.run(EPOCH + 1000 * MS, |decision, from, to| {
            let offset = (from - EPOCH) % MS;
            if decision.seat == Some(1) && offset < us(900) - 1 {
                in_slot += to - from;
            }
        });
        assert_eq!(in_slot > 0, gives_idle);
        assert_eq!(cpu.schedule.seat(0).unwrap().lateness().late, 0);
        let waits = cpu.schedule.seat(0).unwrap().usage(cpu.now);
        assert!(waits.stolen < waits.wakes * us(120), "{waits:?}");
    }
}

/// The owner has its slot back at once, even from a seat that has only begun its turn.
#[test]
fn an_owner_that_wakes_takes_its_slot_back_at_once() {
    let slots = [Slot { gives_idle: true, ..slot(0, 0, 900) }];
    let mut cpu = by_table(&slots, &[BUSY], &[BUSY]);
    cpu.schedule.decide(EPOCH);
    cpu.schedule.sleep(0, EPOCH + us(100), EPOCH + us(105));
    let decision = cpu.schedule.decide(EPOCH + us(100));
    assert_eq!((decision.seat, decision.until), (Some(1), EPOCH + us(105)));
    let decision = cpu.schedule.decide(EPOCH + us(105));
    assert_eq!((decision.seat, decision.not_before), (Some(0), None));
    assert_eq!(decision.until, EPOCH + us(900));
}

/// An owner that sleeps on the tick and wakes later is not late.
#[test]
fn a_slot_that_its_owner_sleeps_through_is_no_start() {
    let mut cpu = by_table(&[slot(0, 0, 500)], &[BUSY], &[]);
    cpu.schedule.sleep(0, EPOCH, NEVER);
    assert_eq!(cpu.schedule.decide(EPOCH).seat, None);
    cpu.schedule.wake(0, EPOCH + us(200));
    let decision = cpu.schedule.decide(EPOCH + us(200));
    assert_eq!((decision.seat, decision.not_before), (Some(0), None));
    cpu.schedule.entered(EPOCH + us(201));
    assert_eq!(cpu.schedule.seat(0).unwrap().lateness().starts, 0);
}

/// A seat that has woken in the last microseconds before its slot is entered on the tick too, also
/// if there is another decision before.
#[test]
fn a_seat_is_not_entered_before_its_slot_starts() {
    let mut cpu = by_table(&[slot(0, 500, 100)], &[BUSY], &[BUSY]);
    let start = EPOCH + us(500);
    cpu.schedule.sleep(0, EPOCH, NEVER);
    assert_eq!(cpu.schedule.decide(start - us(10)).seat, None);
    cpu.schedule.wake(0, start - us(5));
    for early in [5, 4, 1] {
        let decision = cpu.schedule.decide(start - us(early));
        assert_eq!((decision.seat, decision.not_before), (Some(0), Some(start)));
    }
    cpu.schedule.entered(start + 7);
    assert_eq!(cpu.schedule.seat(0).unwrap().lateness().worst, 7);
    assert_eq!(cpu.schedule.decide(start + us(50)).not_before, None);
    // The wait in EL2 is nobody's time.
    assert_eq!(cpu.schedule.seat(0).unwrap().usage(start + us(50)).ran, us(50));
}

/// Slots of one owner that follow each other, also from one frame to the next, need no wait.
#[test]
fn an_owner_that_has_the_next_slot_too_stays() {
    let mut cpu = by_table(&[slot(0, 0, 400), slot(0, 400, 600)], &[BUSY], &[BUSY]);
    let mut waits = 0;
    cpu.run(EPOCH + 100 * MS - us(20), |decision, _, _| {
        assert_eq!(decision.seat, Some(0));
        waits += u32::from(decision.not_before.is_some());
    });
    assert_eq!((waits, cpu.schedule.switches()), (1, 1));
    assert_eq!(cpu.share(0), 1.0);
    assert_eq!(cpu.schedule.seat(0).unwrap().lateness().starts, 200);
}

#[test]
fn before_the_epoch_there_is_no_slot() {
    let mut schedule = by_table(&SLOTS, &[BUSY, BUSY], &[]).schedule;
    let decision = schedule.decide(EPOCH - us(100));
    assert_eq!((decision.seat, decision.until), (None, EPOCH - us(10)));
}
