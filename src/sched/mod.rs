//! The schedule of a CPU that several vCPUs share, as data and decisions.
//!
//! Every shared CPU has a [`Schedule`] of its own, which no other CPU uses. Its seats are the vCPUs
//! that share the CPU, one of each partition. A seat has its CPU in one of two ways:
//!
//! | the seat has | it runs |
//! |---|---|
//! | slots | from the tick on which its slot starts until the slot ends, in every frame |
//! | a weight | between the slots, and in those that their owner sleeps in and gives away |
//!
//! **By time table.** Frames follow each other without a gap, from one epoch on that all CPUs have in
//! common. A slot starts on its tick: whoever runs before it is taken out [`Spans::early`] ticks
//! before, in its own time, so that the change is over when the slot starts. A slot whose owner
//! sleeps stays empty, unless it is to be given away: others could otherwise learn when it sleeps.
//!
//! **By weight.** The seat with the smallest virtual time runs, for a quantum. Virtual time is the
//! time that a seat has run, divided by its weight. A seat that wakes is placed a quantum behind the
//! others at most: it is soon served, and cannot make up for its sleep. It takes the CPU from a seat
//! that is ahead of it, but not before that one has run for [`Spans::preemption`].
//!
//! Times are in ticks of the counter. A decision allocates nothing, and walks the seats that wait at
//! most once; waking and sleeping look at each seat of the CPU once. The EL2 program does not call
//! this code yet.

mod queue;
mod schedule;
mod seat;
mod spans;
mod table;

pub use schedule::{Decision, Schedule};
pub use seat::{Lateness, Seat, Usage};
pub use spans::{NEVER, Spans};
pub use table::{Slot, TimeTable};

#[cfg(test)]
mod tests;
