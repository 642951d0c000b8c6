//! Random numbers for guests: what the machine's sources give is collected in a [`Pool`], from which
//! each vCPU has a [`Stream`] of its own.
//!
//! Both are a key of ChaCha20 (RFC 8439), from which nothing is used twice: whatever is read begins
//! with the key that replaces it ("fast key erasure"), so that a later look at EL2's memory does not
//! show earlier output. The cipher is that of the crate `chacha20`, which runs in general registers
//! on this target; this module only says which key and which nonce it gets:
//!
//! | operation | key | nonce | result |
//! |---|---|---|---|
//! | add up to 32 bytes to the pool | the pool's | 1, the bytes added before, 0 | XOR those bytes, the pool's next key; the first bytes are the key |
//! | start a stream | the pool's | 2, the partition, the vCPU | the stream's first key, then output |
//! | read a stream | the stream's | 3, 0, 0 | the stream's next key, then output |
//!
//! The boot code that builds partitions and, on the partitions' own CPUs, the code of
//! `src/el2/entropy.rs` are the only callers: without a source both are unmapped.

mod key;
mod pool;
mod stream;
#[cfg(test)]
mod tests;

pub use pool::{ENOUGH, Pool, Source};
pub use stream::{MOST, Stream};

use core::hint::black_box;

/// The first word of the nonce when something is added to a pool.
const ADD: u32 = 1;
/// The same when a stream is started.
const START: u32 = 2;
/// The same when a stream is read.
const READ: u32 = 3;

/// The number of 64-bit words that [`scrub_stack`] overwrites: more than the functions of this room
/// use, which the test `stack_frames_of_the_random_numbers_are_scrubbed` in `tests/image.rs` checks.
const SCRUBBED: usize = 96;

/// Overwrites the part of the stack below its caller's frame, where functions that the caller has
/// called before have left keys and output.
// Not inlined, so that its frame begins where theirs did.
#[inline(never)]
pub fn scrub_stack() {
    black_box(&mut [0_u64; SCRUBBED]);
}
