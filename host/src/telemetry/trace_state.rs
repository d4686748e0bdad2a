//! The header `tracestate` of W3C Trace Context: what tracing systems keep in a trace that they share. Never looks into a
//! member, and adds none.

/// Members of a list.
const MEMBERS_MAX: usize = 32;
/// Of a list so many bytes are passed on, as the recommendation asks at least.
const KEPT_MAX_BYTES: usize = 512;
/// Members that are longer go first where there is no room for all.
const LONG_BYTES: usize = 128;
/// The longest key, value, and parts of a key with a tenant.
const KEY_MAX_BYTES: usize = 256;
const VALUE_MAX_BYTES: usize = 256;
const TENANT_MAX_BYTES: usize = 241;
const SYSTEM_MAX_BYTES: usize = 14;

/// A list that reads, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceState(Box<str>);

impl TraceState {
    /// Reads the values of all headers of this name, in their order. None where nothing is in them, or where a part of
    /// them is not as it should be: nobody could say what they mean.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut members: Vec<(&str, &str)> = Vec::new();
        for member in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
            // Blanks around a member are no part of it, and an empty one is no member.
            let member = str::from_utf8(member).ok()?.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let key = key_of(member)?;
            if members.len() == MEMBERS_MAX || members.iter().any(|(other, _)| *other == key) {
                return None;
            }
            members.push((key, member));
        }
        let mut members: Vec<&str> = members.into_iter().map(|(_, member)| member).collect();
        if bytes_of(&members) > KEPT_MAX_BYTES {
            members.retain(|member| member.len() <= LONG_BYTES);
        }
        while bytes_of(&members) > KEPT_MAX_BYTES {
            members.pop();
        }
        (!members.is_empty()).then(|| Self(members.join(",").into()))
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// With a comma between each two.
fn bytes_of(members: &[&str]) -> usize {
    members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1)
}

/// The key of a member whose both parts are as they should be.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let is_right = match key.split_once('@') {
        None => is_name(key, KEY_MAX_BYTES),
        Some((tenant, system)) => is_name(tenant, TENANT_MAX_BYTES) && is_name(system, SYSTEM_MAX_BYTES),
    };
    (is_right && is_value(value)).then_some(key)
}

/// As level 2 of the recommendation has it: the first may be a digit.
fn is_name(text: &str, max_bytes: usize) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins = text.bytes().next().is_some_and(is_first);
    begins && text.len() <= max_bytes && text.bytes().all(|byte| is_first(byte) || b"_-*/".contains(&byte))
}

/// Printable, without a comma and a second equals sign; its end is no blank.
fn is_value(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    (1..=VALUE_MAX_BYTES).contains(&text.len()) && !text.ends_with(' ') && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Option<String> {
        TraceState::parse(lines.iter().map(|line| line.as_bytes())).map(|state| state.as_str().to_owned())
    }

    /// Cases of the recommendation's own test suite.
    #[test]
    fn a_list_is_read_as_the_recommendation_says() {
        let (key, tenant) = ("a".repeat(256), format!("{}@{}", "t".repeat(241), "v".repeat(14)));
        for (lines, expected) in [
            (&["foo=1,bar=2"][..], "foo=1,bar=2"),
            (&["foo=1", "bar=2"], "foo=1,bar=2"),
            (&["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
            (&["foo=1,", "", ",bar=2"], "foo=1,bar=2"),
            (&["foo=1 2"], "foo=1 2"),
            (&["fw529a3039@dt=FfffffffffffffFF"], "fw529a3039@dt=FfffffffffffffFF"),
            (&["0foo=1,a-_*/b=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"], "0foo=1,a-_*/b=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"),
            (&[&format!("{key}=1")], &format!("{key}=1")),
            (&[&format!("{tenant}=1")], &format!("{tenant}=1")),
            (&[&format!("a={}", "x".repeat(256))], &format!("a={}", "x".repeat(256))),
        ] {
            assert_eq!(read(lines).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_invalid_list_is_none_as_a_whole() {
        for wrong in [
            "",
            " ",
            ",",
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "foo@=1",
            "@foo=1",
            "foo@@bar=1",
            "foo@bar@baz=1",
            "foo=bar=baz",
            "foo=1,foo=1",
            "foo=1,foo=2",
            "foo=ä",
            "foo=1\u{7f}",
            "föö=1",
            &format!("{}=1", "z".repeat(257)),
            &format!("{}@v=1", "t".repeat(242)),
            &format!("t@{}=1", "v".repeat(15)),
            &format!("a={}", "x".repeat(257)),
        ] {
            assert_eq!(read(&[wrong]), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_list_has_32_members_and_a_long_one_loses_its_longest_then_its_last() {
        let list = |count| (0..count).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(read(&[&list(32)]), Some(list(32)));
        assert_eq!(read(&[&list(33)]), None);
        let (long, short) = (format!("long={}", "x".repeat(200)), format!("short={}", "y".repeat(100)));
        let lines = [&*long, "b=1", &*format!("other{long}"), &*format!("more{long}"), &*short];
        assert_eq!(read(&lines), Some(format!("b=1,{short}")));
        let each: Vec<String> = (0..6).map(|i| format!("m{i}={}", "z".repeat(100))).collect();
        assert_eq!(read(&[&each.join(",")]), Some(each[..4].join(",")));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_short_and_reads_the_same(
            lines in prop::collection::vec("([a-z0-9]{1,4}(@[a-z]{1,15})?=[ -~]{0,130}[!-+,=]?[ \t]?,?){0,12}", 0..3),
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let Some(once) = read(&lines) else { return Ok(()) };
            prop_assert!(once.len() <= KEPT_MAX_BYTES);
            prop_assert!(once.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(read(&[&once]), Some(once.clone()));
        }
    }
}
