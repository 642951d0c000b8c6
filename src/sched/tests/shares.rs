//! The shares of seats with weights.

use super::*;

/// Runs a CPU for ten seconds.
fn ten_seconds(cpu: &mut Cpu) {
    cpu.run(EPOCH + 10_000 * MS, |_, _, _| {});
}

#[test]
fn two_busy_seats_have_half_each() {
    for delay in [0, MS / 4] {
        let mut cpu = by_weight(&[(100, BUSY), (100, BUSY)]);
        cpu.delay = delay;
        ten_seconds(&mut cpu);
        assert!((cpu.share(0) - 0.5).abs() < 0.005, "{}", cpu.share(0));
        assert!((cpu.share(1) - 0.5).abs() < 0.005, "{}", cpu.share(1));
        // The rest is stolen: each was never asleep.
        let usage = cpu.schedule.seat(0).unwrap().usage(cpu.now);
        assert_eq!(usage.ran + usage.stolen, cpu.now - EPOCH);
        // A quantum each in turn.
        assert!((970..=1001).contains(&cpu.schedule.switches()), "{}", cpu.schedule.switches());
    }
}

#[test]
fn weights_are_the_ratio_of_shares() {
    for (weights, share) in [([300, 100], 0.75), ([3, 1], 0.75), ([10_000, 1], 0.9999)] {
        let mut cpu = by_weight(&[(weights[0], BUSY), (weights[1], BUSY)]);
        ten_seconds(&mut cpu);
        assert!((cpu.share(0) - share).abs() < 0.01, "{weights:?}: {}", cpu.share(0));
    }
    let weights = [100, 200, 300, 400];
    let mut cpu = by_weight(&weights.map(|weight| (weight, BUSY)));
    ten_seconds(&mut cpu);
    for (seat, weight) in weights.into_iter().enumerate() {
        assert!((cpu.share(seat) - f64::from(weight) / 1000.0).abs() < 0.005);
    }
}

#[test]
fn a_busy_seat_has_what_nine_idle_ones_leave() {
    let mut cpu = by_weight(&[[(100, IDLE); 9].as_slice(), &[(100, BUSY)]].concat());
    ten_seconds(&mut cpu);
    let idle = IDLE.work as f64 / (IDLE.work + IDLE.sleep) as f64;
    assert!(cpu.share(9) >= 0.99 - 9.0 * idle, "{}", cpu.share(9));
    // Nobody who does so little waits long: two periods of protection and the work of the others.
    for seat in 0..9 {
        let usage = cpu.schedule.seat(seat).unwrap().usage(cpu.now);
        assert!(usage.stolen / usage.wakes < 2 * MS, "{usage:?}");
    }
}

/// Without work, nobody decides: nine that sleep for good cost nothing.
#[test]
fn a_seat_that_is_alone_is_not_interrupted() {
    let asleep = Guest { work: 1, sleep: NEVER / 2 };
    let mut cpu = by_weight(&[[(100, asleep); 9].as_slice(), &[(100, BUSY)]].concat());
    let mut decisions = 0;
    cpu.run(EPOCH + 10_000 * MS, |_, _, _| decisions += 1);
    assert!(decisions < 25, "{decisions}");
    assert!(cpu.share(9) > 0.999);
    let decision = cpu.schedule.decide(cpu.now);
    assert_eq!((decision.seat, decision.not_before), (Some(9), None));
    assert!(decision.until > cpu.now + (1 << 60));
}

/// A seat that sleeps as often as it can, at the worst moments, gets no more than its share.
#[test]
fn a_seat_that_wakes_often_does_not_starve_the_others() {
    for work in [1, MS / 100, MS - 1, MS, 10 * MS - 1] {
        for sleep in [1, MS / 100, MS, 100 * MS] {
            let mut cpu = by_weight(&[(100, BUSY), (100, Guest { work, sleep })]);
            ten_seconds(&mut cpu);
            assert!(cpu.share(0) > 0.495, "{work} {sleep}: {}", cpu.share(0));
        }
    }
}

/// After a long sleep a seat runs for two quanta at most before the other one has its turn.
#[test]
fn a_sleep_is_made_up_for_by_a_quantum_at_most() {
    for sleep in [20 * MS, 1000 * MS, 1 << 31, 1 << 34, 1 << 50] {
        let mut cpu = by_weight(&[(100, BUSY), (100, Guest { work: 1, sleep })]);
        cpu.guests[1].work = NEVER;
        let mut longest = 0;
        let woken = EPOCH + sleep;
        cpu.run(woken + 1000 * MS, |decision, from, to| {
            if decision.seat == Some(1) && from > woken {
                longest = longest.max(to - from);
            }
        });
        assert!(longest <= 10 * MS, "{sleep}: {longest}");
        let usage = cpu.schedule.seat(1).unwrap().usage(cpu.now);
        assert!(usage.ran.abs_diff(500 * MS) <= 15 * MS, "{sleep}: {usage:?}");
        assert!(usage.stolen.abs_diff(500 * MS) <= 15 * MS, "{sleep}: {usage:?}");
    }
}

/// A seat that wakes waits for a millisecond at most, if it has slept long enough.
#[test]
fn a_seat_that_wakes_is_soon_served() {
    let timer = Guest { work: MS / 10, sleep: 5 * MS };
    let mut cpu = by_weight(&[(100, BUSY), (100, timer), (100, BUSY)]);
    ten_seconds(&mut cpu);
    let usage = cpu.schedule.seat(1).unwrap().usage(cpu.now);
    assert!(usage.stolen <= usage.wakes * MS, "{usage:?}");
}

/// The decisions are the same at the end of the counter's first 2^62 ticks, centuries at 1 GHz.
#[test]
fn decisions_do_not_depend_on_the_time() {
    let decisions = |start: u64| {
        let seats = [300, 100, 1].map(Seat::by_weight).to_vec();
        let mut schedule = Schedule::new(Spans::new(FREQUENCY), TimeTable::default(), seats);
        let mut now = start;
        (0..3).for_each(|seat| schedule.wake(seat, now));
        let mut decisions = Vec::new();
        for step in 0..5000 {
            let decision = schedule.decide(now);
            decisions.push((decision.seat, decision.until - start));
            now = decision.until;
            if step % 7 == 0 {
                schedule.sleep(decision.seat.unwrap(), now, now + 30 * MS);
            }
        }
        decisions
    };
    assert_eq!(decisions(1 << 40), decisions(1 << 62));
}

/// The virtual time of a seat with weight 1 has wrapped around many times, and shares are right.
#[test]
fn years_of_running_alone_change_nothing() {
    let seats = [1, 1].map(Seat::by_weight).to_vec();
    let mut schedule = Schedule::new(Spans::new(FREQUENCY), TimeTable::default(), seats);
    let mut now = EPOCH;
    schedule.wake(0, now);
    let year = 365 * 86_400 * 1000 * MS;
    for _ in 0..100 {
        assert_eq!(schedule.decide(now).seat, Some(0));
        now += year;
    }
    schedule.wake(1, now);
    let mut ran = [0; 2];
    for _ in 0..1000 {
        let decision = schedule.decide(now);
        ran[decision.seat.unwrap()] += decision.until - now;
        now = decision.until;
    }
    assert!(ran[0].abs_diff(ran[1]) <= 20 * MS, "{ran:?}");
    assert!(schedule.seat(0).unwrap().usage(now).ran > 99 * year);
}

/// A seat that was alone has used nobody's time: it owes nothing when another one comes.
#[test]
fn time_alone_is_not_held_against_a_seat() {
    let mut cpu = by_weight(&[(100, BUSY), (100, BUSY)]);
    cpu.schedule.sleep(1, EPOCH, NEVER);
    cpu.run(EPOCH + 2000 * MS, |_, _, _| {});
    cpu.schedule.sleep(0, cpu.now, cpu.now + 5 * MS);
    cpu.schedule.wake(1, cpu.now);
    let (mut ran, start) = ([0; 2], cpu.now);
    cpu.run(start + 205 * MS, |decision, from, to| ran[decision.seat.unwrap()] += to - from);
    assert!(ran[0].abs_diff(100 * MS) <= 10 * MS, "{ran:?}");
}
