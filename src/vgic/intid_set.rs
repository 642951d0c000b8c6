//! Sets of interrupts, as words of 32 bits.

use core::num::NonZeroU32;

use crate::arch::intid::Intid;

/// The interrupts of word 0 that are SGIs.
pub(super) const SGIS: u32 = 0xffff;

/// Some of 32 interrupts with successive numbers.
#[derive(Clone, Copy, Default, Debug)]
pub struct IntidSet {
    owner: u8,
    word: u8,
    mask: u32,
}

impl IntidSet {
    /// None.
    pub(super) const NONE: Self = Self { owner: 0, word: 0, mask: 0 };

    /// Of INTIDs 32 `word` to 32 `word` + 31, with `word` below 32, those with a bit in `mask`. In word 0
    /// they are those of vCPU number `owner`, below 64; elsewhere that says nothing.
    #[must_use]
    pub const fn new(owner: usize, word: usize, mask: u32) -> Self {
        Self { owner: owner as u8, word: word as u8, mask }
    }

    /// The first bit of the mask.
    pub(super) const fn first(self) -> u32 {
        self.mask.trailing_zeros() % 32
    }

    /// One interrupt alone.
    #[must_use]
    pub const fn one(owner: usize, intid: Intid) -> Self {
        Self::new(owner, (intid.get() / 32) as usize, 1 << (intid.get() % 32))
    }

    /// The vCPU whose they are in word 0; any vCPU for SPIs.
    #[must_use]
    pub const fn owner(self) -> usize {
        self.owner as usize
    }

    /// Which word they are in.
    #[must_use]
    pub const fn word(self) -> usize {
        self.word as usize
    }

    /// A bit for each that is meant.
    #[must_use]
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Of the same word those with a bit in `mask`.
    #[must_use]
    pub const fn with(self, mask: u32) -> Self {
        Self { mask, ..self }
    }
}

/// The positions of the set bits, from the lowest on.
pub(super) fn bits(mut word: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let rest = NonZeroU32::new(word)?;
        word &= word.wrapping_sub(1);
        Some(rest.trailing_zeros() as usize)
    })
}
