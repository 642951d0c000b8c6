//! The ID registers of a CPU, and what a guest reads of them.

use super::Encoding;

/// A field of four bits in an ID register (Arm ARM D24.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    pub(super) register: Encoding,
    pub(super) shift: u8,
}

/// Expands the table to `field` and to [`HIDDEN`].
macro_rules! fields {
    (
        always $always:tt
        $($register:ident($crm:literal, $op2:literal) {
            $(shown { $($shown:ident = $shown_at:literal),* })?
            $(usable { $($usable:ident = $usable_at:literal $usable_body:tt)* })?
            $(hidden { $($hidden:ident = $hidden_at:literal),* })?
            $(trapped { $($trapped:ident = $trapped_at:literal $trapped_body:tt)* })?
        })*
    ) => {
        /// The fields of the table, by their names in the Arm ARM.
        pub mod field {
            use super::{Encoding, Field};

            $(
                $($(fields! { $register $crm $op2 $shown $shown_at })*)?
                $($(fields! { $register $crm $op2 $usable $usable_at })*)?
                $($(fields! { $register $crm $op2 $hidden $hidden_at })*)?
                $($(fields! { $register $crm $op2 $trapped $trapped_at })*)?
            )*
        }

        /// The bits that guests read as zero, in the order of [`IdRegisters`].
        const HIDDEN: [u64; IdRegisters::COUNT] = {
            let mut hidden = [0; IdRegisters::COUNT];
            $(
                hidden[IdRegisters::index(Encoding::new(3, 0, 0, $crm, $op2))] = 0
                    $($(| 0xf << $hidden_at)*)?
                    $($(| 0xf << $trapped_at)*)?;
            )*
            hidden
        };
    };
    ($register:ident $crm:literal $op2:literal $name:ident $shift:literal) => {
        #[doc = concat!(stringify!($register), ", bits from ", stringify!($shift), " on.")]
        pub const $name: Field =
            Field { register: Encoding::new(3, 0, 0, $crm, $op2), shift: $shift };
    };
}

crate::system_register_table!(fields);

/// The values of the ID registers of group 3, which HCR_EL2.TID3 traps: op0 3, op1 0, CRn 0, CRm 1
/// to 7, in the order of CRm and op2. EL2 can read all of that space: what is not allocated there
/// is RAZ (Arm ARM D24.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRegisters(pub [u64; Self::COUNT]);

impl IdRegisters {
    /// The number of registers: seven values of CRm, eight of op2.
    const COUNT: usize = 7 * 8;

    /// Returns the register's value; `None` if it is no ID register of group 3.
    pub fn get(&self, register: Encoding) -> Option<u64> {
        self.0.get(Self::index(register)).copied()
    }

    /// Returns the field's value. 0xf becomes 0 in ID_AA64DFR0_EL1.PMUVer, where it stands for a
    /// PMU that is not the architecture's.
    #[inline(always)]
    pub fn field(&self, field: Field) -> u64 {
        match self.get(field.register).unwrap_or(0).wrapping_shr(field.shift.into()) & 0xf {
            0xf if field == field::PMU_VER => 0,
            value => value,
        }
    }

    /// Makes the field zero.
    #[inline(always)]
    pub fn clear(&mut self, field: Field) {
        if let Some(value) = self.0.get_mut(Self::index(field.register)) {
            *value &= !(0xf << field.shift);
        }
    }

    /// Returns what a guest on this CPU reads: hidden fields are zero.
    pub fn for_guest(&self) -> Self {
        let mut guest = self.clone();
        for (value, hidden) in guest.0.iter_mut().zip(HIDDEN) {
            *value &= !hidden;
        }
        guest
    }

    /// Returns the register's index, past the end if it is no ID register of group 3.
    const fn index(register: Encoding) -> usize {
        const FIRST: Encoding = Encoding::new(3, 0, 0, 1, 0);
        register.number().wrapping_sub(FIRST.number()) as usize
    }
}
