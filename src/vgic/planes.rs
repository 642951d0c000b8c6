//! A small number for each of 32 interrupts, arranged so that all are compared at once.

/// A number of `N` bits for each bit of a word: plane p has bit p of all of them. What is asked of
/// all 32 takes a few instructions for each plane, however many interrupts a guest makes pending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes<const N: usize>([u32; N]);

impl<const N: usize> Default for Planes<N> {
    /// All numbers are 0.
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Planes<N> {
    /// Sets the number of each bit in `mask`. Higher bits than the lowest `N` are ignored.
    pub fn set(&mut self, mask: u32, number: u8) {
        set(&mut self.0, mask, number);
    }

    /// Sets the number of each bit in `mask` to that which it has in `other`.
    pub fn copy(&mut self, mask: u32, other: &Self) {
        copy(&mut self.0, mask, &other.0);
    }

    /// Returns the bits whose number this is, as far as its lowest `N` bits say.
    #[inline(always)]
    pub fn equal(&self, number: u8) -> u32 {
        equal(&self.0, number)
    }

    /// Returns the bits of `mask` that have the lowest number of all in `mask`.
    #[inline(always)]
    pub fn lowest(&self, mask: u32) -> u32 {
        lowest(&self.0, mask)
    }
}

// Not generic, so that numbers of all sizes share this code.
#[inline(never)]
fn set(planes: &mut [u32], mask: u32, mut number: u8) {
    for plane in planes {
        *plane = if number & 1 != 0 { *plane | mask } else { *plane & !mask };
        number >>= 1;
    }
}

/// See [`Planes::copy`].
#[inline(never)]
fn copy(planes: &mut [u32], mask: u32, others: &[u32]) {
    for (plane, other) in planes.iter_mut().zip(others) {
        *plane = *plane & !mask | other & mask;
    }
}

/// See [`Planes::lowest`].
#[inline(never)]
fn lowest(planes: &[u32], mask: u32) -> u32 {
    planes.iter().rev().fold(mask, |mask, plane| match mask & !plane {
        0 => mask,
        lower => lower,
    })
}

/// See [`Planes::equal`].
#[inline(never)]
fn equal(planes: &[u32], mut number: u8) -> u32 {
    let mut different = 0;
    for plane in planes {
        different |= plane ^ u32::from(number & 1).wrapping_neg();
        number >>= 1;
    }
    !different
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn planes_keep_and_compare_numbers(
            writes in prop::collection::vec((any::<u32>(), 0_u8..32), 0..20),
            mask in any::<u32>(),
            number in 0_u8..32,
        ) {
            let (mut planes, mut numbers) = (Planes::<5>::default(), [0; 32]);
            for (mask, number) in writes {
                let mut other = planes;
                other.set(!0, 31);
                other.set(mask, number);
                planes.copy(mask, &other);
                prop_assert_eq!(planes.equal(number) & mask, mask);
                planes.set(mask, number);
                (0..32).filter(|bit| mask >> bit & 1 != 0).for_each(|bit| numbers[bit] = number);
            }
            let word = |holds: &dyn Fn(usize) -> bool| {
                (0..32).fold(0, |word, bit| word | u32::from(holds(bit)) << bit)
            };
            prop_assert_eq!(planes.equal(number), word(&|bit| numbers[bit] == number));
            let least = (0..32).filter(|bit| mask >> bit & 1 != 0).map(|bit| numbers[bit]).min();
            let lowest = word(&|bit| mask >> bit & 1 != 0 && Some(numbers[bit]) == least);
            prop_assert_eq!(planes.lowest(mask), lowest);
        }
    }
}
