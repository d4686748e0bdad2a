//! A token file: whatever its text, an error of a few lines, or tokens that can be written and read again, and that no
//! other token is taken for.
//! `.ci/fuzz 60 token_file`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry::access::{Need, TOKENS_MAX, TokenDigest, TokenFile, Tokens, is_token_name};

/// A line and its place, and what is said of them.
const ERROR_MAX_BYTES: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = match TokenFile::parse(text) {
        Ok(file) => file,
        Err(error) => return assert!(error.to_string().len() <= ERROR_MAX_BYTES),
    };
    assert!(file.tokens.len() <= TOKENS_MAX);
    let written = file.to_toml().expect("a file that was read can be written");
    let again = TokenFile::parse(&written).expect("and read again");
    assert_eq!(again.to_toml().expect("and written"), written);
    for (name, entry) in &file.tokens {
        assert!(
            is_token_name(name) && entry.scopes.iter().all(|scope| scope.to_string().parse().as_ref() == Ok(scope))
        );
    }
    let tokens = Tokens::default().and_file(&file);
    assert!(tokens.find(text).is_none(), "a hash's text was found in itself");
    // A token that is known has the name under which it is written, and may do what its scopes say.
    let known = format!("[tokens.known]\nsha256 = \"{}\"\nscopes = [\"read\"]\n", TokenDigest::of("known"));
    let with_known = Tokens::default().and_file(&TokenFile::parse(&known).expect("a file")).and_file(&file);
    let caller = with_known.find("known").expect("the token is known");
    assert!(caller.name() != "known" || (caller.may(&Need::Read) && !caller.may(&Need::Deploy)));
});
