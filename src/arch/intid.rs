//! INTIDs of the Generic Interrupt Controller (IHI 0069, section 2.2).

/// The number by which the GIC identifies an interrupt: SGIs 0-15, PPIs 16-31, SPIs 32-1019.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Intid(u32);

impl Intid {
    /// One past the last software-generated interrupt (SGI).
    pub const SGI_END: u32 = 16;
    /// The first shared peripheral interrupt (SPI).
    pub const SPI_START: u32 = 32;
    /// One past the last shared peripheral interrupt. 1020 to 1023 are special INTIDs.
    pub const SPI_END: u32 = 1020;

    /// The first locality-specific peripheral interrupt (LPI), which comes by a message.
    pub const LPI_START: u32 = 8192;
    /// The number of LPIs that each source of messages has, one for each INTID that there is.
    pub const LPIS_OF_SOURCE: u32 = 1024;

    /// Creates the INTID with this number; `None` from 1020 on.
    pub const fn new(number: u32) -> Option<Self> {
        if number < Self::SPI_END { Some(Self(number)) } else { None }
    }

    /// Returns the private peripheral interrupt (PPI) that the `arm,gic` device tree bindings call
    /// `GIC_PPI number` (0 to 15); `None` for other numbers.
    pub const fn ppi(number: u32) -> Option<Self> {
        if number < 16 { Some(Self(number + 16)) } else { None }
    }

    /// Returns the shared peripheral interrupt that the `arm,gic` device tree bindings call
    /// `GIC_SPI number` (0 to 987); `None` for other numbers.
    pub const fn spi(number: u32) -> Option<Self> {
        Self::new(number.saturating_add(Self::SPI_START))
    }

    /// Returns the LPI by which the message of a source arrives that stands for this interrupt: the
    /// sources' LPIs follow each other, `number` is that of the source.
    // Inlined into the code of boot.
    #[inline(always)]
    pub const fn lpi(self, number: u32) -> u32 {
        Self::LPI_START + number * Self::LPIS_OF_SOURCE + self.0
    }

    /// Returns the interrupt for which a number that is no INTID of this type stands, if it is that
    /// of an LPI.
    #[inline(always)]
    pub const fn of_lpi(number: u32) -> Option<Self> {
        if number < Self::LPI_START { None } else { Self::new(number % Self::LPIS_OF_SOURCE) }
    }

    /// Returns the number of the source whose LPI this is.
    pub const fn source_of_lpi(number: u32) -> u32 {
        number.wrapping_sub(Self::LPI_START) / Self::LPIS_OF_SOURCE
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns whether each CPU has its own interrupt with this number (SGI or PPI).
    pub const fn is_private(self) -> bool {
        self.0 < Self::SPI_START
    }

    /// Returns whether it is a software-generated interrupt.
    pub const fn is_sgi(self) -> bool {
        self.0 < Self::SGI_END
    }
}

/// What makes an interrupt pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Trigger {
    /// A rising edge: pending until acknowledged.
    Edge,
    /// A high level: pending for as long as the line is high.
    Level,
}

/// The interrupt of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupt {
    /// Its INTID.
    pub intid: Intid,
    /// How it is signalled.
    pub trigger: Trigger,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lpi_stands_for_one_interrupt_of_one_source() {
        let spi = Intid::new(96).unwrap();
        assert_eq!([0, 1, 55].map(|source| spi.lpi(source)), [8288, 9312, 8192 + 55 * 1024 + 96]);
        for source in [0, 1, 55] {
            assert_eq!(Intid::of_lpi(spi.lpi(source)), Some(spi));
            assert_eq!(Intid::source_of_lpi(spi.lpi(source)), source);
        }
        // Special INTIDs, extended SPIs, and LPIs that no source has.
        for number in [1020, 1023, 4096, 8191, 8192 + 1020, 8192 + 1023] {
            assert_eq!(Intid::of_lpi(number), None, "{number}");
        }
    }
}
