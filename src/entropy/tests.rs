use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use super::key::{Block, keystream};
use super::*;

/// Returns the first `N` blocks of a keystream.
fn blocks<const N: usize>(key: [u64; 4], nonce: [u32; 3]) -> Vec<u64> {
    let mut blocks = [Block::default(); N];
    keystream(&key, nonce, &mut blocks);
    blocks.as_flattened().into()
}

/// Converts bytes as RFC 8439 prints them.
fn from_bytes(text: &str) -> Vec<u64> {
    let bytes = text.split_ascii_whitespace().map(|it| u8::from_str_radix(it, 16).unwrap());
    let bytes: Vec<u8> = bytes.collect();
    bytes.chunks(8).map(|it| u64::from_le_bytes(it.try_into().unwrap())).collect()
}

/// RFC 8439, section 2.3.2 and appendix A.1, vectors 1 and 2.
#[test]
fn keystream_is_that_of_rfc_8439() {
    let key = core::array::from_fn(|word| {
        u64::from_le_bytes(core::array::from_fn(|byte| (8 * word + byte) as u8))
    });
    let second_block = from_bytes(
        "10 f1 e7 e4 d1 3b 59 15 50 0f dd 1f a3 20 71 c4 c7 d1 f4 c7 33 c0 68 03 04 22 aa 9a c3 d4 \
         6c 4e d2 82 64 46 07 9f aa 09 14 c2 d7 05 d9 8b 02 a2 b5 12 9c d1 de 16 4e b9 cb d0 83 e8 \
         a2 50 3c 4e",
    );
    assert_eq!(blocks::<2>(key, [0x0900_0000, 0x4a00_0000, 0])[8..], second_block);
    let of_zeros = from_bytes(
        "76 b8 e0 ad a0 f1 3d 90 40 5d 6a e5 53 86 bd 28 bd d2 19 b8 a0 8d ed 1a a8 36 ef cc 8b 77 \
         0d c7 da 41 59 7c 51 57 48 8d 77 24 e0 3f b8 d8 4a 37 6a 43 b8 f4 15 18 a1 1c c3 87 b6 69 \
         b2 ee 65 86 9f 07 e7 be 55 51 38 7a 98 ba 97 7c 73 2d 08 0d cb 0f 29 a0 48 e3 65 69 12 c6 \
         53 3e 32 ee 7a ed 29 b7 21 76 9c e6 4e 43 d5 71 33 b0 74 d8 39 d5 31 ed 1f 28 51 0a fb 45 \
         ac e1 0a 1f 4b 79 4d 6f",
    );
    assert_eq!(blocks::<2>([0; 4], [0; 3]), of_zeros);
}

/// Returns a pool with this seed.
fn pool(seed: &[u8]) -> Pool {
    let mut pool = Pool::default();
    pool.add(Source::RngSeed, seed);
    pool
}

/// Returns the first numbers of a vCPU's stream.
fn numbers(pool: &Pool, partition: u8, vcpu: usize) -> [u64; 32] {
    let stream = Stream::default();
    let mut words = [0; 32];
    let (first, rest) = words.split_at_mut(9);
    pool.start(&stream, partition, vcpu, first);
    rest.chunks_mut(3).for_each(|words| stream.fill(words));
    words
}

#[test]
fn streams_of_partitions_and_vcpus_are_independent() {
    let pool = pool(&[7; 32]);
    let mut seen = BTreeSet::new();
    for partition in 1..=8 {
        for vcpu in 0..8 {
            seen.extend(numbers(&pool, partition, vcpu));
        }
    }
    assert_eq!(seen.len(), 8 * 8 * 32, "a number is in two streams, or twice in one");
    assert_eq!(numbers(&pool, 3, 1), numbers(&pool, 3, 1), "the pool alone determines a stream");
}

/// A restart reads on where the life before has stopped.
#[test]
fn every_read_gives_new_numbers_and_a_new_key() {
    let stream = Stream::default();
    pool(&[7; 32]).start(&stream, 1, 0, &mut []);
    let mut seen = BTreeSet::new();
    for length in [1, 3, 4, 5, 8, 9, 20, 1, 8, 1] {
        let mut words = vec![0; length];
        seen.extend(stream.0.get());
        stream.fill(&mut words);
        seen.extend(words);
    }
    assert_eq!(seen.len(), 10 * 4 + 60, "a key or a number is there twice");
}

/// Whoever reads a key later can compute what follows, but not what was read before: the keystream
/// of the key that is left contains nothing of it.
#[test]
fn key_that_is_left_does_not_give_earlier_numbers() {
    let stream = Stream::default();
    pool(&[7; 32]).start(&stream, 1, 0, &mut []);
    let mut earlier = [0; 8];
    stream.fill(&mut earlier);
    let left = stream.0.get();
    for nonce in [[ADD, 0, 0], [START, 1, 0], [READ, 0, 0]] {
        let later = blocks::<8>(left, nonce);
        assert!(earlier.iter().all(|word| !later.contains(word) && !left.contains(word)));
    }
}

#[test]
fn every_byte_of_every_source_matters() {
    let mut all = BTreeSet::from([numbers(&pool(&[7; 40]), 1, 0)]);
    for byte in 0..40 {
        let mut seed = [7; 40];
        seed[byte] = 8;
        all.insert(numbers(&pool(&seed), 1, 0));
    }
    for length in 1..40 {
        all.insert(numbers(&pool(&[7; 40][..length]), 1, 0));
    }
    for source in Source::ALL {
        let mut pool = pool(&[7; 40]);
        pool.add(source, &[9; 8]);
        all.insert(numbers(&pool, 1, 0));
    }
    // The sources differ only by what they give.
    assert_eq!(all.len(), 1 + 40 + 39 + 1);
}

#[test]
fn what_sources_give_is_counted_and_zeros_are_nothing() {
    let mut pool = Pool::default();
    pool.add(Source::RngSeed, &[0; 64]);
    pool.add(Source::Firmware, &[]);
    assert!(pool.size() == 0 && numbers(&pool, 1, 0) == numbers(&Pool::default(), 1, 0));
    pool.add(Source::KaslrSeed, &[1; 8]);
    assert!(pool.size() == 8 && !pool.is_enough());
    pool.add(Source::Register, &[1; 23]);
    assert!(!pool.is_enough());
    pool.add(Source::Firmware, &[1]);
    assert!(pool.is_enough());
    assert_eq!(Source::ALL.map(|source| pool.given(source)), [0, 8, 23, 1]);
}

#[test]
fn wiped_pool_does_not_make_the_streams_again() {
    let pool = pool(&[7; 32]);
    let before = numbers(&pool, 1, 0);
    pool.wipe();
    assert_ne!(numbers(&pool, 1, 0), before);
    assert_eq!(numbers(&pool, 1, 0), numbers(&Pool::default(), 1, 0));
}
