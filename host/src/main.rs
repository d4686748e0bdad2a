//! The `scry` command.

fn main() -> std::process::ExitCode {
    scry::cli::main()
}
