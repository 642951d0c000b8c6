use super::buffer::LIMIT;
use super::*;
use alloc::string::String;
use proptest::prelude::*;
use std::vec;

mod focused;
mod input;
mod pieces;

const PAUSE: u64 = 20;
const LOG: Source = Source::BULKHEAD;
const ONE: Source = Source::partition(0);
const TWO: Source = Source::partition(1);
const SOURCES: [Source; 3] = [LOG, ONE, TWO];

fn console() -> Console {
    Console::new(&["linux", "rt"], PAUSE)
}

fn put(console: &mut Console, source: Source, text: &str, now: u64) {
    for &byte in text.as_bytes() {
        assert_eq!(console.put(source, byte, now), Ok(()));
    }
}

/// Returns how many bytes `source` can write.
fn room(console: &Console, source: Source) -> usize {
    LIMIT - console.buffer(source).len()
}

/// A UART that takes bytes up to a number.
struct Bytes {
    taken: std::vec::Vec<u8>,
    room: usize,
}

impl Transmitter for Bytes {
    fn room(&mut self) -> usize {
        // As of a UART with a FIFO of 4 bytes that empties at random: any number that is known.
        (self.room - self.taken.len()).min(1 + self.taken.len() % 4)
    }

    fn put(&mut self, bytes: impl Iterator<Item = u8>) -> usize {
        let before = self.taken.len();
        self.taken.extend(bytes);
        assert!(self.taken.len() <= self.room);
        self.taken.len() - before
    }
}

/// Sends with this budget and room, and returns what was sent and why sending stopped.
fn send(console: &mut Console, now: u64, budget: usize, room: usize) -> (String, Stop) {
    let mut bytes = Bytes { taken: vec![], room };
    let stop = console.send(now, budget, &mut bytes, &|_| true);
    (String::from_utf8(bytes.taken).unwrap(), stop)
}

impl Console {
    /// Takes the next byte for the UART, or `None` if nothing is due at the time `now`.
    fn next(&mut self, now: u64) -> Option<u8> {
        let mut bytes = Bytes { taken: vec![], room: 1 };
        while bytes.taken.is_empty() {
            if self.send(now, 1, &mut bytes, &|_| true) == Stop::Nothing {
                return None;
            }
        }
        bytes.taken.pop()
    }
}

fn output(console: &mut Console, now: u64) -> String {
    std::iter::from_fn(|| console.next(now)).map(char::from).collect()
}

#[test]
fn complete_lines_take_turns_behind_aligned_names() {
    let mut console = console();
    put(&mut console, ONE, "a\nb\nc", 0);
    put(&mut console, TWO, "1\n2\n", 0);
    put(&mut console, LOG, "log\n", 0);
    assert_eq!(
        output(&mut console, 0),
        "[linux]    a\r\n[rt]       1\r\n[bulkhead] log\r\n[linux]    b\r\n[rt]       2\r\n"
    );
    put(&mut console, ONE, "!\n", 0);
    assert_eq!(output(&mut console, 0), "[linux]    c!\r\n");
}

#[test]
fn a_prompt_comes_out_after_a_pause_and_continues_in_place() {
    let mut console = console();
    put(&mut console, ONE, "log", 1);
    put(&mut console, ONE, "in: ", 5);
    assert_eq!((output(&mut console, 24), console.deadline()), (String::new(), Some(25)));
    assert_eq!(output(&mut console, 25), "[linux]    login: ");
    assert_eq!(console.deadline(), None);
    put(&mut console, ONE, "root", 30);
    assert_eq!(output(&mut console, 30), "root", "no other source waits");
    put(&mut console, TWO, "x\n", 40);
    put(&mut console, ONE, "\nok\n", 40);
    assert_eq!(output(&mut console, 40), "\r\n[rt]       x\r\n[linux]    \r\n[linux]    ok\r\n");
}

#[test]
fn an_open_line_waits_for_the_end_of_the_others_lines() {
    let mut console = console();
    put(&mut console, ONE, "a", 0);
    assert_eq!(output(&mut console, PAUSE), "[linux]    a");
    put(&mut console, TWO, "12\n", PAUSE);
    assert_eq!(console.next(PAUSE), Some(b'\r'));
    put(&mut console, ONE, "b", PAUSE);
    assert_eq!(output(&mut console, PAUSE), "\n[rt]       12\r\n");
    assert_eq!(output(&mut console, 11 * PAUSE), "[linux]    b");
}

#[test]
fn line_ends_are_cr_lf_and_progress_bars_keep_the_name() {
    let mut console = console();
    put(&mut console, ONE, "a\r\nb\r\r\n\r\n1%\r2%\rdone\n", 0);
    assert_eq!(
        output(&mut console, 0),
        "[linux]    a\r\n[linux]    b\r\n[linux]    \r\n\
         [linux]    1%\r[linux]    2%\r[linux]    done\r\n"
    );
    put(&mut console, ONE, "3%\r", 0);
    assert_eq!(output(&mut console, PAUSE), "[linux]    3%");
    put(&mut console, TWO, "x\n", PAUSE);
    assert_eq!(output(&mut console, PAUSE), "\r\n[rt]       x\r\n");
    put(&mut console, ONE, "4%\n", PAUSE);
    assert_eq!(output(&mut console, PAUSE), "[linux]    4%\r\n");
}

#[test]
fn a_full_buffer_refuses_bytes_and_comes_out_before_its_line_ends() {
    let mut console = console();
    put(&mut console, ONE, &"x".repeat(LIMIT), 0);
    assert_eq!((console.put(ONE, b'y', 0), room(&console, ONE)), (Err(Full), 0));
    assert_eq!(room(&console, TWO), LIMIT);
    put(&mut console, TWO, "2\n", 0);
    let first: String = (0..13).filter_map(|_| console.next(0)).map(char::from).collect();
    assert_eq!((first.as_str(), room(&console, ONE)), ("[linux]    xx", 2));
    put(&mut console, ONE, "y\n", 0);
    let rest = output(&mut console, 0);
    assert!(rest.starts_with("xxx") && rest.ends_with("xxx\r\n[rt]       2\r\n[linux]    y\r\n"));
}

#[test]
fn a_name_that_is_too_long_is_cut() {
    let mut console = Console::new(&[&"n".repeat(99)], PAUSE);
    put(&mut console, ONE, "a\rb\n", 0);
    put(&mut console, LOG, "log\n", 0);
    let [name, spaces] = ["n".repeat(31), " ".repeat(24)];
    let lines = format!("[{name}] a\r[{name}] b\r\n[bulkhead]{spaces}log\r\n");
    assert_eq!(output(&mut console, 0), lines);
}

#[test]
fn at_the_last_time_everything_left_comes_out() {
    let mut console = console();
    put(&mut console, ONE, "half", 7);
    put(&mut console, LOG, "log\n", 7);
    let left: String = std::iter::from_fn(|| console.next(u64::MAX)).map(char::from).collect();
    assert_eq!(left, "[linux]    half\r\n[bulkhead] log\r\n");
}

#[test]
fn a_flood_gets_no_more_than_its_share() {
    let mut console = console();
    let refill = |console: &mut Console| while console.put(ONE, b'\n', 0).is_ok() {};
    refill(&mut console);
    put(&mut console, TWO, "a\nb\n", 0);
    let mut seen = String::new();
    for _ in 0..4 * "[linux]    \r\n".len() + 2 {
        seen.extend(console.next(0).map(char::from));
        refill(&mut console);
    }
    let (flood, a, b) = ("[linux]    \r\n", "[rt]       a\r\n", "[rt]       b\r\n");
    assert_eq!(seen, [flood, a, flood, b].concat());
}

/// Three of these fill a buffer.
const LONG: &str = match core::str::from_utf8(&[b'z'; 700]) {
    Ok(text) => text,
    Err(_) => panic!(),
};

/// A step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, &'static str),
    Drain(usize),
    Wait(u64),
}

fn steps(waits: bool) -> impl Strategy<Value = Vec<Step>> {
    // `$` stands before every LF and nowhere else, to distinguish the end of a line from a break
    // that another source made.
    let mut texts = vec!["a", "bc", "d e", "$\n", "f$\n", "$\r\n", "g$\r\r\n", "\r", "x\ry"];
    if waits {
        texts.push(LONG);
    }
    let text = prop::sample::select(texts);
    let wait = if waits { 0..2 * PAUSE } else { 0..1 };
    let step = prop_oneof![
        4 => (0..3_usize, text).prop_map(|(source, text)| Step::Write(source, text)),
        2 => (0..40_usize).prop_map(Step::Drain),
        1 => wait.prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

/// Runs `steps` and ends every line. Returns what each source wrote, and what came out.
fn run(steps: Vec<Step>) -> ([String; 3], String) {
    let mut console = console();
    let (mut written, mut out, mut now) = ([const { String::new() }; 3], String::new(), 0);
    for step in steps {
        match step {
            Step::Write(source, text) => {
                for &byte in text.as_bytes() {
                    while console.put(SOURCES[source], byte, now).is_err() {
                        out.push(console.next(now).expect("full and yet waiting").into());
                    }
                }
                written[source].push_str(text);
            }
            Step::Drain(count) => {
                out.extend((0..count).map_while(|_| console.next(now)).map(char::from))
            }
            Step::Wait(time) => now += time,
        }
    }
    for (source, written) in written.iter_mut().enumerate() {
        out.push_str(&output(&mut console, now));
        put(&mut console, SOURCES[source], "$\n", now);
        written.push_str("$\n");
    }
    out.push_str(&output(&mut console, now));
    (written, out)
}

/// Returns a source's text without CRs, which may or may not be visible in the output.
fn plain(text: &str) -> String {
    text.replace('\r', "")
}

/// Returns the source of a line on the screen, and its text without names and CRs.
fn text_of(line: &str) -> Option<(usize, String)> {
    let prefixes = ["[bulkhead] ", "[linux]    ", "[rt]       "];
    let source = prefixes.iter().position(|prefix| line.starts_with(prefix))?;
    Some((source, plain(&line.replace(prefixes[source], ""))))
}

proptest! {
    #[test]
    fn every_source_comes_out_complete_and_in_order(steps in steps(true)) {
        let (written, out) = run(steps);
        let mut read = [const { String::new() }; 3];
        prop_assert!(out.ends_with("\r\n"));
        for line in out.split_terminator("\r\n") {
            let Some((source, text)) = text_of(line) else {
                return Err(TestCaseError::fail(format!("no name: {line:?}")));
            };
            prop_assert!(!text.contains('['), "a name inside a line: {:?}", line);
            read[source].push_str(&text);
            if text.ends_with('$') {
                read[source].push('\n');
            }
        }
        prop_assert_eq!(read, written.map(|text| plain(&text)));
    }

    #[test]
    fn lines_are_whole_if_no_source_pauses(steps in steps(false)) {
        let (written, out) = run(steps);
        let mut lines: Vec<_> = out.split_terminator("\r\n").map(text_of).collect();
        lines.sort_by_key(|line| line.as_ref().map(|(source, _)| *source));
        let whole = written.iter().enumerate().flat_map(|(source, text)| {
            let text = plain(text);
            let lines = text.split_terminator('\n').map(|line| Some((source, String::from(line))));
            lines.collect::<Vec<_>>()
        });
        prop_assert_eq!(lines, whole.collect::<Vec<_>>());
    }
}
