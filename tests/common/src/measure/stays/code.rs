//! EL2's code while guests run, as far as the log of executed blocks needs it: where blocks end,
//! and which function an instruction belongs to.

use object::{Object, ObjectSection, ObjectSymbol};

use crate::elf;
use crate::measure::parallel::LOAD_ADDRESS;

/// How EL2 was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A synchronous exception from a guest.
    Synchronous,
    /// An IRQ while a guest ran.
    Irq,
    /// An FIQ while a guest ran.
    Fiq,
    /// An SError while a guest ran.
    Serror,
    /// Not from a guest: the CPU is in the run loop.
    RunLoop,
}

/// What an instruction does to the flow of execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It continues with the next one.
    Plain,
    /// It continues with the next one, and may end a block: a system instruction.
    System,
    /// It is a branch, a call or a return, which ends a block.
    Branch,
    /// ERET.
    Eret,
    /// WFI.
    Wait,
}

impl Kind {
    /// Classifies an instruction (Arm ARM C4.1).
    pub fn of(instruction: u32) -> Self {
        match instruction {
            0xd69f_03e0 => Self::Eret,
            0xd503_207f => Self::Wait,
            // Unconditional branches, compare and branch, test and branch, conditional branches,
            // exceptions, branches to a register.
            _ if instruction & 0x7c00_0000 == 0x1400_0000
                || instruction & 0x7c00_0000 == 0x3400_0000
                || instruction & 0xff00_0000 == 0x5400_0000
                || instruction & 0xff00_0000 == 0xd400_0000
                || instruction & 0xfe00_0000 == 0xd600_0000 =>
            {
                Self::Branch
            }
            _ if instruction & 0xffc0_0000 == 0xd500_0000 => Self::System,
            _ => Self::Plain,
        }
    }
}

/// Code at the addresses at which it runs.
pub struct Code {
    base: u64,
    vectors: u64,
    kinds: Vec<Kind>,
    /// For each instruction, the number of the next one that certainly ends a block.
    ends: Vec<u32>,
    /// For each instruction, the number of its function.
    owners: Vec<u16>,
    functions: Vec<String>,
}

impl Code {
    /// Returns the code of these instructions, which runs at `base`. `symbols` has the addresses
    /// and names of its functions in ascending order, with one for the first instruction.
    pub fn new(base: u64, vectors: u64, words: &[u32], symbols: &[(u64, String)]) -> Self {
        let kinds: Vec<_> = words.iter().map(|word| Kind::of(*word)).collect();
        let mut ends = vec![0; words.len()];
        let mut end = words.len().saturating_sub(1) as u32;
        for (index, kind) in kinds.iter().enumerate().rev() {
            if !matches!(kind, Kind::Plain | Kind::System) {
                end = index as u32;
            }
            ends[index] = end;
        }
        let mut owners = Vec::with_capacity(words.len());
        for index in 0..words.len() {
            let address = base + 4 * index as u64;
            let after = symbols.partition_point(|(symbol, _)| *symbol <= address);
            owners.push(after.saturating_sub(1) as u16);
        }
        let functions = symbols.iter().map(|(_, name)| name.clone()).collect();
        Self { base, vectors, kinds, ends, owners, functions }
    }

    /// Returns the code of the image that stays while guests run.
    pub fn of_image() -> Self {
        let bytes = elf();
        let file = object::File::parse(&*bytes).expect("the image is an ELF file");
        let names = [
            ".virtio.text",
            ".links.text",
            ".streams.text",
            ".terminal.text",
            ".disks.text",
            ".memory.text",
            ".monitor.text",
            ".entropy.text",
            ".text",
        ];
        let sections = names.map(|name| {
            let section = file.section_by_name(name).expect("the image has this section");
            (section.address(), section.data().expect("the ELF file has the section's bytes"))
        });
        let start = sections.iter().map(|(address, _)| *address).min().unwrap_or(0);
        let end = sections.iter().map(|(address, data)| address + data.len() as u64).max();
        let mut words = vec![0; (end.unwrap_or(0) - start) as usize / 4];
        for (address, data) in sections {
            let first = (address - start) as usize / 4;
            for (word, bytes) in words[first..].iter_mut().zip(data.chunks_exact(4)) {
                *word = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
            }
        }
        let is_code = |it: &object::Symbol<'_, '_>| {
            // Sections, mapping symbols (AAELF64 5.5.5) and the linker script's are no functions.
            let is_function = |name: &str| {
                !name.is_empty() && (name.starts_with("_R") || !name.starts_with(['$', '_', '.']))
            };
            let is_function = it.name().is_ok_and(is_function);
            is_function && (start..start + 4 * words.len() as u64).contains(&it.address())
        };
        let symbols = file.symbols().filter(is_code);
        let mut symbols: Vec<_> = symbols
            .map(|it| (LOAD_ADDRESS + it.address(), path(it.name().unwrap_or_default())))
            .collect();
        symbols.sort();
        symbols.dedup_by_key(|(address, _)| *address);
        let vectors = symbols.iter().find(|(_, name)| name == "vectors");
        let vectors = vectors.expect("the image has vectors").0;
        Self::new(LOAD_ADDRESS + start, vectors, &words, &symbols)
    }

    /// Returns the argument of QEMU's `-dfilter` that selects this code.
    pub fn filter(&self) -> String {
        format!("{:#x}+{:#x}", self.base, 4 * self.kinds.len())
    }

    /// Returns the number of an instruction, `None` outside this code.
    fn index(&self, address: u64) -> Option<usize> {
        let index = (address.checked_sub(self.base)? / 4) as usize;
        (index < self.kinds.len()).then_some(index)
    }

    /// Returns how many instructions of a block were executed, and what the last of them does. The
    /// block begins at `address` and has at most `most` instructions unless that is 0; the next
    /// block of the same CPU begins at `next`.
    ///
    /// A block ends at a branch, at the end of a page, and after some system instructions.
    pub fn block(&self, address: u64, most: u64, next: u64) -> (u64, Kind) {
        let Some(first) = self.index(address) else { return (0, Kind::Plain) };
        let mut last = self.ends[first] as usize;
        if let Some(following) = self.index(next)
            && (first + 1..=last).contains(&following)
            && (next.is_multiple_of(0x1000) || self.kinds[following - 1] == Kind::System)
        {
            last = following - 1;
        }
        if most > 0 {
            last = last.min(first + most as usize - 1);
        }
        ((last - first + 1) as u64, self.kinds[last])
    }

    /// Returns how EL2 is entered at this address; `None` if it is not an exception vector for a
    /// guest.
    pub fn entry(&self, address: u64) -> Option<Entry> {
        match address.checked_sub(self.vectors)? {
            0x400 | 0x600 => Some(Entry::Synchronous),
            0x480 | 0x680 => Some(Entry::Irq),
            0x500 | 0x700 => Some(Entry::Fiq),
            0x580 | 0x780 => Some(Entry::Serror),
            _ => None,
        }
    }

    /// Returns the number of the function that contains an address.
    pub fn function(&self, address: u64) -> usize {
        self.index(address).map_or(0, |index| self.owners[index].into())
    }

    /// Returns the names of all functions.
    pub fn functions(&self) -> &[String] {
        &self.functions
    }
}

/// Returns the identifiers of a mangled name (v0), joined like a path; other names as they are.
pub fn path(mangled: &str) -> String {
    let Some(mut rest) = mangled.strip_prefix("_R") else { return mangled.into() };
    let mut path = String::new();
    while let Some(first) = rest.bytes().next() {
        match first {
            // A crate's disambiguator, or a back reference: base 62 up to an underscore.
            b's' | b'B' if rest.contains('_') => {
                rest = rest.split_once('_').map_or("", |(_, rest)| rest);
            }
            b'1'..=b'9' => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let length: usize = rest[..digits].parse().unwrap_or(0);
                let name = rest[digits..].trim_start_matches('_');
                let Some(name) = name.get(..length) else { break };
                if !path.is_empty() {
                    path += "::";
                }
                path += name;
                let begin = rest[digits..].find(name).unwrap_or(0) + digits;
                rest = &rest[begin + length..];
            }
            _ => rest = &rest[1..],
        }
    }
    path
}
