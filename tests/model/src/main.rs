//! The model server as a program, to test NATS clients of any language against: see `--help`.
#![forbid(unsafe_code)]

mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run(std::env::args().skip(1))
}
