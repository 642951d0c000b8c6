//! Damaged descriptions and machines' trees: each is accepted, or refused in one sentence.
//!
//! The environment variable BULKHEAD_MUTATIONS sets the number of cases; BULKHEAD_MUTATION selects
//! a single one by its number.

mod functions;
mod judge;
mod trees;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use common::mutations::{Random, mutate};
use trees::Seed;

/// The number of cases by default.
const CASES: u64 = 100_000;
/// The longest time that a case may take, even on a busy host.
const LONGEST: Duration = Duration::from_secs(20);
/// The greatest number of characters of a sentence.
const LONGEST_SENTENCE: usize = 400;

/// The results of a number of cases.
#[derive(Default)]
struct Tally {
    accepted: u64,
    /// The numbers of refusals, by the first words of their sentences.
    refused: BTreeMap<String, u64>,
    slowest: Duration,
}

/// Prints the number of the running case if it panics.
struct RunningCase<'a>(u64, &'a Seed, &'a Seed);

impl Drop for RunningCase<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(number, machine, description) = self;
            println!("BULKHEAD_MUTATION={number}: {} on {}", description.name, machine.name);
        }
    }
}

/// Returns the first words of a sentence, without paths, names and numbers.
fn first_words(sentence: &str) -> String {
    let words = sentence.split_ascii_whitespace().filter(|word| !word.starts_with('/'));
    let plain =
        |word: &&str| word.chars().all(|it| it.is_ascii_alphabetic() || "-`',:".contains(it));
    words.filter(plain).take(9).collect::<Vec<_>>().join(" ")
}

fn check_sentence(sentence: &str) {
    let is_one = !sentence.trim().is_empty() && !sentence.contains(char::is_control);
    assert!(is_one, "not a sentence: {sentence:?}");
    let length = sentence.chars().count();
    assert!(length <= LONGEST_SENTENCE, "{length} characters: {sentence}");
}

fn case(number: u64, machines: &[Seed], descriptions: &[Seed], tally: &mut Tally) {
    let mut random = Random::new(number);
    let machine = &machines[random.below(machines.len())];
    let description = &descriptions[random.below(descriptions.len())];
    let _case = RunningCase(number, machine, description);
    let other = if random.one_in(2) { machines } else { descriptions };
    let other = &other[random.below(other.len())].bytes;
    let (mut first, mut second) = (machine.bytes.clone(), description.bytes.clone());
    let which = random.below(5);
    if which < 2 {
        first = mutate(&first, other, &mut random);
    }
    if which > 0 {
        second = mutate(&second, other, &mut random);
    }
    let start = Instant::now();
    match judge::judge(machine, &first, &second) {
        Ok(_) => tally.accepted += 1,
        Err(sentence) => {
            check_sentence(&sentence);
            *tally.refused.entry(first_words(&sentence)).or_default() += 1;
        }
    }
    let took = start.elapsed();
    assert!(took < LONGEST, "it took {took:?}");
    tally.slowest = tally.slowest.max(took);
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

fn report(tallies: &[Tally]) {
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (words, count) in tallies.iter().flat_map(|tally| &tally.refused) {
        *refused.entry(words).or_default() += count;
    }
    let accepted: u64 = tallies.iter().map(|tally| tally.accepted).sum();
    let slowest = tallies.iter().map(|tally| tally.slowest).max().unwrap();
    let total: u64 = refused.values().sum();
    println!("{accepted} accepted, {total} refused for {} reasons:", refused.len());
    let mut refused: Vec<_> = refused.into_iter().collect();
    refused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (words, count) in refused.iter().take(40) {
        println!("{count:8}  {words}");
    }
    println!("the slowest took {slowest:?}");
    // If the damage is too little or too much, the test shows nothing.
    let all = accepted + total;
    let is_balanced = accepted * 50 > all && total * 4 > all && refused.len() > 50;
    assert!(all < CASES || is_balanced, "the mutations are too weak or too strong");
}

#[test]
fn damaged_trees_are_accepted_or_refused_in_one_sentence() {
    let (machines, descriptions) = (trees::machines(), trees::descriptions());
    for description in &descriptions {
        let judge = |machine: &Seed| judge::judge(machine, &machine.bytes, &description.bytes);
        let results: Vec<_> = machines.iter().map(judge).collect();
        assert!(results.iter().any(Result::is_ok), "{}: {results:?}", description.name);
    }
    if let Some(number) = number("BULKHEAD_MUTATION") {
        return case(number, &machines, &descriptions, &mut Tally::default());
    }
    let cases = number("BULKHEAD_MUTATIONS").unwrap_or(CASES);
    let next = AtomicU64::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= cases {
                return tally;
            }
            case(number, &machines, &descriptions, &mut tally);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no case panics")).collect()
    });
    report(&tallies);
}
