//! Objects, lists, and values of any kind.
//!
//! Never keeps a document that its caller does not ask for: it gives the parts, or skips them.

use super::error::Error;
use super::scalar::number;
use super::walker::Walker;
use serde_json::{Map, Value, map::Entry};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Objects and lists within each other, at most.
const DEPTH_MAX: usize = 128;
/// Members of an object that is skipped: their names are kept meanwhile.
const SKIPPED_MEMBERS_MAX: usize = 1 << 16;

/// Steps that reading a value takes.
const VALUE_STEPS: usize = 4;

impl<'a> Walker<'a> {
    /// The members of an object by their names, each once. One that is null is as good as
    /// absent; one that is not `known` is skipped.
    pub fn object<E: From<Error> + Within>(
        &mut self,
        known: &[&'static str],
        mut member: impl FnMut(&mut Self, &'static str) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut seen, mut unknown) = (0_u64, BTreeSet::new());
        self.members(|walker, name| {
            let Some(at) = known.iter().position(|known| *known == name) else {
                if unknown.contains(&name) {
                    return Err(twice(&name).into());
                }
                if unknown.len() == SKIPPED_MEMBERS_MAX {
                    let most = format!("at most {SKIPPED_MEMBERS_MAX} members that are not known");
                    return Err(Error::wrong(most, "more").into());
                }
                walker.skip().map_err(|error| error.within(&name))?;
                unknown.insert(name);
                return Ok(());
            };
            if seen & (1 << at) != 0 {
                return Err(twice(&name).into());
            }
            seen |= 1 << at;
            match known.get(at) {
                Some(known) if walker.peek() != Some(b'n') => {
                    member(walker, known).map_err(|error| error.within(known))
                }
                _ => walker.word("null").map_err(|error| error.within(&name).into()),
            }
        })
    }

    /// The elements of a list, each with its number.
    pub fn list<E: From<Error> + Within>(
        &mut self,
        mut element: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.peek() != Some(b'[') {
            return Err(self.other("a list").into());
        }
        self.enter()?;
        let mut count = 0;
        if !self.comes(b']') {
            loop {
                self.interrupt.spend(VALUE_STEPS).map_err(Error::from)?;
                element(self, count).map_err(|error| error.at(count))?;
                count += 1;
                if self.comes(b']') {
                    break;
                }
                if !self.comes(b',') {
                    return Err(self.syntax("`,` or `]`").into());
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Any value, its objects without a member that comes twice.
    pub fn value(&mut self) -> Result<Value, Error> {
        Ok(match self.peek() {
            Some(b'{') => Value::Object(self.map()?),
            Some(b'[') => {
                let mut list = Vec::new();
                self.list(|walker, _| {
                    list.push(walker.value()?);
                    Ok::<_, Error>(())
                })?;
                Value::Array(list)
            }
            Some(b'"') => Value::String(self.string()?.into_owned()),
            Some(b'-' | b'0'..=b'9') => Value::Number(number(self.number()?)?),
            _ => self.literal()?.map_or(Value::Null, Value::Bool),
        })
    }

    /// An object, whatever its members, without one that comes twice.
    pub fn map(&mut self) -> Result<Map<String, Value>, Error> {
        let mut map = Map::new();
        self.members(|walker, name| match map.entry(name.into_owned()) {
            Entry::Occupied(there) => Err(twice(there.key())),
            Entry::Vacant(place) => {
                let value = walker.value().map_err(|error| error.within(place.key()))?;
                place.insert(value);
                Ok(())
            }
        })?;
        Ok(map)
    }

    /// Goes past a value, and gives its text.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        self.space();
        let from = self.offset();
        match self.peek() {
            Some(b'{') => {
                let mut names = BTreeSet::new();
                self.members(|walker, name| {
                    if names.contains(&name) {
                        return Err(twice(&name));
                    }
                    if names.len() == SKIPPED_MEMBERS_MAX {
                        return Err(Error::wrong(format!("at most {SKIPPED_MEMBERS_MAX} members"), "more"));
                    }
                    walker.skip().map_err(|error| error.within(&name))?;
                    names.insert(name);
                    Ok(())
                })?;
            }
            Some(b'[') => self.list(|walker, _| walker.skip().map(drop))?,
            Some(b'"') => drop(self.string()?),
            Some(b'-' | b'0'..=b'9') => drop(self.number()?),
            _ => drop(self.literal()?),
        }
        Ok(self.text.get(from..self.offset()).unwrap_or_default())
    }

    /// The members of an object, whatever their names, in their order.
    fn members<E: From<Error>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.peek() != Some(b'{') {
            return Err(self.other("an object").into());
        }
        self.enter()?;
        if !self.comes(b'}') {
            loop {
                self.interrupt.spend(VALUE_STEPS).map_err(Error::from)?;
                if self.peek() != Some(b'"') {
                    return Err(self.syntax("a member's name").into());
                }
                let name = self.string()?;
                if !self.comes(b':') {
                    return Err(self.syntax("`:`").into());
                }
                member(self, name)?;
                if self.comes(b'}') {
                    break;
                }
                if !self.comes(b',') {
                    return Err(self.syntax("`,` or `}`").into());
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Error> {
        if self.depth == DEPTH_MAX {
            let error = Error::wrong(format!("at most {DEPTH_MAX} levels"), "a deeper one");
            return Err(self.at_offset(error, 0));
        }
        self.depth += 1;
        self.rest = self.rest.get(1..).unwrap_or_default();
        Ok(())
    }
}

/// An error that can say where it is.
pub trait Within: Sized {
    /// Adds the member's name to an error.
    fn within(self, member: &str) -> Self;
    /// Adds the element's number to an error.
    fn at(self, element: usize) -> Self;
}

impl Within for Error {
    fn within(self, member: &str) -> Self {
        Self::within(self, member)
    }

    fn at(self, element: usize) -> Self {
        Self::at(self, element)
    }
}

fn twice(name: &str) -> Error {
    Error::wrong("the member once", "it twice").within(name)
}
