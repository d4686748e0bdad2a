//! `scry token`

use super::{CliError, in_file, number, print_json};
use crate::access::{Entry, Scope, TokenDigest, TokenFile, is_token_name};
use scry_files::{FileKind, write_atomically};
use serde_json::json;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// Make, list and revoke tokens with scopes.
///
/// Tokens are in a file that a host follows (`access.token_file`): it takes a change within a
/// second. The file holds their SHA-256 alone, so a token is shown once, when it is made.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Scopes:
  predict                every model; `predict:fraud` one, `predict:fraud-*` those whose name begins so
  read                   what is served and what was: models, history, drift, the desired state
  metrics                /metrics
  publish                give the host components
  deploy                 change what is served: deploy, rollback, withdraw, circuits, the desired state
  admin                  everything

Examples:
  scry token new shop --scope predict:fraud --scope predict:churn --requests-per-second 50
  scry token new ci --scope read --scope publish --scope deploy
  scry token revoke shop";

#[derive(Debug, clap::Subcommand)]
enum Action {
    New(New),
    List(List),
    Revoke(Revoke),
}

/// The token file.
#[derive(Debug, clap::Args)]
struct At {
    /// The token file; made if it is missing.
    #[arg(long, value_name = "FILE", default_value = "tokens.toml", env = "SCRY_TOKEN_FILE")]
    file: PathBuf,
}

/// Make a token and print it: it is not shown again.
#[derive(Debug, clap::Args)]
struct New {
    /// Its name: what the history and the log show.
    #[arg(value_parser = name)]
    name: String,
    /// What it may do. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// How often it may ask, in the long run [default: as often as it likes].
    #[arg(long, value_name = "N", value_parser = number::<NonZeroU32>)]
    requests_per_second: Option<NonZeroU32>,
    /// How many requests may come at once [default: as many as in a second].
    #[arg(long, value_name = "N", requires = "requests_per_second", value_parser = number::<NonZeroU32>)]
    burst: Option<NonZeroU32>,
    /// Print one line of JSON: name, token.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// List the tokens of a file, without what they are.
#[derive(Debug, clap::Args)]
struct List {
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// Remove a token from its file.
#[derive(Debug, clap::Args)]
struct Revoke {
    /// Its name.
    name: String,
    #[command(flatten)]
    at: At,
}

fn name(text: &str) -> Result<String, String> {
    let wrong = || "expected 1 to 64 of `A-Za-z0-9-_.`".to_owned();
    is_token_name(text).then(|| text.to_owned()).ok_or_else(wrong)
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    match &args.action {
        Action::New(args) => new(args),
        Action::List(args) => list(args),
        Action::Revoke(args) => revoke(args),
    }
}

fn new(args: &New) -> Result<(), CliError> {
    let path = &args.at.file;
    let mut file = read(path)?.unwrap_or_default();
    if file.tokens.contains_key(&args.name) {
        let message = format!("there is a token `{0}`: revoke it first (`scry token revoke {0}`)", args.name);
        return Err(in_file(path, message));
    }
    let token = random_token()?;
    let (sha256, mut scopes) = (TokenDigest::of(&token), args.scopes.clone());
    scopes.sort();
    scopes.dedup();
    let entry = Entry { sha256, scopes, requests_per_second: args.requests_per_second, burst: args.burst };
    file.tokens.insert(args.name.clone(), entry);
    write(path, &file)?;
    if args.json {
        return print_json(&json!({ "name": args.name, "token": token }));
    }
    println!("{token}");
    eprintln!("the token `{}` is in {}, as a hash: it is not shown again", args.name, path.display());
    Ok(())
}

fn list(args: &List) -> Result<(), CliError> {
    let path = &args.at.file;
    let file = read(path)?.ok_or_else(|| in_file(path, "the file is not there"))?;
    if args.json {
        let token = |(name, entry): (&String, &Entry)| {
            json!({
                "name": name, "scopes": entry.scopes, "requests_per_second": entry.rate().map(|rate| rate.requests_per_second),
                "burst": entry.rate().map(|rate| rate.burst),
            })
        };
        return print_json(&json!({ "tokens": file.tokens.iter().map(token).collect::<Vec<_>>() }));
    }
    let width = file.tokens.keys().map(String::len).max().unwrap_or_default();
    for (name, entry) in &file.tokens {
        let scopes: Vec<_> = entry.scopes.iter().map(Scope::to_string).collect();
        let rate = |rate: crate::access::Rate| format!("  {}/s, {} at once", rate.requests_per_second, rate.burst);
        println!("{name:<width$}  {}{}", scopes.join(" "), entry.rate().map(rate).unwrap_or_default());
    }
    Ok(())
}

fn revoke(args: &Revoke) -> Result<(), CliError> {
    let path = &args.at.file;
    let mut file = read(path)?.ok_or_else(|| in_file(path, "the file is not there"))?;
    if file.tokens.remove(&args.name).is_none() {
        return Err(in_file(path, format!("there is no token `{}`", args.name)));
    }
    write(path, &file)?;
    println!("{} is revoked: hosts that follow {} refuse it within a second", args.name, path.display());
    Ok(())
}

/// The file's tokens; nothing where there is no file.
fn read(path: &Path) -> Result<Option<TokenFile>, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => TokenFile::parse(&text).map(Some).map_err(|error| in_file(path, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(in_file(path, error)),
    }
}

fn write(path: &Path, file: &TokenFile) -> Result<(), CliError> {
    let text = file.to_toml().map_err(|error| in_file(path, error))?;
    Ok(write_atomically(FileKind::Build, path, text.as_bytes())?)
}

/// 256 bits of the system's entropy, with a beginning that scanners for secrets can look for.
fn random_token() -> Result<String, CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no entropy: {error}"))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("scry_{digits}"))
}
