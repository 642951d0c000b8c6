//! Identifies the format of a kernel by its first bytes.

use crate::boot::granule::Granule;

/// The format of a kernel that can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// An arm64 Image (Linux, Documentation/arch/arm64/booting.rst).
    Arm64 {
        /// The offset in bytes from a 2 MiB boundary to its address.
        text_offset: u64,
        /// The bytes of memory that it needs from there on; 0 if unknown.
        size: u64,
        /// The size of its pages, if the header says it.
        granule: Option<Granule>,
    },
    /// A flat binary, entered at its first byte.
    Flat,
}

/// Formats that cannot be booted: the magic bytes, their offset, and the end of the refusal.
const REFUSED: [(&[u8], usize, &str); 15] = [
    (b"\x7fELF\x01", 0, "is a 32-bit ELF file: give a 64-bit kernel, as an Image or flat binary"),
    (b"\x7fELF", 0, "is an ELF file: give the output of `objcopy -O binary`"),
    (b"\x18\x28\x6f\x01", 36, "is a 32-bit zImage: give a 64-bit kernel, as an Image"),
    (b"\x1f\x8b", 0, "is compressed: give the output of `gunzip`"),
    (b"\x28\xb5\x2f\xfd", 0, "is compressed: give the output of `unzstd`"),
    (b"\xfd7zXZ\0", 0, "is compressed: give the output of `unxz`"),
    // The usual properties and the low bytes of the dictionary's size: 8 MiB, or from 16 MiB on.
    // A flat binary can start with 5d 00 00 14, which is a branch.
    (b"\x5d\0\0\x80", 0, "is compressed: give the output of `unlzma`"),
    (b"\x5d\0\0\0", 0, "is compressed: give the output of `unlzma`"),
    (b"1AY&SY", 4, "is compressed: give the output of `bunzip2`"),
    (b"\x04\x22\x4d\x18", 0, "is compressed: give the output of `unlz4`"),
    (b"\x02\x21\x4c\x18", 0, "is compressed: give the output of `unlz4`"),
    (b"\x89LZO\0", 0, "is compressed: give the output of `lzop -d`"),
    (b"zimg", 4, "is a compressed EFI image: give the Image inside"),
    (b"\x27\x05\x19\x56", 0, "is a U-Boot image: give the kernel inside"),
    (b"\xd0\x0d\xfe\xed", 0, "is a device tree: give a kernel"),
];

/// The fields of an Image's header, as offsets in bytes.
const MAGIC: &[u8] = b"ARM\x64";
const MAGIC_OFFSET: usize = 56;
const TEXT_OFFSET: usize = 8;
const SIZE: usize = 16;
const FLAGS: usize = 24;
/// The `text_offset` of an Image whose header has no size: old headers leave both out.
const OLD_TEXT_OFFSET: u64 = 0x8_0000;

impl Image {
    /// Identifies the format of a file with these bytes.
    ///
    /// # Errors
    ///
    /// The format, if it cannot be booted, and what to give instead, as the end of a sentence.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, &'static str> {
        let starts = |magic: &[u8], offset: usize| {
            bytes.get(offset..).is_some_and(|bytes| bytes.starts_with(magic))
        };
        for (magic, offset, problem) in REFUSED {
            if starts(magic, offset) {
                return Err(problem);
            }
        }
        if !starts(MAGIC, MAGIC_OFFSET) {
            return Ok(Self::Flat);
        }
        let field = |offset: usize| {
            let field = bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
            u64::from_le_bytes(field.copied().unwrap_or_default())
        };
        if field(FLAGS) & 1 != 0 {
            return Err("is a big-endian Image: give a little-endian one");
        }
        let granule = Granule::of_image(field(FLAGS));
        Ok(match field(SIZE) {
            0 => Self::Arm64 { text_offset: OLD_TEXT_OFFSET, size: 0, granule },
            size => Self::Arm64 { text_offset: field(TEXT_OFFSET), size, granule },
        })
    }
}
