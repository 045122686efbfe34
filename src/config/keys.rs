//! What a key is, which types it may have, and the macro that declares a section of keys.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{DeserializeOwned, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::limits::Networks;
use crate::rooms::RoomAccess;
use crate::telemetry::{AccessLog, LogFormat};
use crate::throttle::Throttle;

use super::scalar::at_most::AtMost;
use super::scalar::lifetime::Lifetime;
use super::scalar::secret::Secret;
use super::scalar::units;

/// How the text of an environment variable or flag becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Either `true` or `false`.
    Switch,
    Number,
    /// Satoshis by name, as `name=satoshis,name=satoshis`.
    Amounts,
    /// Durations by box, as `box=duration,box=duration`.
    Lifetimes,
    /// A list such as `one,another`.
    List,
    /// Fields by certificate type, as `type=field+field,type=field`.
    FieldsByType,
}

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the form `section.name`.
    pub path: &'static str,
    /// Its environment variables; the first one that is set wins. `MESSAGEBOX__SECTION__NAME` always works too.
    pub variables: &'static [&'static str],
    /// How its text is read.
    pub kind: Kind,
    /// What it means, for `--help` and for `config/default.toml`.
    pub help: &'static str,
}

/// Keys of the last release that have no effect any more, with their variables. The server accepts them with a warning.
pub(super) const REMOVED: &[(&str, &str)] = &[
    ("auth.resume", "AUTH_RESUME"),
    ("auth.resume_for", "AUTH_RESUME_FOR"),
    ("auth.lost_session_ttl", "AUTH_LOST_SESSION_TTL"),
    ("auth.max_lost_sessions", "AUTH_MAX_LOST_SESSIONS"),
    ("admin.public_dashboard", "PUBLIC_DASHBOARD"),
    ("cluster.overlap", "CLUSTER_OVERLAP"),
    ("database.max_group", "DB_MAX_GROUP"),
    ("rooms.max_pending_deliveries", "ROOMS_MAX_PENDING"),
    ("socket.connect_timeout", "CONNECT_TIMEOUT"),
    ("socket.upgrade_timeout", "UPGRADE_TIMEOUT"),
    ("socket.max_packets_per_poll", "MAX_PACKETS_PER_POLL"),
];

/// A type that the value of a key may have.
pub(super) trait Setting: Sized {
    const KIND: Kind;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Whether a file would leave the key out.
    fn is_unset(&self) -> bool {
        false
    }
}

macro_rules! settings {
    ($kind:ident: $($type:ty),+) => {$(
        impl Setting for $type {
            const KIND: Kind = Kind::$kind;

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Serialize::serialize(self, serializer)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Deserialize::deserialize(deserializer)
            }
        }
    )+};
}

settings!(Text: String, PathBuf, Secret, Throttle, RoomAccess, LogFormat, AccessLog);
settings!(Switch: bool);
settings!(Number: u16, u64, usize, NonZeroU64, NonZeroUsize, AtMost<96>, AtMost<65_534>, AtMost<131_072>);
settings!(Amounts: BTreeMap<String, u64>);
settings!(Lifetimes: BTreeMap<String, Lifetime>);
settings!(List: Vec<String>, Networks);
settings!(FieldsByType: BTreeMap<String, Vec<String>>);

impl Setting for Duration {
    const KIND: Kind = Kind::Text;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        units::serialize(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        units::deserialize(deserializer)
    }
}

impl<T: Setting + Serialize + DeserializeOwned> Setting for Option<T> {
    const KIND: Kind = T::KIND;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Serialize::serialize(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

/// Declares a section: the one home of each key's type, default, variables and help.
///
/// `with` names its subsections, and `beside` other fields.
macro_rules! section {
    (
        $(#[$doc:meta])* $name:ident $prefix:literal {
            $($field:ident: $kind:ty = $default:expr, [$($variable:literal),+], $help:literal;)*
        }
        $(with { $($inner:ident: $section:ident,)+ })?
        $(beside { $($(#[$about:meta])* $other:ident: $other_kind:ty,)+ })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                #[doc = concat!("The key `", $prefix, stringify!($field), "`.")]
                #[serde(serialize_with = "Setting::write", deserialize_with = "Setting::read", skip_serializing_if = "Setting::is_unset")]
                pub $field: $kind,
            )*
            $($(
                #[doc = concat!("The section `", $prefix, stringify!($inner), "`.")]
                pub $inner: $section,
            )+)?
            $($(
                $(#[$about])*
                #[serde(skip)]
                pub $other: $other_kind,
            )+)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    $($($inner: <$section>::default(),)+)?
                    $($($other: <$other_kind>::default(),)+)?
                }
            }
        }

        impl $name {
            pub(super) const KEYS: &'static [Key] = &[$(Key {
                path: concat!($prefix, stringify!($field)),
                variables: &[$($variable),+],
                kind: <$kind as Setting>::KIND,
                help: $help,
            },)*];

            /// Adds the keys whose values differ.
            pub(super) fn add_differences(&self, other: &Self, keys: &mut Vec<&'static str>) {
                $(if self.$field != other.$field {
                    keys.push(concat!($prefix, stringify!($field)));
                })*
                $($(self.$inner.add_differences(&other.$inner, keys);)+)?
            }
        }
    };
}

pub(super) use section;
