//! From a value to a type, by the type's own derived reader.
//!
//! Never takes a list for an object. A derived reader would, and would name the Rust type.

use super::error::{Error, found, one_of};
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// A value that is to become a type.
pub(super) struct Node(pub(super) Value);

impl Node {
    fn wrong(&self, expected: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::wrong(expected, found(&self.0))
    }

    fn object(self) -> Result<Map<String, Value>, Error> {
        match self.0 {
            Value::Object(map) => Ok(map),
            other => Err(Node(other).wrong("an object")),
        }
    }
}

/// A whole number within a type's range.
macro_rules! whole {
    ($($method:ident $type:ty, $get:ident, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let whole = self.0.$get().and_then(|whole| <$type>::try_from(whole).ok());
            match whole {
                Some(whole) => visitor.$visit(whole.into()),
                None => Err(self.wrong(format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(whole), _, _) => visitor.visit_u64(whole),
                (_, Some(whole), _) => visitor.visit_i64(whole),
                (_, _, Some(real)) => visitor.visit_f64(real),
                _ => Err(Error::custom("a number out of range")),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(list) => {
                let mut elements = Elements { list: list.into_iter(), at: 0 };
                let read = visitor.visit_seq(&mut elements)?;
                match elements.list.len() {
                    0 => Ok(read),
                    _ => Err(Error::wrong(format!("a list of {}", elements.at), "a longer one")),
                }
            }
            Value::Object(map) => visitor.visit_map(Members { map: map.into_iter(), known: None, value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Members { map: self.object()?.into_iter(), known: Some(known), value: None })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Members { map: self.object()?.into_iter(), known: None, value: None })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_array() { self.deserialize_any(visitor) } else { Err(self.wrong("a list")) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (variant, content) = match self.0 {
            Value::String(variant) => (variant, None),
            Value::Object(map) if map.len() == 1 => {
                let Some((variant, content)) = map.into_iter().next() else {
                    return Err(Error::wrong(one_of(variants), "an object"));
                };
                (variant, Some(content))
            }
            other => return Err(Node(other).wrong(one_of(variants))),
        };
        visitor.visit_enum(Variant { variant, content })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_boolean() { self.deserialize_any(visitor) } else { Err(self.wrong("true or false")) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_string() { self.deserialize_any(visitor) } else { Err(self.wrong("a string")) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_number() { self.deserialize_any(visitor) } else { Err(self.wrong("a number")) }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    whole! {
        deserialize_u8 u8, as_u64, visit_u64;
        deserialize_u16 u16, as_u64, visit_u64;
        deserialize_u32 u32, as_u64, visit_u64;
        deserialize_u64 u64, as_u64, visit_u64;
        deserialize_i8 i8, as_i64, visit_i64;
        deserialize_i16 i16, as_i64, visit_i64;
        deserialize_i32 i32, as_i64, visit_i64;
        deserialize_i64 i64, as_i64, visit_i64;
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Elements {
    list: std::vec::IntoIter<Value>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.list.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(Node(value)).map(Some).map_err(|error| error.at(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

struct Members {
    map: serde_json::map::IntoIter,
    /// The members of a struct; null counts as absent.
    known: Option<&'static [&'static str]>,
    value: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let known = self.known.unwrap_or_default();
        let next = self.map.find(|(name, value)| !value.is_null() || !known.contains(&name.as_str()));
        let Some((name, value)) = next else { return Ok(None) };
        let key = seed.deserialize(Node(Value::String(name.clone())));
        // A reader of members names the one that it does not know.
        let key = key.map_err(|error| if self.known.is_some() { error } else { error.within(&name) })?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let (name, value) = self.value.take().ok_or_else(|| Error::custom("a value without its name"))?;
        seed.deserialize(Node(value)).map_err(|error| error.within(&name))
    }
}

struct Variant {
    variant: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Content), Error> {
        let name: StringDeserializer<Error> = self.variant.clone().into_deserializer();
        Ok((seed.deserialize(name)?, Content { variant: self.variant, content: self.content }))
    }
}

/// What a variant holds.
struct Content {
    variant: String,
    content: Option<Value>,
}

impl Content {
    fn node(self) -> Result<(String, Node), Error> {
        match self.content {
            Some(content) => Ok((self.variant, Node(content))),
            None => Err(Error::missing(&self.variant, "a value")),
        }
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(content) => Err(Node(content).wrong("null").within(&self.variant)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let (variant, node) = self.node()?;
        seed.deserialize(node).map_err(|error| error.within(&variant))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let (variant, node) = self.node()?;
        node.deserialize_seq(visitor).map_err(|error| error.within(&variant))
    }

    fn struct_variant<V: Visitor<'de>>(self, known: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let (variant, node) = self.node()?;
        node.deserialize_struct("", known, visitor).map_err(|error| error.within(&variant))
    }
}
