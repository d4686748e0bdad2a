//! The `scry` command.

#[global_allocator]
static ALLOCATOR: scry_os::memory::Allocator = scry_os::memory::Allocator;

fn main() -> std::process::ExitCode {
    scry::cli::main()
}
