//! One run of QEMU: its console read to the end, typed into, and never waited for in vain.

use rustix::pty::{self, OpenptFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// What is done when the console shows a text. Each step waits for the one before it.
pub enum Step {
    /// Sends keys, after any of the texts.
    Type { after: Vec<String>, keys: String },
    /// Ends the machine from outside, some time later.
    Unplug { after: Vec<String>, time: Duration },
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// By a step that says so.
    Unplugged,
    /// It had to be ended at its deadline.
    TimedOut(Duration),
}

/// The process, which does not outlive a test that fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is shown of a run while it goes on.
pub struct Progress {
    console: File,
    lines: usize,
    next: Duration,
}

impl Progress {
    /// How often something is shown.
    const PERIOD: Duration = Duration::from_secs(10);

    /// The console's bytes are copied to this file as they come.
    pub fn new(console: File) -> Self {
        Self { console, lines: 0, next: Self::PERIOD }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.console.write_all(bytes).expect("the tests' directory can be written");
    }

    fn show(&mut self, elapsed: Duration, text: &[u8]) {
        self.next = elapsed + Self::PERIOD;
        let begin = text.len().saturating_sub(400);
        let tail = String::from_utf8_lossy(&text[begin..]);
        let last = tail.rsplit('\n').nth(1).unwrap_or("").trim_end();
        println!("{:5} s {:8} lines  {last}", elapsed.as_secs(), self.lines);
    }
}

/// What is on the other side of QEMU's standard input and output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Pipes, through which all passes as it is.
    Pipes,
    /// A pseudo-terminal, as a person has it.
    Terminal,
}

/// Our ends of it.
struct Ends {
    keyboard: File,
    screen: File,
}

impl Line {
    /// Connects QEMU.
    fn connect(self, qemu: &mut Command) -> io::Result<Ends> {
        let (ours, theirs): (Ends, [File; 2]) = match self {
            Self::Pipes => {
                let ((stdin, keyboard), (screen, stdout)) = (io::pipe()?, io::pipe()?);
                let ours = Ends { keyboard: file(keyboard), screen: file(screen) };
                (ours, [file(stdin), file(stdout)])
            }
            Self::Terminal => {
                let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
                let keyboard = pty::openpt(flags)?;
                pty::unlockpt(&keyboard)?;
                let terminal = file(pty::ioctl_tiocgptpeer(&keyboard, flags)?);
                let keyboard = file(keyboard);
                let ours = Ends { screen: keyboard.try_clone()?, keyboard };
                (ours, [terminal.try_clone()?, terminal])
            }
        };
        let [stdin, stdout] = theirs;
        qemu.stdin(stdin).stderr(stdout.try_clone()?).stdout(stdout);
        Ok(ours)
    }
}

fn file(end: impl Into<OwnedFd>) -> File {
    end.into().into()
}

/// Runs QEMU to its end; tells all that it printed, and how it ended.
///
/// `progress`, if any, shows meanwhile that it is alive.
#[track_caller]
pub fn run(
    mut qemu: Command,
    line: Line,
    steps: Vec<Step>,
    limit: Duration,
    progress: Option<Progress>,
) -> (String, End) {
    let Ends { keyboard, screen } = line.connect(&mut qemu).expect("QEMU can be connected");
    let mut child = match qemu.spawn() {
        Ok(child) => Guard(child),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("qemu-system-aarch64 is not installed: run `make setup`")
        }
        Err(error) => panic!("qemu-system-aarch64 cannot be started: {error}"),
    };
    // The screen ends when nobody can write to it any more.
    drop(qemu);
    let output = read_in_background(screen);
    let (steps, text) = (steps.into(), Vec::new());
    let mut session = Session { keyboard, steps, text, searched: 0, unplug: None, progress };
    let end = session.follow(&mut child.0, &output, limit);
    drop(child);
    session.text.extend(output.iter().flatten());
    (String::from_utf8_lossy(&session.text).into_owned(), end)
}

fn read_in_background(mut reader: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

struct Session {
    keyboard: File,
    steps: VecDeque<Step>,
    text: Vec<u8>,
    /// Where the text begins that the next step may wait for.
    searched: usize,
    unplug: Option<Instant>,
    progress: Option<Progress>,
}

impl Session {
    fn follow(&mut self, qemu: &mut Child, output: &Receiver<Vec<u8>>, limit: Duration) -> End {
        let start = Instant::now();
        let deadline = start + limit;
        loop {
            let end = self.unplug.unwrap_or(deadline).min(deadline);
            let next = self.progress.as_ref().map_or(end, |it| start + it.next);
            let until = end.min(next);
            if let Some(progress) = &mut self.progress
                && Instant::now() >= next
            {
                progress.show(start.elapsed(), &self.text);
            }
            match output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => {
                    if let Some(progress) = &mut self.progress {
                        progress.take(&bytes);
                    }
                    self.text.extend(bytes);
                    self.take_steps();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return End::Exited(qemu.wait().expect("a child can be waited for"));
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) if self.unplug.is_some() => return End::Unplugged,
                Err(RecvTimeoutError::Timeout) => return End::TimedOut(limit),
            }
        }
    }

    fn take_steps(&mut self) {
        while let Some(step) = self.steps.front() {
            let (Step::Type { after, .. } | Step::Unplug { after, .. }) = step;
            let text = &self.text[self.searched..];
            let end = |after: &String| {
                let found = text.windows(after.len()).position(|it| it == after.as_bytes());
                found.map(|found| found + after.len())
            };
            let Some(end) = after.iter().filter_map(end).min() else {
                // What is awaited may have begun. The rest is not looked at again: consoles are long.
                let begun = after.iter().map(String::len).max().unwrap_or(0).saturating_sub(1);
                self.searched = self.searched.max(self.text.len().saturating_sub(begun));
                break;
            };
            self.searched += end;
            match self.steps.pop_front() {
                Some(Step::Type { keys, .. }) => self.type_keys(&keys),
                Some(Step::Unplug { time, .. }) => self.unplug = Some(Instant::now() + time),
                None => {}
            }
        }
    }

    /// A machine that has ended meanwhile is judged by its console.
    fn type_keys(&mut self, keys: &str) {
        let _ = self.keyboard.write_all(keys.as_bytes());
    }
}
