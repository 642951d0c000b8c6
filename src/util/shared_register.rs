//! A device register whose fields belong to several owners, and that can only be written as a
//! whole.

use crate::util::atomic::{AtomicBool, AtomicU32, Ordering, fence};

/// The value that a register is to have, and who writes it.
///
/// A read-modify-write by two CPUs loses the change of one of them: the one that writes last puts
/// back the other's old fields. A lock would let one owner's CPU wait for another owner's. So a CPU
/// changes its fields in `wanted` by one atomic operation, and then writes all of `wanted`, unless
/// another CPU is about to do that: then that CPU looks at `wanted` again after it, and writes it
/// again. Nobody waits. Since one CPU at a time writes, and writes what it has read since it began,
/// no write undoes an earlier one.
///
/// A change can take effect shortly after [`update`](Self::update) has returned, by another CPU's
/// write that is already under way. This is enough for GICD_ICFGR, which a guest must not change
/// while the interrupt is enabled (IHI 0048B, 4.3.13; IHI 0069, GICD_ICFGR): enabling it takes
/// another access, which is much longer than what the other CPU has left to do.
#[derive(Debug, Default)]
pub struct SharedRegister {
    /// The value that the register is to have.
    wanted: AtomicU32,
    /// The bits that can be changed.
    settable: AtomicU32,
    /// Whether a CPU is about to write the register.
    is_writing: AtomicBool,
}

impl SharedRegister {
    /// Creates the state of a register that is zero and none of whose bits can be changed.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self {
            wanted: AtomicU32::new(0),
            settable: AtomicU32::new(0),
            is_writing: AtomicBool::new(false),
        }
    }

    /// Records the register's value and the bits that can be changed. Called before any
    /// [`update`](Self::update).
    #[inline(always)]
    pub fn init(&self, value: u32, settable: u32) {
        self.wanted.store(value, Ordering::Relaxed);
        self.settable.store(settable, Ordering::Release);
    }

    /// Changes the fields in `mask` to those of `value` as far as they can be changed, by calling
    /// `write`, unless another CPU does so. Returns the register's value, in which other owners'
    /// fields may have changed since. The owner of the fields must not call this on two CPUs at
    /// once.
    ///
    /// It repeats only after another CPU has changed a field between its last two accesses to the
    /// state.
    pub fn update(&self, mask: u32, value: u32, mut write: impl FnMut(u32)) -> u32 {
        let old = self.wanted.load(Ordering::Relaxed);
        let change = (old ^ value) & mask & self.settable.load(Ordering::Relaxed);
        let new = self.wanted.fetch_xor(change, Ordering::Relaxed) ^ change;
        loop {
            // Between a change of `wanted` and the look at `is_writing` here, and between the end
            // of writing and the look at `wanted` below: one of two CPUs sees the other's store.
            fence(Ordering::SeqCst);
            if self.is_writing.swap(true, Ordering::AcqRel) {
                return new;
            }
            let written = self.wanted.load(Ordering::Relaxed);
            write(written);
            // An exchange is ordered with those of the other CPUs, which a store is not.
            self.is_writing.swap(false, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if self.wanted.load(Ordering::Relaxed) == written {
                return new;
            }
        }
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn only_the_owner_s_settable_fields_change() {
        let shared = SharedRegister::new();
        let register = Mutex::new(0b1_0000);
        let update =
            |mask, value| shared.update(mask, value, |written| *register.lock().unwrap() = written);
        shared.init(0b1_0000, 0b0_1111);
        assert_eq!(update(0b0011, 0b1111), 0b1_0011);
        assert_eq!(update(0b1_1100, 0b0_1000), 0b1_1011);
        assert_eq!(update(0b0001, 0), 0b1_1010);
        assert_eq!(*register.lock().unwrap(), 0b1_1010);
    }
}

/// A model of two CPUs that each change a field of their own, and of one that does so twice.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    #[derive(Default)]
    struct Machine {
        shared: SharedRegister,
        register: AtomicU32,
    }

    impl Machine {
        /// Sets a bit. Bits are only set here, so a write that clears one undoes a change.
        fn set(&self, bit: u32) {
            self.shared.update(1 << bit, 1 << bit, |value| {
                let before = self.register.load(Ordering::Relaxed);
                assert_eq!(before & !value, 0, "a change is undone: {before:#b} to {value:#b}");
                self.register.store(value, Ordering::Relaxed);
            });
        }
    }

    #[test]
    fn loom_changes_of_a_shared_register_are_neither_lost_nor_undone() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let machine = Arc::new(Machine::default());
            machine.shared.init(0, 0b1111);
            let others = [0, 1].map(|bit| {
                let machine = machine.clone();
                thread::spawn(move || machine.set(bit))
            });
            machine.set(2);
            machine.set(3);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(machine.register.load(Ordering::Relaxed), 0b1111, "a change is lost");
        });
    }
}
