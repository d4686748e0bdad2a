//! The `scry` command.

#[global_allocator]
static ALLOCATOR: scry::memory::Allocator = scry::memory::Allocator;

fn main() -> std::process::ExitCode {
    scry::cli::main()
}
