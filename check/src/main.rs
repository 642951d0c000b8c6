//! `bulkhead-check`: see the library.

use std::process::ExitCode;
use std::{env, io};

fn main() -> ExitCode {
    ExitCode::from(bulkhead_check::run(env::args_os(), &mut io::stdout(), &mut io::stderr()))
}
