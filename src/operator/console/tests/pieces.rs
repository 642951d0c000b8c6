//! Tests of sending in pieces.

use super::*;
use crate::util::format as text_format;
use std::vec::Vec;

fn own_line(lines: &OwnLines, text: &str, after: Option<After>) {
    let mut line = OwnLine::EMPTY;
    text_format::format(format_args!("{text}"), &mut line);
    line.end();
    lines.push(&line, after);
}

#[test]
fn a_piece_ends_with_its_budget_or_with_the_room_and_the_next_continues() {
    let mut console = console();
    put(&mut console, ONE, &("x".repeat(100) + "\n"), 0);
    let (mut all, mut pieces) = (String::new(), 0);
    loop {
        let (sent, stop) = send(&mut console, 0, 10, usize::MAX);
        all += &sent;
        // A run costs 4 beside its bytes.
        assert!(sent.len() <= 10);
        if stop == Stop::Nothing {
            break;
        }
        assert_eq!(stop, Stop::Budget);
        pieces += 1;
    }
    assert_eq!(all, std::format!("[linux]    {}\r\n", "x".repeat(100)));
    assert!((12..=20).contains(&pieces), "{pieces}");
    put(&mut console, ONE, "ab\n", 0);
    assert_eq!(send(&mut console, 0, 100, 13), ("[linux]    ab".into(), Stop::NoRoom));
    assert_eq!(send(&mut console, 0, 100, 13), ("\r\n".into(), Stop::Nothing));
}

#[test]
fn a_piece_that_ends_with_a_line_looks_for_what_follows_and_sends_none_of_it() {
    let line = std::format!("[linux]    {}\r\n", "x".repeat(60));
    let mut ends = 0;
    for (budget, has_more) in (1..140).flat_map(|it| [(it, false), (it, true)]) {
        let [mut console, mut other] = [(); 2].map(|()| {
            let mut console = console();
            put(&mut console, ONE, &("x".repeat(60) + "\n"), 0);
            if has_more {
                put(&mut console, TWO, "y\n", 0);
            }
            console
        });
        let mut bytes = Bytes { taken: vec![], room: usize::MAX };
        let stop = console.send_and_look(0, budget, 40, &mut bytes, &|_| true);
        let sent = String::from_utf8(bytes.taken).unwrap();
        let (without, usual) = send(&mut other, 0, budget, usize::MAX);
        let beyond = sent.strip_prefix(&*without).unwrap();
        assert!(["", "\r\n"].contains(&beyond), "{budget}: {beyond:?}");
        if sent == line {
            let expected = if has_more { Stop::Budget } else { Stop::Nothing };
            assert_eq!(stop, expected, "{budget}");
            ends += usize::from(usual != stop);
        }
    }
    assert!(ends > 0, "a budget ends with the line");
}

#[test]
fn no_cpu_sends_for_a_source_that_it_does_not_serve() {
    let mut console = console();
    put(&mut console, ONE, "a\nb\n", 0);
    put(&mut console, TWO, "1\n", 0);
    let mut out = Bytes { taken: vec![], room: usize::MAX };
    let mut stops = Vec::new();
    for source in [ONE, ONE, TWO, ONE, TWO] {
        stops.push(console.send(0, 99, &mut out, &|turn| turn == source));
    }
    let turn = Stop::Turn;
    assert_eq!(stops, [turn(TWO), turn(TWO), turn(ONE), Stop::Nothing, Stop::Nothing]);
    assert_eq!(out.taken, b"[linux]    a\r\n[rt]       1\r\n[linux]    b\r\n");
}

#[test]
fn only_text_of_a_guest_reaches_the_terminal_unless_it_has_the_focus() {
    let mut console = console();
    put(&mut console, ONE, "\x1b[2A\x1b[2K\x07a\x1b[31mb\x1b[6n\n", 0);
    assert_eq!(output(&mut console, 0), "[linux]    ab\r\n");
    put(&mut console, ONE, "\x1b]0;no end\nx\n", 0);
    assert_eq!(output(&mut console, 0), "[linux]    \r\n[linux]    x\r\n");
    console.focus(Some(ONE), 0);
    put(&mut console, ONE, "\x1b[31mb\n", 0);
    assert_eq!(output(&mut console, 0), "\x1b[31mb\n");
    put(&mut console, TWO, "\x1b[2Ac\n", 0);
    assert_eq!(output(&mut console, PAUSE), "\r[rt]       c\r\n");
}

#[test]
fn own_lines_come_out_and_are_kept_in_the_log() {
    let (mut console, lines, log) = (console(), OwnLines::new(), Log::new());
    own_line(&lines, "one", None);
    own_line(&lines, "two", None);
    for _ in 0..4 {
        assert!(console.take_own_line(&lines, &log, 0));
    }
    assert!(!console.take_own_line(&lines, &log, 0));
    assert_eq!(output(&mut console, 0), "[bulkhead] one\r\n[bulkhead] two\r\n");
    let mut line = [0; 80];
    assert_eq!(log.read(0, &mut line), Some((3, 4)));
    assert_eq!(&line[..3], b"one");
    for number in 0..136 {
        own_line(&lines, &std::format!("{number}"), None);
    }
    let mut all = String::new();
    while console.take_own_line(&lines, &log, 0) {
        all += &output(&mut console, 0);
    }
    assert!(all.ends_with("127\r\n[bulkhead] 8 lines of Bulkhead's own are lost\r\n"), "{all}");
}

#[test]
fn lost_lines_are_reported_when_there_is_room_again() {
    let (mut console, lines, log) = (console(), OwnLines::new(), Log::new());
    lines.add_lost(3);
    assert!(console.buffer(LOG).push_all(&[b'x'; 2040], 0));
    assert!(!console.take_own_line(&lines, &log, 0));
    output(&mut console, u64::MAX);
    assert!(console.take_own_line(&lines, &log, 0));
    let text = output(&mut console, 0);
    assert!(text.ends_with("3 lines of Bulkhead's own are lost\r\n"), "{text}");
}

#[test]
fn a_line_about_a_partition_follows_its_earlier_output() {
    let (mut console, lines, log) = (console(), OwnLines::new(), Log::new());
    put(&mut console, ONE, "a\nb\nlast words", 0);
    let after = After { partition: 0, position: console.buffer(ONE).position() };
    own_line(&lines, "linux: powered off", Some(after));
    let mut all = String::new();
    for _ in 0..6 {
        console.take_own_line(&lines, &log, 0);
        all += &output(&mut console, 0);
    }
    assert_eq!(
        all,
        "[linux]    a\r\n[linux]    b\r\n[linux]    last words\r\n\
         [bulkhead] linux: powered off\r\n"
    );
    put(&mut console, ONE, "later", 0);
    console.take_own_line(&lines, &log, 0);
    assert_eq!(output(&mut console, 0), "", "an incomplete line waits again");
}

#[test]
fn the_last_bytes_of_a_guest_have_room_in_a_full_buffer() {
    let console = console();
    let buffer = console.buffer(ONE);
    while buffer.push(b'x', 0).is_ok() {}
    assert!(!buffer.has_room());
    assert!(buffer.push_all(&[b'y'; 32], 0));
    assert!(!buffer.push_all(b"z", 0));
}
