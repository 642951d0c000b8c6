//! Turns the bytes of a source into what the UART gets: names, line ends, and lines that are redrawn.

use core::mem::{replace, take};

use super::OWN_NAMES;
use super::state::{Console, NEVER};

impl Console {
    /// Takes one byte of the source that has the turn and returns it for the UART. If other bytes
    /// must come before it or replace it, stages all of them and returns `None`.
    pub(super) fn stage(&mut self, now: u64) -> Option<u8> {
        let channel = &mut self.channels[self.turn];
        let Some(byte) = channel.take() else {
            self.allowance = 0;
            return None;
        };
        self.allowance = self.allowance.saturating_sub(1);
        let mut byte = byte;
        if byte == b'\r' {
            channel.carriage_return = true;
            if self.allowance == 0 || channel.buffer.first() != Some(b'\n') {
                return None;
            }
            byte = channel.take()?;
            self.allowance = self.allowance.saturating_sub(1);
        }
        let ends = byte == b'\n';
        let is_own = self.turn < OWN_NAMES.len();
        let byte = if ends || is_own { byte } else { channel.filter.pass(byte)? };
        let goes_on = self.open_line == Some(self.turn);
        let returns = take(&mut channel.carriage_return) && !ends;
        if let Some(focus) = &mut self.focus
            && self.open_line == Some(focus.source)
        {
            focus.redraw = now.saturating_add(self.pause);
        }
        if goes_on && !returns && !ends {
            return Some(byte);
        }
        let is_open = self.open_line.is_some();
        let returns_first = if is_open { returns } else { self.bare_end };
        if is_open && !goes_on {
            self.staged.extend(b"\r\n");
        } else if returns_first {
            self.staged.push(b'\r');
        }
        if returns || !goes_on {
            self.staged.extend(channel.prefix.as_bytes());
        }
        if ends {
            self.staged.push(b'\r');
        }
        self.staged.push(byte);
        self.bare_end = false;
        self.open_line = Some(self.turn);
        if ends {
            self.open_line = None;
            self.allowance = 0;
        }
        None
    }

    /// Takes one byte of the focused source in the same way, but unchanged. Redraws its line first
    /// if that was interrupted.
    pub(super) fn stage_raw(&mut self) -> Option<u8> {
        let (Some(focus), channel) = (&mut self.focus, &mut self.channels[self.turn]) else {
            return None;
        };
        let is_interrupted = replace(&mut focus.redraw, NEVER) != NEVER;
        if (is_interrupted || !channel.is_empty())
            && self.open_line.is_some_and(|it| it != self.turn)
        {
            self.staged.extend(b"\r\n");
            self.open_line = None;
        }
        if is_interrupted {
            // There is room: `staged` was empty.
            channel.tail.parts().into_iter().for_each(|part| self.staged.extend(part));
            self.open_line = Some(self.turn);
        }
        // A CR that was kept back belonged to the line that was redrawn.
        channel.carriage_return = false;
        let last = channel.tail.last();
        let Some(byte) = channel.take() else {
            self.allowance = 0;
            return None;
        };
        // The allowance is 0 if the turn began only to redraw.
        self.allowance = self.allowance.saturating_sub(1);
        focus.spent = focus.spent.wrapping_add(1);
        let ends = byte == b'\n';
        self.bare_end = ends && last != Some(b'\r');
        self.open_line = Some(self.turn).filter(|_| !ends);
        if ends {
            self.allowance = 0;
        }
        if self.staged.is_empty() {
            return Some(byte);
        }
        self.staged.push(byte);
        None
    }
}
