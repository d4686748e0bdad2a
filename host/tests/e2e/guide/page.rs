//! A page as what is to be done: files to write, commands and what they say.

use std::ops::Range;

/// One thing to do; `line` is where it stands on the page, from 1.
pub(crate) enum Part {
    /// A block named by its file: ```` ```toml scry.toml ````.
    Write {
        path: String,
        text: String,
    },
    Run(Command),
    /// A block that another page runs: ```` ```console first-model.md ````.
    Quote {
        line: usize,
        page: String,
        text: String,
    },
    /// A block of commands that nothing runs.
    Unrun {
        line: usize,
        text: String,
    },
}

/// A command of a ```` ```console ```` block.
pub(crate) struct Command {
    pub(crate) line: usize,
    /// What bash reads.
    pub(crate) text: String,
    pub(crate) expected: Vec<String>,
    /// Where on the page the expected output stands.
    pub(crate) lines: Range<usize>,
}

/// A command that goes on over a line.
const CONTINUES: &str = "> ";

pub(crate) fn parse(page: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            if line.starts_with("    ") && !line.trim().is_empty() {
                return Err(format!("line {}: a block of code stands between ```, so that it says what it is", at + 1));
            }
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        let text = || block.iter().map(|(_, line)| format!("{line}\n")).collect::<String>();
        let line = at + 1;
        match info.split_whitespace().collect::<Vec<_>>()[..] {
            ["console"] => parts.extend(commands(&block)?.into_iter().map(Part::Run)),
            ["console", page] => parts.push(Part::Quote { line, page: page.to_owned(), text: text() }),
            [_, path] => parts.push(Part::Write { path: path.to_owned(), text: text() }),
            ["sh"] => parts.push(Part::Unrun { line, text: text() }),
            ["bash" | "shell"] => return Err(format!("line {line}: write `console`, or `sh` for what cannot be run")),
            [_] => {}
            _ => return Err(format!("line {line}: expected a language, or a language and a file")),
        }
    }
    Ok(parts)
}

fn commands(block: &[(usize, &str)]) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    for &(at, line) in block {
        if let Some(text) = line.strip_prefix("$ ") {
            commands.push(Command { line: at + 1, text: text.to_owned(), expected: Vec::new(), lines: at + 1..at + 1 });
            continue;
        }
        let last = commands.last_mut().ok_or_else(|| format!("line {}: expected `$ ` and a command", at + 1))?;
        match line.strip_prefix(CONTINUES) {
            Some(more) if last.expected.is_empty() => {
                last.text = format!("{}\n{more}", last.text);
                last.lines = at + 1..at + 1;
            }
            _ => {
                last.expected.push(line.to_owned());
                last.lines.end = at + 1;
            }
        }
    }
    Ok(commands)
}

/// The page with other lines in place of those.
pub(crate) fn replaced(page: &str, news: &[(Range<usize>, Vec<String>)]) -> String {
    let lines: Vec<_> = page.lines().collect();
    let (mut text, mut from) = (String::new(), 0);
    let mut push = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    for (range, new) in news {
        lines[from..range.start].iter().copied().for_each(&mut push);
        new.iter().map(String::as_str).for_each(&mut push);
        from = range.end;
    }
    lines[from..].iter().copied().for_each(&mut push);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# A page\n```toml scry.toml\na = 1\n```\n```console\n$ one\nsaid\n$ two \\\n> more\n```\nEnd.\n";

    #[test]
    fn a_page_is_files_and_commands_in_order() {
        let parts = parse(PAGE).unwrap();
        let [Part::Write { path, text }, Part::Run(one), Part::Run(two)] = &parts[..] else { panic!() };
        assert_eq!((path.as_str(), text.as_str()), ("scry.toml", "a = 1\n"));
        assert_eq!((one.line, one.text.as_str(), &one.expected[..]), (6, "one", &["said".to_owned()][..]));
        assert_eq!((two.text.as_str(), two.expected.len()), ("two \\\nmore", 0));
        let news =
            [(one.lines.clone(), vec!["x".to_owned(), "y".to_owned()]), (two.lines.clone(), vec!["z".to_owned()])];
        let new = PAGE.replace("said\n", "x\ny\n").replace("> more\n", "> more\nz\n");
        assert_eq!(replaced(PAGE, &news), new);
    }

    #[test]
    fn a_block_says_what_it_is() {
        for wrong in ["```\nls\n```\n", "    ls\n", "```bash\nls\n```\n", "```console\nls\n```\n"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let parts = parse("```sh\nls\n```\n```rust\nfn f() {}\n```\n```console a.md\n$ ls\n```\n").unwrap();
        assert!(matches!(&parts[..], [Part::Unrun { line: 1, .. }, Part::Quote { line: 7, .. }]));
    }
}
