//! Remarks about a tree that is partly invalid.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use crate::boot::fdt::Node;

/// The number of ignored nodes that are named: a bus with an error makes all its nodes invalid.
const MAX_NAMED: u32 = 4;

/// The remarks so far, a line each.
#[derive(Default)]
pub(super) struct Remarks {
    lines: Vec<String>,
    ignored: u32,
}

impl Remarks {
    /// Adds a line.
    pub fn add(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Adds a line that says why `node` is ignored.
    pub fn ignore(&mut self, node: Node<'_, '_>, why: &dyn Display) {
        self.ignored += 1;
        if self.ignored <= MAX_NAMED {
            self.add(format!("{} is ignored: {why}", node.path()));
        }
    }

    /// Returns all lines, the last with the number of ignored nodes that are not named.
    pub fn finish(mut self) -> Vec<String> {
        if let more @ 1.. = self.ignored.saturating_sub(MAX_NAMED) {
            self.add(format!("{more} more nodes are ignored"));
        }
        self.lines
    }
}
