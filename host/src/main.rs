//! The `scry` command.

/// Requests are allocated by one thread and freed by another, which the system's
/// allocator makes dear.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    scry::cli::main()
}
