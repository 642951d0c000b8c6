//! Tests of what a person sees while typing.

use super::*;
use proptest::prelude::*;
use std::format;

fn person() -> (Terminal, Fake) {
    (Terminal::new(Peer::Person, 3), Fake::new())
}

/// Returns the terminal row with the cursor, and the cursor's column, after these bytes. Knows
/// printable characters, CR, LF, BS, EL and CUB.
fn row(shown: &str) -> (String, usize) {
    let (mut row, mut cursor) = (Vec::new(), 0);
    let mut bytes = shown.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => row.clear(),
            b'\r' => cursor = 0,
            0x07 => {}
            0x08 => cursor -= 1,
            0x1b => {
                assert_eq!(bytes.next(), Some(b'['));
                let parameter: Vec<_> =
                    bytes.by_ref().take_while(|it| it.is_ascii_digit()).collect();
                match parameter.as_slice() {
                    [] => row.truncate(cursor),
                    digits => cursor -= String::from_utf8_lossy(digits).parse::<usize>().unwrap(),
                }
            }
            b' '..=b'~' => {
                row.resize(row.len().max(cursor + 1), b' ');
                row[cursor] = byte;
                cursor += 1;
            }
            _ => panic!("{byte:#x} is shown"),
        }
    }
    (String::from_utf8(row).unwrap(), cursor)
}

/// Returns the line that is being edited, and the cursor's index in it.
fn edited(keys: &str) -> (String, usize) {
    let (mut terminal, mut system) = person();
    terminal.open();
    let (row, cursor) = row(&talk(&mut terminal, &mut system, keys.as_bytes()));
    let line = row.strip_prefix("bulkhead> ").expect("the prompt").trim_end();
    (line.into(), cursor - "bulkhead> ".len())
}

#[test]
fn a_session() {
    let (mut terminal, mut system) = person();
    let mut type_keys = |keys: &str| talk(&mut terminal, &mut system, keys.as_bytes());
    assert_eq!(type_keys("stop 1"), "stop 1");
    assert_eq!(type_keys("\r\n"), "\r\n\rbulkhead> \x1b[K");
    assert_eq!(
        type_keys("lst\r"),
        "lst\r\nthere is no command \"lst\"; all are shown by help\r\n\rbulkhead> \x1b[K"
    );
    assert_eq!(type_keys("\r"), "\r\n\rbulkhead> \x1b[K");
    assert_eq!(type_keys("abc"), "abc");
    assert_eq!(type_keys("\x03"), "^C\r\n\rbulkhead> \x1b[K");
    assert_eq!(type_keys("attach 1\r"), "attach 1\r\n", "the monitor has lost the console");
    assert_eq!((system.orders, system.attached), (Vec::from([(0, Order::Stop)]), Some(0)));
}

#[test]
fn keys_edit_the_line() {
    let long = "x".repeat(LINE);
    for (keys, line, cursor) in [
        ("lisp\x08t", "list", 4),
        ("lisp\x7ft", "list", 4),
        ("\x7f\x08list", "list", 4),
        ("ist\x01l", "list", 1),
        ("ist\x1b[Hl\x1b[F ", "list", 5),
        ("lst\x1b[D\x1b[Di", "list", 2),
        ("lst\x1bOD\x1bODi\x05", "list", 4),
        ("li st\x1b[D\x1b[D\x7f", "list", 2),
        ("list\x1b[D\x1b[D\x1b[C", "list", 3),
        ("list\x1b[C\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D", "list", 0),
        ("show linux\x15list", "list", 4),
        ("li\tst", "list", 4),
        ("li\u{e9}st", "list", 4),
        ("li\x1b[3~s\x1b[1;5Dt", "lits", 3),
        ("stop 1\rlist\r\x1b[A", "list", 4),
        ("stop 1\rlist\r\x1b[A\x1b[A", "stop 1", 6),
        ("stop 1\rlist\r\x1b[A\x1b[A\x1b[A", "stop 1", 6),
        ("stop 1\rlist\r\x10\x10\x0e", "list", 4),
        ("stop 1\rlist\r\x10\x10\x0e\x0e\x0e", "", 0),
        ("stop 1\rstop 1\rhelp\r\x10\x10\x10", "stop 1", 6),
        (&format!("{long}yz"), &long, LINE),
    ] {
        assert_eq!(edited(keys), (line.into(), cursor), "{keys:?}");
    }
}

const LINE: usize = super::super::editor::LINE_BYTES;

#[test]
fn only_the_last_eight_lines_are_recalled() {
    let typed: String = (0..12).map(|line| format!("command {line}\r")).collect();
    for back in 1..12_usize {
        let expected = format!("command {}", 12 - back.min(8));
        assert_eq!(edited(&format!("{typed}{}", "\x10".repeat(back))).0, expected);
    }
}

#[test]
fn ctrl_c_ends_an_answer() {
    let (mut terminal, mut system) = person();
    system.log.add(&b"a line of the log\n".repeat(200));
    let mut shown = Vec::new();
    for key in b"log\rlog\r" {
        terminal.input(*key).unwrap();
    }
    terminal.run(&mut system, &mut some(200, &mut shown));
    terminal.input(0x03).unwrap();
    let rest = talk(&mut terminal, &mut system, b"");
    assert!(rest.ends_with("^C\r\n\rbulkhead> \x1b[K") && rest.len() < 60, "{rest:?}");
    let program = &mut Terminal::new(Peer::Program, 3);
    assert_eq!(talk(program, &mut system, b"lo\x03list"), "error: interrupted\n");
}

#[test]
fn a_terminal_that_is_not_read_stops_only_itself() {
    let (mut terminal, mut system) = person();
    let mut full = |_: &[u8]| 0;
    let mut taken = 0;
    while terminal.input(b'x').is_ok() {
        terminal.run(&mut system, &mut full);
        taken += 1;
    }
    assert_eq!(taken, TYPED_BYTES + 1, "one was processed and waits to be shown");
    let shown = talk(&mut terminal, &mut system, b"");
    assert_eq!(shown, format!("{}{}", "x".repeat(LINE), "\x07".repeat(taken - LINE)));
}

/// Returns random keys, many of them with a meaning.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static [u8]> = [
        "list\r",
        "stats 1\n",
        "show l",
        "stop 1",
        "\r",
        "\n",
        "\r\n",
        "\x1b[A",
        "\x1b[B",
        "\x1b[C",
        "\x1b[D",
        "\x1b[H",
        "\x1b[F",
        "\x08",
        "\x15",
        "\x03",
        "\x0c",
        "a",
        "b",
        " ",
    ]
    .map(str::as_bytes)
    .to_vec();
    let key = prop_oneof![
        4 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(key, 0..120).prop_map(|keys| keys.concat())
}

proptest! {
    /// The terminal's row is the prompt and the line, whatever is typed and however slowly the
    /// output is read.
    #[test]
    fn the_screen_shows_the_line(keys in keys(), room in 1_usize..200) {
        let (mut terminal, mut system) = person();
        let mut shown = Vec::new();
        terminal.open();
        for key in keys {
            loop {
                let taken = terminal.input(key);
                terminal.run(&mut system, &mut some(room, &mut shown));
                if taken.is_ok() {
                    break;
                }
            }
        }
        terminal.run(&mut system, &mut to(&mut shown));
        let shown = String::from_utf8(shown).expect("all that is shown is text");
        let (row, cursor) = row(&shown);
        let (line, place) = terminal.editor.shown();
        let expected = format!("bulkhead> {}", String::from_utf8_lossy(line));
        prop_assert_eq!(row.trim_end(), expected.trim_end());
        prop_assert_eq!(cursor, "bulkhead> ".len() + place);
        for line in shown.split("\r\n") {
            // A line that is redrawn begins with a CR.
            let last = line.rsplit('\r').next().unwrap_or_default();
            prop_assert!(last.len() <= 80 + "\x1b[K\x1b[68D".len(), "{}", last);
        }
    }

    /// Answers to a program do not depend on when it reads.
    #[test]
    fn answers_do_not_depend_on_the_reader(keys in keys(), room in 1_usize..50) {
        let mut at_once = Terminal::new(Peer::Program, 3);
        let mut slowly = Terminal::new(Peer::Program, 3);
        let keys: Vec<_> = keys.into_iter().filter(|key| *key != 0x03).collect();
        let expected = talk(&mut at_once, &mut Fake::new(), &keys);
        let (mut system, mut shown) = (Fake::new(), Vec::new());
        for key in keys {
            while slowly.input(key).is_err() {
                slowly.run(&mut system, &mut some(room, &mut shown));
            }
        }
        slowly.run(&mut system, &mut to(&mut shown));
        prop_assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }
}
