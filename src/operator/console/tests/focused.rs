//! Tests of the focused view.

use super::*;
use crate::operator::console::channel::TAIL_BYTES;

const MONITOR: Source = Source::MONITOR;
/// The longest time that other sources wait.
const PATIENCE: u64 = 10 * PAUSE;

fn focused(source: Source) -> Console {
    let mut console = console();
    console.focus(Some(source), 0);
    console
}

#[test]
fn the_focused_source_passes_at_once_and_unchanged() {
    let mut console = focused(ONE);
    for text in ["login: ", "root", "\r\n", "\x1b[2J\x07", "a\rb\n\n"] {
        put(&mut console, ONE, text, 0);
        assert_eq!((output(&mut console, 0).as_str(), console.deadline()), (text, None));
    }
    let mut console = focused(MONITOR);
    put(&mut console, MONITOR, "bulkhead> ", 0);
    assert_eq!(output(&mut console, 0), "bulkhead> ");
}

#[test]
fn other_lines_come_between_lines_in_turns() {
    let mut console = focused(ONE);
    put(&mut console, TWO, "1\n2\n", 0);
    put(&mut console, ONE, "a\r\nb\r\nc", 0);
    put(&mut console, LOG, "log\n", 0);
    assert_eq!(
        output(&mut console, 0),
        "[bulkhead] log\r\na\r\n[rt]       1\r\nb\r\n[rt]       2\r\nc"
    );
}

#[test]
fn a_line_after_a_bare_lf_begins_at_the_left() {
    let mut console = focused(ONE);
    put(&mut console, ONE, "a\n", 0);
    assert_eq!(output(&mut console, 0), "a\n");
    put(&mut console, ONE, "b\n\r\nc", 0);
    put(&mut console, TWO, "x\ny\n", 0);
    assert_eq!(output(&mut console, 0), "\r[rt]       x\r\nb\n\r[rt]       y\r\n\r\nc");
}

#[test]
fn a_prompt_that_pauses_is_interrupted_and_redrawn() {
    let mut console = focused(ONE);
    put(&mut console, ONE, "\r\n$ ls", 0);
    assert_eq!(output(&mut console, 0), "\r\n$ ls");
    put(&mut console, TWO, "x\n", 5);
    assert_eq!((output(&mut console, 5), console.deadline()), (String::new(), Some(PAUSE)));
    assert_eq!(output(&mut console, PAUSE), "\r\n[rt]       x\r\n");
    put(&mut console, TWO, "y\n", PAUSE + 1);
    assert_eq!(output(&mut console, PAUSE + 1), "[rt]       y\r\n");
    assert_eq!(console.deadline(), Some(2 * PAUSE));
    assert_eq!(output(&mut console, 2 * PAUSE), "$ ls");
    put(&mut console, ONE, "\x08", 2 * PAUSE);
    assert_eq!((output(&mut console, 2 * PAUSE).as_str(), console.deadline()), ("\x08", None));
}

#[test]
fn an_echoed_key_redraws_the_interrupted_line_at_once() {
    let mut console = focused(ONE);
    put(&mut console, ONE, "$ l", 0);
    put(&mut console, TWO, "x\n", 0);
    assert_eq!(output(&mut console, 0), "[rt]       x\r\n$ l");
    put(&mut console, TWO, "y\n", PAUSE);
    assert_eq!(output(&mut console, PAUSE), "\r\n[rt]       y\r\n");
    put(&mut console, ONE, "s", PAUSE + 1);
    assert_eq!(output(&mut console, PAUSE + 1), "$ ls");
}

#[test]
fn a_report_is_requested_of_the_terminal_once() {
    let mut console = focused(ONE);
    let prompt = "\x1b[1m$\x1b[m \x1b[6n\x1b[>0c\x1b[K\x1b[?25n3n[6n\x1b";
    put(&mut console, ONE, prompt, 0);
    assert_eq!(output(&mut console, 0), prompt);
    put(&mut console, TWO, "x\n", 0);
    let again = output(&mut console, 2 * PAUSE) + &output(&mut console, 3 * PAUSE);
    assert_eq!(again, "\r\n[rt]       x\r\n\x1b[1m$\x1b[m \x1b[K3n[6n\x1b");
}

#[test]
fn the_end_of_a_long_line_is_redrawn() {
    let mut console = focused(ONE);
    let line: String = ('0'..='z').cycle().take(3 * TAIL_BYTES).collect();
    put(&mut console, ONE, &line, 0);
    assert_eq!(output(&mut console, 0), line);
    put(&mut console, TWO, "x\n", 0);
    let again = output(&mut console, 2 * PAUSE) + &output(&mut console, 3 * PAUSE);
    assert_eq!(again, format!("\r\n[rt]       x\r\n{}", &line[2 * TAIL_BYTES..]));
}

#[test]
fn a_line_does_not_continue_behind_another_prompt() {
    let mut console = focused(ONE);
    put(&mut console, ONE, "a\r\n", 0);
    put(&mut console, TWO, "login: ", 0);
    assert_eq!(output(&mut console, 0), "a\r\n");
    assert_eq!(output(&mut console, PATIENCE), "[rt]       login: ");
    put(&mut console, ONE, "b", PATIENCE);
    assert_eq!(output(&mut console, PATIENCE), "\r\nb");
}

#[test]
fn a_line_without_end_delays_others_for_a_limited_time() {
    let mut console = focused(ONE);
    let mut interrupted = None;
    for now in 0..3 * PATIENCE {
        put(&mut console, ONE, "z", now);
        if now == PATIENCE / 2 {
            put(&mut console, TWO, "x\n", now);
        }
        let out = output(&mut console, now);
        if out.contains('x') {
            assert_eq!(interrupted, None);
            interrupted = Some(now);
        }
    }
    assert_eq!(interrupted, Some(PATIENCE / 2 + PATIENCE));
}

#[test]
fn a_new_view_shows_bulkheads_line_and_then_the_prompt() {
    let mut console = console();
    put(&mut console, ONE, "one> ", 0);
    assert_eq!(output(&mut console, PAUSE), "[linux]    one> ");
    put(&mut console, TWO, "x\n", PAUSE);
    put(&mut console, LOG, "linux has it\n", PAUSE);
    console.focus(Some(ONE), PAUSE);
    let shown = "\r\n[bulkhead] linux has it\r\none> ";
    assert_eq!(output(&mut console, PAUSE), shown);
    assert_eq!(output(&mut console, 2 * PAUSE), "\r\n[rt]       x\r\n");
    put(&mut console, ONE, "exit", 2 * PAUSE);
    put(&mut console, LOG, "shared\n", 2 * PAUSE);
    console.focus(None, 2 * PAUSE);
    assert_eq!(output(&mut console, 2 * PAUSE), "[bulkhead] shared\r\n");
    assert_eq!(output(&mut console, 20 * PAUSE), "[linux]    exit");
}

#[test]
fn a_new_view_completes_the_line_that_has_begun() {
    let mut console = console();
    put(&mut console, TWO, "hello\n", 0);
    let first: String = (0..13).filter_map(|_| console.next(0)).map(char::from).collect();
    assert_eq!(first, "[rt]       he");
    put(&mut console, LOG, "log\n", 0);
    put(&mut console, ONE, "$ ", 0);
    console.focus(Some(ONE), 0);
    assert_eq!(output(&mut console, 0), "llo\r\n[bulkhead] log\r\n$ ");
}

/// Returns how many bytes of the focused source and of another one come out of a UART that sends
/// ten bytes per tick, while both write as much as they can.
fn shares(one: &str, two: &str) -> (usize, usize) {
    let mut console = focused(ONE);
    let mut floods = [one, two].map(|text| text.bytes().cycle().peekable());
    let mut counts = (0, 0);
    for now in (0..200 * PATIENCE).map(|byte| byte / 10) {
        for (source, flood) in [ONE, TWO].into_iter().zip(&mut floods) {
            while flood.peek().is_some_and(|byte| console.put(source, *byte, now).is_ok()) {
                flood.next();
            }
        }
        let byte = console.next(now).expect("a flood never ends");
        counts.0 += usize::from(byte == b'1');
        counts.1 += usize::from(byte == b'2');
    }
    counts
}

#[test]
fn each_flood_gets_a_share() {
    let lines = ["1".repeat(70) + "\n", "2".repeat(70) + "\n"];
    let endless = "1".repeat(70);
    let (one, two) = shares(&lines[0], &lines[1]);
    assert!(one > 15_000 && two > 15_000, "lines: {one} and {two}");
    // Each turn of the focused source also redraws up to as much again.
    let (one, two) = shares(&endless, &lines[1]);
    assert!(one > 20_000 && two > 6_000, "no end in the focus: {one} and {two}");
    let (one, two) = shares(&endless, &"2".repeat(70));
    assert!(one > 15_000 && two > 8_000, "no line ends at all: {one} and {two}");
}

/// A step of a random run.
#[derive(Clone, Debug)]
enum Step {
    /// A source writes this many bytes of a line, and its end if true.
    Write(usize, usize, bool),
    Drain(usize),
    Wait(u64),
    Focus(Option<usize>),
}

fn steps(focus: BoxedStrategy<Step>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize, 0..6_usize, any::<bool>())
            .prop_map(|(source, count, ends)| Step::Write(source, count, ends)),
        4 => (0..60_usize).prop_map(Step::Drain),
        2 => (0..2 * PATIENCE).prop_map(Step::Wait),
        1 => focus,
    ];
    prop::collection::vec(step, 0..300)
}

/// The alternating lines of the three sources. Each byte occurs once, so that it identifies its
/// place and a part that is redrawn can be distinguished from new text.
const TEXTS: [[&str; 2]; 3] = [["ABCDEF", "GHIJKL"], ["MNOPQR", "STUVWX"], ["YZ0123", "456789"]];
/// The last character of each line.
const END: char = '$';

/// The progress of a source in a run.
#[derive(Clone, Copy, Default)]
struct Writer {
    lines: usize,
    place: usize,
    count: usize,
}

impl Writer {
    /// Returns up to `count` more bytes of the line, and at least one byte before its end.
    fn text(&mut self, source: usize, count: usize, ends: bool) -> String {
        let line = TEXTS[source][self.lines % 2];
        let least = usize::from(ends && self.place == 0);
        let end = (self.place + count.max(least)).min(line.len());
        let mut text = String::from(&line[self.place..end]);
        self.count += text.len();
        self.place = end;
        if ends {
            (self.lines, self.place) = (self.lines + 1, 0);
            text.extend([END, '\r', '\n']);
        }
        text
    }
}

/// Runs the steps. Returns how many bytes each source wrote, and everything that came out.
fn run_focused(steps: &[Step]) -> ([usize; 3], String) {
    let mut console = console();
    let (mut writers, mut out, mut now) = ([Writer::default(); 3], String::new(), 0);
    let last = (0..3).map(|source| Step::Write(source, 0, true));
    for step in steps.iter().cloned().chain(last) {
        match step {
            Step::Write(source, count, ends) => {
                for byte in writers[source].text(source, count, ends).bytes() {
                    while console.put(SOURCES[source], byte, now).is_err() {
                        out.push(console.next(now).expect("full and yet waiting").into());
                    }
                }
            }
            Step::Drain(count) => {
                out.extend((0..count).map_while(|_| console.next(now)).map(char::from));
            }
            Step::Wait(time) => now += time,
            Step::Focus(source) => console.focus(source.map(|index| SOURCES[index]), now),
        }
    }
    // The rest comes out with time alone.
    out += &output(&mut console, now);
    while let Some(deadline) = console.deadline() {
        assert!(deadline > now, "the deadline has passed");
        now = deadline;
        out += &output(&mut console, now);
    }
    (writers.map(|writer| writer.count), out)
}

/// Returns how many bytes of a source came out for the first time, or an error in their order.
fn check_order(out: &str, source: usize) -> Result<usize, String> {
    let (mut count, mut lines, mut place, mut again) = (0, 1, 0, None);
    for symbol in out.chars() {
        let place_in = |line: usize| TEXTS[source][line % 2].chars().position(|it| it == symbol);
        match (place_in(lines), place_in(lines + 1), again) {
            (None, None, _) => {}
            // A part that is redrawn is always complete.
            (Some(here), _, Some(expected)) if here == expected => {
                again = Some(here + 1).filter(|next| *next < place);
            }
            (Some(0), _, None) if place > 0 => again = Some(1).filter(|next| *next < place),
            (Some(here), _, None) if here == place => (place, count) = (place + 1, count + 1),
            (_, Some(0), None) => (lines, place, count) = (lines + 1, 1, count + 1),
            _ => return Err(format!("{symbol:?} at place {place} of line {lines}, {again:?}")),
        }
    }
    Ok(count)
}

fn any_focus() -> BoxedStrategy<Step> {
    prop::option::of(0..3_usize).prop_map(Step::Focus).boxed()
}

proptest! {
    #[test]
    fn no_byte_is_lost_or_reordered_in_any_view(steps in steps(any_focus())) {
        let (counts, out) = run_focused(&steps);
        for (source, count) in counts.iter().enumerate() {
            prop_assert_eq!(check_order(&out, source), Ok(*count), "source {}: {:?}", source, out);
        }
    }

    #[test]
    fn lines_of_other_sources_are_whole(mut steps in steps(Just(Step::Wait(1)).boxed())) {
        // Only the focused source writes incomplete lines.
        for step in &mut steps {
            if let Step::Write(source, _, ends) = step && *source != 1 {
                *ends = true;
            }
        }
        steps.insert(0, Step::Focus(Some(1)));
        let (_, out) = run_focused(&steps);
        for (source, prefix) in [(0, "[bulkhead] "), (2, "[rt]       ")] {
            let own = |symbol: char| TEXTS[source].iter().any(|text| text.contains(symbol));
            for (at, _) in out.match_indices(own) {
                let start = out[..at].rfind('\n').map_or(0, |end| end + 1);
                let line = out[start..].split_once("\r\n").map_or("", |(line, _)| line);
                let line = line.trim_start_matches('\r');
                let text = line.strip_prefix(prefix).and_then(|text| text.strip_suffix(END));
                let begins = |text: &str| TEXTS[source].iter().any(|line| line.starts_with(text));
                prop_assert!(text.is_some_and(begins), "{:?}", line);
            }
        }
    }
}
