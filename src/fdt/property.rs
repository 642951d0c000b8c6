//! One property and the ways to read its value.

use core::str;

/// A property: a name and bytes, which mean what the binding of its node says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Property<'a> {
    /// The value as a `<string>`: `None` unless it is exactly one NUL-terminated string.
    #[must_use]
    #[inline(never)]
    pub fn as_str(&self) -> Option<&'a str> {
        self.text().filter(|text| !text.contains('\0'))
    }

    /// The value as a `<stringlist>`: `None` unless it is one NUL-terminated string or several.
    #[must_use]
    pub fn strings(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        Some(self.text()?.split('\0'))
    }

    /// The strings of a `<stringlist>` with the NULs between them, without the last NUL.
    fn text(&self) -> Option<&'a str> {
        let (last, strings) = self.value.split_last()?;
        if *last != 0 {
            return None;
        }
        str::from_utf8(strings).ok()
    }

    /// The value as one cell.
    #[must_use]
    pub fn u32(&self) -> Option<u32> {
        let cell: [u8; 4] = self.value.try_into().ok()?;
        Some(u32::from_be_bytes(cell))
    }

    /// The value as a number of two cells.
    #[must_use]
    pub fn u64(&self) -> Option<u64> {
        let cells: [u8; 8] = self.value.try_into().ok()?;
        Some(u64::from_be_bytes(cells))
    }

    /// The value as a number of one cell or two.
    #[must_use]
    #[inline(never)]
    pub fn number(&self) -> Option<u64> {
        self.u32().map(u64::from).or_else(|| self.u64())
    }

    /// The value as cells: `None` when it is not a whole number of them.
    #[must_use]
    pub fn cells(&self) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let (cells, rest) = self.value.as_chunks();
        rest.is_empty().then(|| cells.iter().map(|cell| u32::from_be_bytes(*cell)))
    }
}
