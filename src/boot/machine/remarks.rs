//! What is odd about a tree.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use crate::boot::fdt::Node;

/// How many of the nodes that are passed over are named: on a bus that is wrong, all are.
const PASSED_OVER_TOLD: u32 = 4;

/// Remarks, a line each.
#[derive(Default)]
pub(super) struct Remarks {
    lines: Vec<String>,
    passed_over: u32,
}

impl Remarks {
    /// One more line.
    pub fn add(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Remarks that `node` is not used.
    pub fn pass_over(&mut self, node: Node<'_, '_>, why: &dyn Display) {
        self.passed_over += 1;
        if self.passed_over <= PASSED_OVER_TOLD {
            self.add(format!("{} is passed over: {why}", node.path()));
        }
    }

    /// All of them, with how many nodes more are not used.
    pub fn finish(mut self) -> Vec<String> {
        if let more @ 1.. = self.passed_over.saturating_sub(PASSED_OVER_TOLD) {
            self.add(format!("and so are {more} more nodes"));
        }
        self.lines
    }
}
