//! The `mqtt` command: a broker, and clients with the flags of mosquitto's tools.

mod args;
mod broker;
mod failure;
mod lines;
mod log;
mod print;
mod publish;
mod signal;
mod subscribe;

use std::process::ExitCode;

use args::Command;
use failure::Failure;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // Nobody is left to be told if this fails.
            let _ = error.print();
            // 2 would be a refusal by the server.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    // One thread is enough: standard streams have threads of their own, and nothing else blocks.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Broker(args) => broker::run(args).await,
            Command::Pub(args) => publish::run(args).await,
            Command::Sub(args) => subscribe::run(args).await,
        }
    });
    // An output that nobody reads may hold up its thread for ever, but not us.
    runtime.shutdown_background();
    result
}
