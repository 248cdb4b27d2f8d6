//! Reading enums that are tagged inside, where the tag comes first, as we write them.
//!
//! What serde derives for such an enum gathers the whole value before it looks for the tag, because the tag may come
//! last: each text and each list is built twice, which was half the time of reading a recording. Here the variant is read
//! straight from the input; only where the tag comes later is the value gathered.

use compact_str::CompactString;
use serde::de::{Error, MapAccess};
use serde_json::{Map, Value};

/// How a tagged value began.
pub enum Begun {
    /// With this tag; what is left are the fields of its variant.
    Tag(CompactString),
    /// With something else: all of it.
    Other(Value),
}

/// Takes the tag off `fields`, or gathers all of them.
pub fn begin<'de, A: MapAccess<'de>>(fields: &mut A, tag: &str) -> Result<Begun, A::Error> {
    let mut all = Map::new();
    while let Some(name) = fields.next_key::<CompactString>()? {
        if name == tag && all.is_empty() {
            return fields.next_value().map(Begun::Tag);
        }
        all.insert(name.into(), fields.next_value()?);
    }
    Ok(Begun::Other(Value::Object(all)))
}

/// All fields, and the tag that was taken off them.
pub fn gather<'de, A: MapAccess<'de>>(mut fields: A, tag: &str, value: &str) -> Result<Value, A::Error> {
    let mut all = Map::new();
    all.insert(tag.into(), value.into());
    while let Some((name, value)) = fields.next_entry::<String, Value>()? {
        // Twice the same field is no value that we wrote.
        if all.insert(name, value).is_some() {
            return Err(A::Error::custom("a field stands there twice"));
        }
    }
    Ok(Value::Object(all))
}

/// `Deserialize` and `Serialize` of an enum that is tagged inside and derives both with `remote = "Self"`. The variants
/// that are named, each of one value, are read straight from the input; the others as serde derives it.
macro_rules! tag_first {
    ($type:ident, $tag:literal, { $($name:literal => $variant:ident),+ $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "an object with the field `{}`", $tag)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<$type, A::Error> {
                        use serde::de::value::MapAccessDeserializer;
                        use $crate::signals::tagged::{Begun, begin, gather};
                        let gathered = match begin(&mut fields, $tag)? {
                            Begun::Tag(name) => match name.as_str() {
                                $($name => {
                                    let value = serde::Deserialize::deserialize(MapAccessDeserializer::new(fields));
                                    return value.map($type::$variant);
                                })+
                                other => gather(fields, $tag, other)?,
                            },
                            Begun::Other(all) => all,
                        };
                        $type::deserialize(gathered).map_err(serde::de::Error::custom)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $type::serialize(self, serializer)
            }
        }
    };
}
pub(crate) use tag_first;

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        used: u64,
        #[serde(default)]
        share: f32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self", rename_all = "snake_case", tag = "kind")]
    enum Fact {
        Sample(Box<Sample>),
        Mounts { paths: Vec<String> },
        Nothing,
    }
    super::tag_first!(Fact, "kind", { "sample" => Sample });

    #[test]
    fn a_value_reads_as_it_was_written_wherever_its_tag_stands() {
        for fact in [
            Fact::Sample(Box::new(Sample { used: u64::MAX, share: 12.3 })),
            Fact::Mounts { paths: vec!["/".into(), "\"\n".into()] },
            Fact::Nothing,
        ] {
            let text = serde_json::to_string(&fact).unwrap();
            assert!(text.starts_with("{\"kind\":"), "{text}");
            assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
            assert_eq!(serde_json::from_slice::<Fact>(text.as_bytes()).unwrap(), fact);
            assert_eq!(serde_json::from_reader::<_, Fact>(text.as_bytes()).unwrap(), fact);
        }
        let last: Fact = serde_json::from_str(r#"{"used": 7, "new": [1, {}], "kind": "sample"}"#).unwrap();
        assert_eq!(last, Fact::Sample(Box::new(Sample { used: 7, share: 0.0 })));
        let first: Fact = serde_json::from_str(r#"{"kind": "sample", "new": [1, {}], "used": 7}"#).unwrap();
        assert_eq!(first, last, "fields that are not known are stepped over");
    }

    #[test]
    fn what_is_not_known_or_lacks_something_is_an_error() {
        for text in [r#"{"kind":"later","used":1}"#, r#"{"used":1}"#, r#"{"kind":"sample"}"#, "7", r#"{"kind":7}"#] {
            assert!(serde_json::from_str::<Fact>(text).is_err(), "{text}");
        }
    }
}
