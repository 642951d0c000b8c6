//! A schedule and the model take the same decisions, at random.

use super::model::Model;
use super::*;

/// The number of steps of all episodes.
const STEPS: u64 = 100_000;
/// The number of steps after which a new CPU is created.
const EPISODE: u64 = 500;

/// Returns random slots for `owners` seats, with gaps or without.
fn random_slots(random: &mut Random, owners: u64) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut start = random.below(200) as u32;
    while owners > 0 && start < 900 {
        let length = (50 + random.below(300) as u32).min(1000 - start);
        let seat = random.below(owners) as usize;
        slots.push(Slot { start, length, seat, gives_idle: random.below(2) == 0 });
        start += length + [0, 0, 5, 60][random.below(4) as usize];
    }
    slots
}

/// Returns a random time of sleep: mostly short, sometimes forever.
fn random_sleep(random: &mut Random, now: u64) -> u64 {
    match random.below(8) {
        0 => NEVER,
        1 => now,
        2 => now + random.below(1 << 36),
        _ => now + random.below(20 * MS),
    }
}

/// Runs an episode. Returns how many of its decisions were of each kind: a seat with a weight, one
/// in its slot, none.
fn episode(number: u64, counts: &mut [u64; 3]) {
    let random = &mut Random(number + 1);
    let (owners, others) = ([0, 0, 1, 3][random.below(4) as usize], random.below(6));
    let weights: Vec<_> = (0..owners).map(|_| None).collect();
    let weight =
        |random: &mut Random| Some([1, 3, 100, 100, 100, 10_000][random.below(6) as usize]);
    let weights = [weights, (0..others).map(|_| weight(random)).collect()].concat();
    let slots = random_slots(random, owners);
    let seat = |it: &Option<u16>| it.map_or(Seat::by_time_table(), Seat::by_weight);
    let table = TimeTable::new(1000, EPOCH, &slots, FREQUENCY);
    let seats = weights.iter().map(seat).collect();
    let mut schedule = Schedule::new(Spans::new(FREQUENCY), table, seats);
    let mut model = Model::new(&weights, &slots);
    let mut now = EPOCH - random.below(EPOCH);
    let mut decision = Decision { seat: None, not_before: None, until: now };
    for step in 0..EPISODE {
        let context = || std::format!("episode {number}, step {step}: {slots:?}");
        let any = random.below(weights.len().max(1) as u64) as usize;
        match random.below(5) {
            _ if weights.is_empty() => {}
            0 => {
                now += random.below(MS);
                schedule.wake(any, now);
                model.wake(any, now);
            }
            1 | 2 if decision.seat.is_some() => {
                now += random.below(MS);
                let deadline = random_sleep(random, now);
                schedule.sleep(decision.seat.unwrap(), now, deadline);
                model.sleep(decision.seat.unwrap(), now, deadline);
            }
            3 => {
                now += random.below(MS);
                let deadline = random_sleep(random, now);
                schedule.sleep(any, now, deadline);
                model.sleep(any, now, deadline);
            }
            _ => {
                // On time, late, or after years.
                let late = [0, 1, random.below(MS / 100), random.below(5 * MS)];
                let late = late[random.below(4) as usize];
                let until = decision.until.min(now + (1 << 50));
                now = now.max(until).saturating_add(late);
            }
        }
        decision = schedule.decide(now);
        assert_eq!(decision, model.decide(now), "{}", context());
        if let Some(start) = decision.not_before
            && random.below(4) > 0
        {
            now = now.max(start) + random.below(100);
            schedule.entered(now);
            model.entered(now);
        }
        let kind = decision.seat.map_or(2, |seat| usize::from(weights[seat].is_none()));
        counts[kind] += 1;
        for number in 0..weights.len() {
            let seat = schedule.seat(number).unwrap();
            let (usage, lateness) = (seat.usage(now), seat.lateness());
            let Lateness { starts, late, worst } = lateness;
            let account = [usage.ran, usage.stolen, starts, late, worst];
            assert_eq!(account, model.account(number), "seat {number}, {}", context());
        }
        assert_eq!(schedule.missed(), model.missed, "{}", context());
    }
}

#[test]
fn decisions_and_accounts_are_those_of_the_model() {
    let mut counts = [0; 3];
    for number in 0..STEPS / EPISODE {
        episode(number, &mut counts);
    }
    assert!(counts.iter().all(|count| *count > STEPS / 20), "{counts:?}");
}
