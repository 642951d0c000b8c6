//! The options of the program, and the files that they name.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use bulkhead::arch::addr::Pa;
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::decide::Question;

/// The offset of `image_size` in the header of an arm64 Image (Linux,
/// Documentation/arch/arm64/booting.rst).
const IMAGE_SIZE: usize = 16;
/// The magic number of that header, and its offset.
const IMAGE_MAGIC: (usize, &[u8]) = (56, b"ARM\x64");

/// The options with an address or a number: their names, the names of their values, and what they
/// say.
const NUMBERS: [(&str, &str, &str); 6] = [
    ("image-at", "ADDRESS", "Address at which the loader puts Bulkhead"),
    ("system-at", "ADDRESS", "Address at which the loader puts the description"),
    ("tree-at", "ADDRESS", "Address at which firmware puts the machine's tree"),
    ("boot-cpu", "MPIDR", "CPU on which the loader enters Bulkhead"),
    ("id-aa64mmfr0", "VALUE", "ID_AA64MMFR0_EL1, which says which page sizes the CPUs have"),
    ("last-direct-spi", "INTID", "Last SPI of the GIC; 0 if firmware owns an interrupt group"),
];

/// The options.
pub struct Options {
    matches: ArgMatches,
    /// The file for the map of the partitions.
    pub map: Option<PathBuf>,
}

/// Why there are no options.
pub struct Message {
    /// The message.
    pub text: String,
    /// Whether it is the help that was asked for.
    pub is_help: bool,
}

impl Options {
    /// Reads the arguments, the first of which is the name of the program.
    ///
    /// # Errors
    ///
    /// The help, or what is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Message> {
        let matches = command().try_get_matches_from(arguments).map_err(|error| Message {
            is_help: error.kind() == ErrorKind::DisplayHelp,
            text: error.to_string(),
        })?;
        let map = matches.get_one("svg").cloned();
        Ok(Self { matches, map })
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A sentence about the first that cannot be read, or that is not what it should be.
    pub fn read_question(&self) -> Result<Question, String> {
        let path = |name| self.matches.get_one::<PathBuf>(name);
        let number = |name| self.matches.get_one::<u64>(name).copied();
        let address = |name| number(name).map(Pa::new);
        let loads = self.matches.get_many::<OsString>("load").unwrap_or_default();
        Ok(Question {
            machine: path("machine").map(|path| read(path)).transpose()?.unwrap_or_default(),
            system: path("system").map(|path| read(path)).transpose()?,
            image_size: path("image").map_or(Ok(0), |path| image_size(path))?,
            image_at: address("image-at"),
            system_at: address("system-at"),
            tree_at: address("tree-at"),
            boot_cpu: number("boot-cpu").map(Mpidr::new),
            id_aa64mmfr0: number("id-aa64mmfr0"),
            last_direct_spi: number("last-direct-spi").map(last_direct_spi).transpose()?,
            loaded: loads.map(read_loaded).collect::<Result<_, _>>()?,
        })
    }
}

/// Returns the command line that is understood.
fn command() -> Command {
    let file = |name| Arg::new(name).value_name("FILE").value_parser(value_parser!(PathBuf));
    let about = "Checks a system description against a machine's tree, as booting does.\n\
        Exit status: 0 if it is accepted, 1 if it is refused, 2 if nothing could be checked.";
    let system = file("system").help("Description, as a blob (default: /chosen/bulkhead)");
    let machine = file("machine").long("machine").required(true);
    let image = file("image").long("image").default_value("target/bulkhead.img");
    let load = Arg::new("load").long("load").value_name("ADDRESS=FILE");
    let load = load.value_parser(value_parser!(OsString)).action(ArgAction::Append);
    Command::new("bulkhead-check")
        .about(about)
        .args([
            system,
            machine.help("Machine's tree, as a blob: /sys/firmware/fdt of a running Linux"),
            image.help("Bulkhead's image, for the memory that it needs"),
            file("svg").long("svg").help("File for a map of the partitions, as SVG"),
            load.help("Image that a loader puts into memory, for a kernel's reg"),
        ])
        .args(NUMBERS.map(|(name, value, help)| {
            Arg::new(name).long(name).value_name(value).help(help).value_parser(parse_number)
        }))
}

/// Reads a decimal or, after 0x, hexadecimal number.
fn parse_number(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "give a decimal number, or a hexadecimal one that begins with 0x".into())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Returns the SPI with this number; `None` for 0.
fn last_direct_spi(number: u64) -> Result<Option<Intid>, String> {
    let spi = u32::try_from(number).ok().and_then(Intid::new).filter(|it| !it.is_private());
    let wrong = || format!("--last-direct-spi {number}: give an SPI, 32 to 1019, or 0");
    if number == 0 { Ok(None) } else { Ok(Some(spi.ok_or_else(wrong)?)) }
}

/// Reads the size of an image from its header.
fn image_size(path: &Path) -> Result<u64, String> {
    let bytes = read(path)?;
    let (offset, magic) = IMAGE_MAGIC;
    let header = bytes.get(offset..).filter(|bytes| bytes.starts_with(magic));
    let size = header.and_then(|_| bytes.get(IMAGE_SIZE..)?.first_chunk());
    let not_image = || format!("{} is not an arm64 Image: give bulkhead.img", path.display());
    size.map(|size| u64::from_le_bytes(*size)).ok_or_else(not_image)
}

/// Reads the file of ADDRESS=FILE.
fn read_loaded(load: &OsString) -> Result<(Pa, &'static [u8]), String> {
    let text = load.to_string_lossy();
    let split = text.split_once('=').and_then(|(at, path)| Some((parse_number(at).ok()?, path)));
    let Some((at, path)) = split else {
        return Err(format!("--load {text}: give ADDRESS=FILE, as in 0x50000000=target/Image"));
    };
    // The library borrows images for as long as the program runs.
    Ok((Pa::new(at), read(Path::new(path))?.leak()))
}
