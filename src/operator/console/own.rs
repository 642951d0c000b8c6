//! Moves Bulkhead's own lines from their queue to the log and to the buffer.

use super::log::Log;
use super::own_lines::{After, OwnLine, OwnLines};
use super::source::Source;
use super::state::Console;
use crate::util::format::format;

impl Console {
    /// Does a part of moving Bulkhead's oldest own line from the queue to the log and to the
    /// buffer: each copy is a part. Returns whether it did anything. A line that must follow a
    /// partition's output waits until that was sent.
    pub fn take_own_line(&mut self, lines: &OwnLines, log: &Log, now: u64) -> bool {
        if !lines.is_ready() {
            return self.report_lost(lines, log, now);
        }
        if let Some(After { partition, position }) = lines.after()
            && let Some(channel) = self.channels.get_mut(Source::partition(partition).0)
        {
            let missing = position.wrapping_sub(channel.buffer.taken()) as isize;
            channel.hurries = missing > 0;
            if channel.hurries {
                self.note(Source::partition(partition));
                return false;
            }
        }
        let mut line = OwnLine::EMPTY;
        lines.peek(&mut line);
        if !self.is_logged {
            log.add(line.text());
            self.is_logged = true;
            return true;
        }
        let is_put = self.put_own_line(&line, now);
        if is_put {
            lines.pop();
            self.is_logged = false;
        }
        is_put
    }

    /// Reports lines for which the queue had no room. Returns whether there were any.
    fn report_lost(&mut self, lines: &OwnLines, log: &Log, now: u64) -> bool {
        let lost = lines.take_lost();
        if lost == 0 {
            return false;
        }
        let mut line = OwnLine::EMPTY;
        format(format_args!("{} lines of Bulkhead's own are lost", u64::from(lost)), &mut line);
        line.end();
        let is_put = self.put_own_line(&line, now);
        if is_put {
            log.add(line.text());
        } else {
            lines.add_lost(lost);
        }
        is_put
    }

    /// Adds a line to the buffer of Bulkhead's log. Returns whether there was room.
    // One copy for all callers.
    #[inline(never)]
    fn put_own_line(&mut self, line: &OwnLine, now: u64) -> bool {
        let has_room = self.channels[Source::BULKHEAD.0].buffer.push_all(line.text(), now);
        if has_room {
            self.note(Source::BULKHEAD);
        }
        has_room
    }
}
