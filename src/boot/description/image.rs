//! What kind of kernel a file is, by its first bytes.

/// A kernel that can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// An arm64 Image (Linux, Documentation/arch/arm64/booting.rst).
    Arm64 {
        /// Bytes from a 2 MiB boundary to where it goes.
        text_offset: u64,
        /// Bytes of memory from there on that it needs; 0 if it does not say.
        size: u64,
    },
    /// A flat binary, entered at its first byte.
    Flat,
}

/// A file that is no kernel: the magic bytes, where they are, and what the user should know.
const REFUSED: [(&[u8], usize, &str); 8] = [
    (b"\x7fELF\x01", 0, "is a 32-bit ELF file: give a 64-bit kernel, as an Image or flat binary"),
    (b"\x7fELF", 0, "is an ELF file: give the output of `objcopy -O binary`"),
    (b"\x18\x28\x6f\x01", 36, "is a 32-bit zImage: give a 64-bit kernel, as an Image"),
    (b"\x1f\x8b", 0, "is compressed: give the output of `gunzip`"),
    (b"\x28\xb5\x2f\xfd", 0, "is compressed: give the output of `unzstd`"),
    (b"zimg", 4, "is a compressed EFI image: give the Image inside"),
    (b"\x27\x05\x19\x56", 0, "is a U-Boot image: give the kernel inside"),
    (b"\xd0\x0d\xfe\xed", 0, "is a device tree: give a kernel"),
];

const MAGIC: &[u8] = b"ARM\x64";
const MAGIC_OFFSET: usize = 56;
const TEXT_OFFSET: usize = 8;
const SIZE: usize = 16;
const FLAGS: usize = 24;
/// Where an Image goes whose header is too old to say.
const OLD_TEXT_OFFSET: u64 = 0x8_0000;

impl Image {
    /// What a file with these bytes is.
    ///
    /// # Errors
    ///
    /// What it is if it is for other processors or has to be unpacked first, and what to give
    /// instead: the end of a sentence.
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
        Ok(match field(SIZE) {
            0 => Self::Arm64 { text_offset: OLD_TEXT_OFFSET, size: 0 },
            size => Self::Arm64 { text_offset: field(TEXT_OFFSET), size },
        })
    }
}
