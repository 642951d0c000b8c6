//! Tests of the answer to every command.

use super::*;
use std::format;

const LIST: &str = "
 no name            state      CPUs   memory-MiB   restarts     uptime-s
  1 linux           running       2          512          0        1.500
  2 lk              crashed       1        1.003          3            -
  3 7               stopped       1           16          3            -
ok
";

#[test]
fn list() {
    assert_eq!(format!("\n{}", ask(&mut Fake::new(), "list")), LIST);
}

const SHOW_LINUX: &str = "
name        linux
state       running
restarts    0
uptime-s    1.500
last-end    -
last-fault  -
fault-at    -
on-crash    restart max-restarts 3
watchdog-ms 5000
dma-faults  0
vCPU        0 on CPU 0x100
vCPU        1 on CPU 0x101
registers   0x09010000-0x09010fff at 0x09010000-0x09010fff
registers   0x09030000-0x09030fff at 0x09030000-0x09030fff
memory      0x40000000-0x5fffffff at 0x48200000-0x681fffff
emulated    0x08000000-0x0800ffff distributor
emulated    0x080a0000-0x080dffff redistributors
emulated    0x09000000-0x09000fff console
emulated    0x09040000-0x09040fff monitor
emulated    0x090f0000-0x090f1fff watchdog
device      /pl031@9010000
device      /pl061@9030000
interrupt   33 console
interrupt   35 monitor
interrupt   36 watchdog
interrupt   34 /pl031@9010000
interrupt   39 /pl061@9030000
ok
";

const SHOW_LK: &str = "
name        lk
state       crashed
restarts    3
uptime-s    -
last-end    ended by an SError, esr 0xffffffffbe000000, at pc 0xffff800012345678
last-fault  store outside the partition, ipa 0x3ffffff8
fault-at    vCPU 0, pc 0xffff800012345678, esr 0x93c08047
on-crash    stop max-restarts -
watchdog-ms -
dma-faults  7
vCPU        0 on CPU 0x102
";

#[test]
fn show() {
    let mut system = Fake::new();
    assert_eq!(format!("\n{}", ask(&mut system, "show linux")), SHOW_LINUX);
    let answer = format!("\n{}", ask(&mut system, "show lk"));
    assert!(answer.starts_with(SHOW_LK), "{answer}");
}

const STATS: &str = "
 no name                   exits     exits/s   interrupts interrupts/s injected
  1 linux                    1040       520.0         1000        500.0        2
  2 lk                          0         0.0            0          0.0        0
  3 7                           0         0.0            0          0.0        0
ok
";

const STATS_AGAIN: &str = "
 no name                   exits     exits/s   interrupts interrupts/s injected
  1 linux                    1041         0.1         1000          0.0        2
";

const STATS_LINUX: &str = "
cause                       count     count/s
hvc                            34         3.0
smc                             0         0.0
system-register                10         0.0
distributor                     0         0.0
cpu-interface                   0         0.0
redistributors                  0         0.0
console                         0         0.0
monitor                         0         0.0
notify                          0         0.0
link                            0         0.0
device                          0         0.0
data-abort                      0         0.0
instruction-abort               0         0.0
other                           0         0.0
interrupt                    1000         0.0
kick                            0         0.0
maintenance                     0         0.0
timer                           0         0.0
uart                            0         0.0
smmu                            0         0.0
injected                        2         0.0
exits                        1044         3.0
ok
";

#[test]
fn counts_are_from_the_start_and_rates_from_the_last_answer() {
    let mut system = Fake::new();
    let mut terminal = Terminal::new(Peer::Program, 3);
    system.count(0, Cause::Hvc, 30);
    system.count(0, Cause::SystemRegister, 10);
    system.count(0, Cause::Interrupt, 1000);
    system.count(0, Cause::Injected, 2);
    let first = talk(&mut terminal, &mut system, b"stats\n");
    assert_eq!(format!("\n{first}"), STATS);
    system.count(0, Cause::Hvc, 1);
    system.now.set(9000);
    let again = talk(&mut terminal, &mut system, b"stats\n");
    assert!(format!("\n{again}").starts_with(STATS_AGAIN), "{again}");
    system.count(0, Cause::Hvc, 3);
    system.now.set(10_000);
    let linux = talk(&mut terminal, &mut system, b"stats 1\n");
    assert_eq!(format!("\n{linux}"), STATS_LINUX);
}

/// The end of the answer to `stats NAME` where there are links.
const STATS_OF_LINKS: &str = "
injected                        0         0.0
exits                           0         0.0
copied-bytes                 1512       756.0
ok
";

#[test]
fn bytes_that_are_copied_are_shown_where_there_are_links() {
    let mut system = Fake::new();
    assert!(!ask(&mut system, "stats 1").contains("copied"));
    let copied = CopiedBytes::new();
    copied.add(1512);
    system.links = Some(copied);
    let answer = ask(&mut system, "stats 1");
    assert!(answer.ends_with(STATS_OF_LINKS), "{answer}");
}

const LINKS: &str = "
link            type    partition       state     packets         bytes    drops
lan             network linux           up        1234567 9876543210987        0
lan             network lk              faulty    1234567 9876543210987       17
lan             network 7               absent          0             0        0
serial-of-linux console linux           down            0             0        0
serial-of-linux console lk              up              0             0 12345678
ok
";

#[test]
fn links() {
    let mut system = Fake::new();
    let headings = LINKS.lines().nth(1).unwrap();
    assert_eq!(ask(&mut system, "links"), format!("{headings}\nok\n"));
    system.links = Some(CopiedBytes::new());
    assert_eq!(format!("\n{}", ask(&mut system, "links")), LINKS);
}

#[test]
fn a_row_of_the_counters_takes_several_steps() {
    let mut system = Fake::new();
    let mut terminal = Terminal::new(Peer::Program, 3);
    b"stats\n".iter().for_each(|key| terminal.input(*key).unwrap());
    let (mut steps, mut lines) = (0, Vec::new());
    while terminal.has_work() {
        terminal.advance(&mut system, &mut |bytes| {
            assert!(bytes.ends_with(b"\n"), "a part of a line: {bytes:?}");
            lines.push(steps);
            bytes.len()
        });
        steps += 1;
    }
    let between: Vec<_> = lines.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Counters, exits, interrupts and the row; the last line is `ok`.
    assert_eq!(between, [4, 4, 4, 2]);
}

#[test]
fn ctrl_c_discards_a_row_that_is_not_complete() {
    let mut system = Fake::new();
    let mut terminal = Terminal::new(Peer::Program, 3);
    b"stats\n".iter().for_each(|key| terminal.input(*key).unwrap());
    let mut shown = Vec::new();
    while !terminal.is_begun {
        terminal.advance(&mut system, &mut to(&mut shown));
    }
    terminal.input(0x03).unwrap();
    let rest = talk(&mut terminal, &mut system, b"stats\n");
    assert!(rest.starts_with("error: interrupted\n no name "), "{rest}");
    assert!(rest.ends_with("\nok\n"), "{rest}");
}

#[test]
fn an_answer_shows_the_counters_of_one_moment() {
    let mut system = Fake::new();
    let mut terminal = Terminal::new(Peer::Program, 3);
    let mut shown = Vec::new();
    terminal.input(b's').unwrap();
    for key in b"tats linux\n" {
        terminal.input(*key).unwrap();
    }
    terminal.run(&mut system, &mut some(60, &mut shown));
    system.count(0, Cause::Interrupt, 5);
    let rest = talk(&mut terminal, &mut system, b"");
    assert!(rest.contains("\ninterrupt                       0         0.0\n"), "{rest}");
}

const HELP: &str = "
help            list the commands
list            list the partitions and their state
show NAME       show a partition's resources, and how it last ended
stats [NAME]    count exits to EL2 of all partitions, or of one by cause
links           list the ends of all links, and what they send and lose
stop NAME       stop a partition
start NAME      rebuild a partition and start it
restart NAME    stop a partition if it is running, then start it
attach NAME     give a partition the console
log             show the end of Bulkhead's own log
poweroff        switch the machine off, now
NAME is a partition's name, its number, or the beginning of one name.
ok
";

#[test]
fn help() {
    assert_eq!(format!("\n{}", ask(&mut Fake::new(), "help")), HELP);
}

#[test]
fn log() {
    let mut system = Fake::new();
    assert_eq!(ask(&mut system, "log"), "ok\n");
    let long = "x".repeat(100);
    system.log.add(format!("Bulkhead 0.1.0\n{long}\nlinux: powered off\n").as_bytes());
    let [first, rest] = [80, 20].map(|count| "x".repeat(count));
    let expected = format!("Bulkhead 0.1.0\n{first}\n{rest}\nlinux: powered off\nok\n");
    assert_eq!(ask(&mut system, "log"), expected);
}

#[test]
fn orders() {
    let mut system = Fake::new();
    for (line, answer) in [
        ("stop linux", "ok\n"),
        ("  start   lk  ", "ok\n"),
        ("restart 1", "ok\n"),
        ("restart li", "ok\n"),
        ("start 7", "ok\n"),
        ("stop 3", "error: 7 is stopped already\n"),
        ("start linux", "error: linux is running already\n"),
        ("attach linux", ""),
        ("attach 7", "error: it has no console\n"),
    ] {
        assert_eq!(ask(&mut system, line), answer, "{line}");
    }
    use Order::*;
    assert_eq!(system.orders, [(0, Stop), (1, Start), (0, Restart), (0, Restart), (2, Start)]);
    assert_eq!((system.attached, system.off), (Some(0), false));
    assert_eq!((ask(&mut system, "poweroff").as_str(), system.off), ("ok\n", true));
}

#[test]
fn each_error_has_a_message() {
    let mut system = Fake::new();
    for (line, message) in [
        ("lst", "there is no command \"lst\"; all are shown by help"),
        ("powerof", "there is no command \"powerof\"; all are shown by help"),
        ("STOP linux", "there is no command \"STOP\"; all are shown by help"),
        ("list linux", "list does not accept \"linux\""),
        ("links lan", "links does not accept \"lan\""),
        ("stats linux lk", "stats does not accept \"lk\""),
        ("stop linux now", "stop does not accept \"now\""),
        ("stop", "stop needs the name of a partition"),
        ("stop l", "more than one name begins with \"l\""),
        ("stop lnx", "there is no partition \"lnx\"; all are shown by list"),
        ("stop 0", "there is no partition \"0\"; all are shown by list"),
        ("stop 4", "there is no partition \"4\"; all are shown by list"),
        (
            "stop 0000000000000001",
            "there is no partition \"000000000000000\"; all are shown by list",
        ),
        (&"stop linux".repeat(7), "a line can have at most 68 characters"),
    ] {
        assert_eq!(ask(&mut system, line), format!("error: {message}\n"));
    }
    assert!(system.orders.is_empty());
}

/// Every answer fits a terminal and can be split into fields, with the longest names.
#[test]
fn answers_fit_80_columns_and_rows_have_equal_fields() {
    let mut system = Fake::new();
    for partition in &mut system.plan.partitions {
        partition.name = "n".repeat(15);
    }
    for cause in [Cause::Hvc, Cause::Interrupt, Cause::Injected] {
        system.count(0, cause, 9_999_999);
    }
    system.now.set(u64::MAX / 1000);
    system.links = Some(CopiedBytes::new());
    for line in
        ["help", "list", "stats", "stats 1", "links", "show 1", "show 2", "log", "lst", "x 1"]
    {
        let answer = ask(&mut system, line);
        assert!(answer.lines().all(|line| line.len() <= 80), "{answer}");
        if matches!(line, "list" | "stats" | "stats 1" | "links") {
            let mut rows: Vec<_> = answer.lines().map(|it| it.split_whitespace().count()).collect();
            assert_eq!(rows.pop(), Some(1), "ok");
            assert!(rows.iter().all(|fields| *fields == rows[0]), "{answer}");
        }
    }
}

/// A guest's terminal that echoes answers must not keep the monitor busy.
#[test]
fn a_program_that_echoes_answers_causes_no_loop() {
    let mut system = Fake::new();
    let mut terminal = Terminal::new(Peer::Program, 3);
    for command in ["list\n", "help\n", "show linux\n", "stats\n", "nonsense\n"] {
        let mut echo = String::from(command);
        let mut rounds = 0;
        while !echo.is_empty() {
            echo = talk(&mut terminal, &mut system, echo.as_bytes());
            rounds += 1;
            assert!(rounds < 5, "{echo}");
        }
    }
    assert!(system.orders.is_empty() && !system.off);
}
