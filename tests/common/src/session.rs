//! One run of QEMU: reads its console to the end, types into it, and enforces a deadline.

use rustix::pty::{self, OpenptFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// An action to take when the console shows a text. Each step waits for the one before it.
pub enum Step {
    /// Sends `keys` after any of the texts.
    Type { after: Vec<String>, keys: String },
    /// Kills QEMU this long after any of the texts.
    Kill { after: Vec<String>, time: Duration },
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// QEMU exited by itself.
    Exited(ExitStatus),
    /// A [`Step::Kill`] killed it.
    Killed,
    /// It was killed at its deadline.
    TimedOut(Duration),
}

/// The process, killed on drop so that it does not outlive a test that fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows the progress of a long run, and copies its console to a file.
pub struct Progress {
    console: File,
    lines: usize,
    next: Duration,
}

impl Progress {
    /// The time between two lines of progress.
    const PERIOD: Duration = Duration::from_secs(10);

    /// Copies the console to this file as its bytes arrive.
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

/// What QEMU's standard input and output are connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Pipes, which pass every byte unchanged.
    Pipes,
    /// A pseudo-terminal, as a user has it.
    Terminal,
}

/// The ends of a [`Line`] that the test holds.
struct Ends {
    keyboard: File,
    screen: File,
}

impl Line {
    /// Connects QEMU and returns the other ends.
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

/// Where QEMU's standard error goes other than to the console, and when QEMU can be killed.
pub struct Errors<'a> {
    /// The end of the pipe that QEMU gets.
    pub pipe: PipeWriter,
    /// Whether the pipe's reader needs no more.
    pub has_enough: &'a AtomicBool,
    /// Texts that must be on the console as well.
    pub texts: &'a [&'a str],
}

/// Runs QEMU to its end, with its standard error on the console unless `errors` is given. Returns
/// its console and how it ended.
#[track_caller]
pub fn run(
    mut qemu: Command,
    line: Line,
    errors: Option<Errors<'_>>,
    steps: Vec<Step>,
    limit: Duration,
    progress: Option<Progress>,
) -> (String, End) {
    let Ends { keyboard, screen } = line.connect(&mut qemu).expect("QEMU can be connected");
    let enough = errors.map(|errors| {
        qemu.stderr(errors.pipe);
        (errors.has_enough, errors.texts)
    });
    let mut child = match qemu.spawn() {
        Ok(child) => Guard(child),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("qemu-system-aarch64 is not installed: run `make setup`")
        }
        Err(error) => panic!("qemu-system-aarch64 cannot be started: {error}"),
    };
    // Reading the screen ends once every writer has closed it, this process included.
    drop(qemu);
    let output = read_in_background(screen);
    let (steps, text) = (steps.into(), Vec::new());
    let mut session =
        Session { keyboard, steps, text, searched: 0, kill_at: None, progress, enough };
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

/// The time between two looks at whether the reader of QEMU's errors has enough.
const LOOK: Duration = Duration::from_millis(100);

struct Session<'a> {
    keyboard: File,
    steps: VecDeque<Step>,
    text: Vec<u8>,
    /// The offset of the text that no step has searched yet.
    searched: usize,
    /// When to kill QEMU, once a step has set that.
    kill_at: Option<Instant>,
    progress: Option<Progress>,
    /// Whether the reader of QEMU's errors needs no more, and the texts that are needed as well.
    enough: Option<(&'a AtomicBool, &'a [&'a str])>,
}

impl Session<'_> {
    fn follow(&mut self, qemu: &mut Child, output: &Receiver<Vec<u8>>, limit: Duration) -> End {
        let start = Instant::now();
        let deadline = start + limit;
        loop {
            let end = self.kill_at.unwrap_or(deadline).min(deadline);
            let next = self.progress.as_ref().map_or(end, |it| start + it.next);
            let mut until = end.min(next);
            if let Some((has_enough, texts)) = self.enough {
                let is_there = |text: &&str| {
                    self.text.windows(text.len()).any(|bytes| bytes == text.as_bytes())
                };
                if has_enough.load(Ordering::Relaxed) && texts.iter().all(is_there) {
                    return End::Killed;
                }
                until = until.min(Instant::now() + LOOK);
            }
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
                Err(RecvTimeoutError::Timeout) if self.kill_at.is_some() => return End::Killed,
                Err(RecvTimeoutError::Timeout) => return End::TimedOut(limit),
            }
        }
    }

    fn take_steps(&mut self) {
        while let Some(step) = self.steps.front() {
            let (Step::Type { after, .. } | Step::Kill { after, .. }) = step;
            let text = &self.text[self.searched..];
            let end = |after: &String| {
                let found = text.windows(after.len()).position(|it| it == after.as_bytes());
                found.map(|found| found + after.len())
            };
            let Some(end) = after.iter().filter_map(end).min() else {
                // The awaited text may have begun at the end. The rest is not searched again:
                // consoles are long.
                let begun = after.iter().map(String::len).max().unwrap_or(0).saturating_sub(1);
                self.searched = self.searched.max(self.text.len().saturating_sub(begun));
                break;
            };
            self.searched += end;
            match self.steps.pop_front() {
                Some(Step::Type { keys, .. }) => self.type_keys(&keys),
                Some(Step::Kill { time, .. }) => self.kill_at = Some(Instant::now() + time),
                None => {}
            }
        }
    }

    /// Types keys. Errors are ignored: the console shows whether the machine has ended.
    fn type_keys(&mut self, keys: &str) {
        let _ = self.keyboard.write_all(keys.as_bytes());
    }
}
