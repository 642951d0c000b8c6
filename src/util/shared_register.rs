//! A device register whose fields belong to several owners, and that can only be written as a
//! whole.

use crate::util::atomic::{AtomicBool, AtomicU32, Ordering};

/// The value that a register is to have, and who writes it.
///
/// A read-modify-write by two CPUs loses the change of one of them: the one that writes last puts
/// back the other's old fields. So a CPU changes its fields in `wanted` by one atomic operation.
/// One CPU at a time then writes all of `wanted`, as it is once that CPU has begun, so no write
/// undoes an earlier one. A CPU whose change another one writes has nothing left to do.
///
/// A change is in the register when [`update`](Self::update) returns, since the guest may look at
/// its effect next. A CPU that comes while another one writes therefore waits, but for at most two
/// writes, whatever the others do: the one under way, and the next, which has its change. This is
/// no lock that others can take at will.
#[derive(Debug, Default)]
pub struct SharedRegister {
    /// The value that the register is to have.
    wanted: AtomicU32,
    /// The value that the register has, except during a write.
    written: AtomicU32,
    /// The bits that can be changed.
    settable: AtomicU32,
    /// Whether a CPU is writing the register.
    is_writing: AtomicBool,
}

impl SharedRegister {
    /// Creates the state of a register that is zero and none of whose bits can be changed.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self {
            wanted: AtomicU32::new(0),
            written: AtomicU32::new(0),
            settable: AtomicU32::new(0),
            is_writing: AtomicBool::new(false),
        }
    }

    /// Records the register's value and the bits that can be changed. Called before any
    /// [`update`](Self::update).
    #[inline(always)]
    pub fn init(&self, value: u32, settable: u32) {
        self.wanted.store(value, Ordering::Relaxed);
        self.written.store(value, Ordering::Relaxed);
        self.settable.store(settable, Ordering::Release);
    }

    /// Changes the fields in `mask` to those of `value` as far as they can be changed, by calling
    /// `write` unless another CPU writes the change. Calls `meanwhile` repeatedly while it waits for
    /// that. Returns the register's value, in which other owners' fields may have changed since.
    /// The owner of the fields must not call this on two CPUs at once.
    pub fn update(
        &self,
        mask: u32,
        value: u32,
        mut write: impl FnMut(u32),
        mut meanwhile: impl FnMut(),
    ) -> u32 {
        let old = self.wanted.load(Ordering::Relaxed);
        let change = (old ^ value) & mask & self.settable.load(Ordering::Relaxed);
        let new = self.wanted.fetch_xor(change, Ordering::AcqRel) ^ change;
        while (self.written.load(Ordering::Acquire) ^ new) & change != 0 {
            let is_free =
                self.is_writing.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
            if is_free.is_err() {
                meanwhile();
                continue;
            }
            let value = self.wanted.load(Ordering::Acquire);
            write(value);
            self.written.store(value, Ordering::Release);
            self.is_writing.store(false, Ordering::Release);
        }
        new
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
        let update = |mask, value| {
            shared.update(mask, value, |written| *register.lock().unwrap() = written, || ())
        };
        shared.init(0b1_0000, 0b0_1111);
        assert_eq!(update(0b0011, 0b1111), 0b1_0011);
        assert_eq!(update(0b1_1100, 0b0_1000), 0b1_1011);
        assert_eq!(update(0b0001, 0), 0b1_1010);
        assert_eq!(*register.lock().unwrap(), 0b1_1010);
    }
}

/// A model of two CPUs that each change two fields of their own.
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
            let write = |value: u32| {
                let before = self.register.load(Ordering::Relaxed);
                assert_eq!(before & !value, 0, "a change is undone: {before:#b} to {value:#b}");
                self.register.store(value, Ordering::Relaxed);
            };
            self.shared.update(1 << bit, 1 << bit, write, loom::thread::yield_now);
            let after = self.register.load(Ordering::Relaxed);
            assert_ne!(after >> bit & 1, 0, "a change is late");
        }
    }

    #[test]
    fn loom_changes_of_a_shared_register_are_neither_late_nor_undone() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let machine = Arc::new(Machine::default());
            machine.shared.init(0, 0b1111);
            let other = thread::spawn({
                let machine = machine.clone();
                move || (0..2).for_each(|bit| machine.set(bit))
            });
            (2..4).for_each(|bit| machine.set(bit));
            other.join().unwrap();
            assert_eq!(machine.register.load(Ordering::Relaxed), 0b1111, "a change is lost");
        });
    }
}
