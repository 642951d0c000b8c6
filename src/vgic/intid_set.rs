//! Sets of interrupts, as words of 32 bits.

use core::num::NonZeroU32;

use crate::arch::intid::Intid;

/// The SGIs: bits of word 0.
pub(super) const SGIS: u32 = 0xffff;

/// A subset of 32 interrupts with successive INTIDs.
#[derive(Clone, Copy, Default, Debug)]
pub struct IntidSet {
    owner: u8,
    word: u8,
    mask: u32,
}

impl IntidSet {
    /// The empty set.
    pub(super) const NONE: Self = Self { owner: 0, word: 0, mask: 0 };

    /// Returns the set of INTIDs 32 `word` + n for each bit n of `mask`. `word` is 0 to 31. In word
    /// 0 they are the private interrupts of vCPU `owner`, 0 to 63, which is ignored in other words.
    #[must_use]
    pub const fn new(owner: usize, word: usize, mask: u32) -> Self {
        Self { owner: owner as u8, word: word as u8, mask }
    }

    /// Returns the position of the lowest bit of the mask; 0 if the set is empty.
    pub(super) const fn first(self) -> u32 {
        self.mask.trailing_zeros() % 32
    }

    /// Returns the set of one interrupt.
    #[must_use]
    pub const fn one(owner: usize, intid: Intid) -> Self {
        Self::new(owner, (intid.get() / 32) as usize, 1 << (intid.get() % 32))
    }

    /// Returns the vCPU that the interrupts of word 0 belong to. Meaningless for SPIs.
    #[must_use]
    pub const fn owner(self) -> usize {
        self.owner as usize
    }

    /// Returns the word: INTID / 32.
    #[must_use]
    pub const fn word(self) -> usize {
        self.word as usize
    }

    /// Returns the interrupts, one bit each.
    #[must_use]
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Returns the set of the interrupts with a bit in `mask` of the same word.
    #[must_use]
    pub const fn with(self, mask: u32) -> Self {
        Self { mask, ..self }
    }
}

/// Iterates over the positions of the set bits in ascending order.
pub(super) fn bits(mut word: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let rest = NonZeroU32::new(word)?;
        word &= word.wrapping_sub(1);
        Some(rest.trailing_zeros() as usize)
    })
}
