//! A property and the types of its value (Devicetree Specification 0.4, section 2.2.4).

use core::{iter, str};

/// A property: a name and bytes, whose type depends on the binding of its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Property<'a> {
    /// Returns the value as a `<string>`: `None` unless it is exactly one NUL-terminated string.
    #[inline(never)]
    pub fn as_str(&self) -> Option<&'a str> {
        let mut strings = self.strings()?;
        strings.next().filter(|_| strings.next().is_none())
    }

    /// Returns the value as a `<stringlist>`: `None` unless it is one NUL-terminated string or
    /// several.
    pub fn strings(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        self.text().map(strings)
    }

    /// Returns the strings of a `<stringlist>` with their NULs.
    #[inline(never)]
    pub(super) fn text(&self) -> Option<&'a str> {
        str::from_utf8(self.value).ok().filter(|text| text.ends_with('\0'))
    }

    /// Returns the value as one cell.
    #[inline(never)]
    pub fn u32(&self) -> Option<u32> {
        self.value.try_into().ok().map(u32::from_be_bytes)
    }

    /// Returns the value as a number in two cells.
    #[inline(never)]
    pub fn u64(&self) -> Option<u64> {
        self.value.try_into().ok().map(u64::from_be_bytes)
    }

    /// Returns the value as a number in one or two cells.
    #[inline(never)]
    pub fn number(&self) -> Option<u64> {
        self.u32().map(u64::from).or_else(|| self.u64())
    }

    /// Returns the value as cells: `None` if it is not a whole number of cells.
    pub fn cells(&self) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let (cells, rest) = self.value.as_chunks();
        rest.is_empty().then(|| cells.iter().map(|cell| u32::from_be_bytes(*cell)))
    }
}

/// Returns the strings in `text`, which ends with a NUL unless it is empty.
pub(super) fn strings(mut text: &str) -> impl Iterator<Item = &str> {
    iter::from_fn(move || split_off(&mut text))
}

/// Splits the first string with its NUL off `text` and returns it without the NUL.
#[inline(never)]
fn split_off<'a>(text: &mut &'a str) -> Option<&'a str> {
    let end = until_nul(text.as_bytes())?;
    let string = text.get(..end)?;
    *text = text.get(end + 1..)?;
    Some(string)
}

/// Returns the number of bytes before the first NUL.
// Not by `position`, which counts each byte in a register of its own.
#[inline(always)]
pub(super) fn until_nul(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.iter();
    rest.find(|byte| **byte == 0)?;
    Some(bytes.len().wrapping_sub(rest.as_slice().len()).wrapping_sub(1))
}
