//! The command line of `admin`.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand, ValueEnum};

use crate::names::Whom;

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Print which boxes have waiting messages: how many, their bytes, and the age of the oldest.
    Boxes {
        /// Only the boxes of this identity, with their sum.
        #[arg(long, value_name = "KEY OR NAME")]
        identity: Option<Whom>,
        #[command(flatten)]
        page: Page,
    },
    /// Print which identities have waiting messages: how many, and their bytes.
    Inboxes {
        /// In which order.
        #[arg(long, value_enum, default_value_t = Order::Messages)]
        order: Order,
        #[command(flatten)]
        page: Page,
    },
    /// Block an identity: its requests are refused and its sockets ended, on every server within seconds.
    Block(Identity),
    /// Serve an identity again that was blocked.
    Unblock(Identity),
    /// Put an identity on the allow list. Where that has any, no others are served.
    Allow(Identity),
    /// Take an identity off the allow list.
    Disallow(Identity),
    /// Print who is blocked, or allowed.
    List {
        /// Which list.
        #[arg(value_enum)]
        list: List,
        #[command(flatten)]
        page: Page,
    },
    /// Print the devices of an identity.
    Devices(Identity),
    /// Remove a device of an identity.
    RemoveDevice {
        #[command(flatten)]
        of: Identity,
        /// The server's number for it, as `devices` prints it.
        id: i64,
    },
    /// Print the permissions of an identity.
    Permissions {
        #[command(flatten)]
        of: Identity,
        /// For this box only.
        #[arg(long = "box", value_name = "NAME")]
        message_box: Option<String>,
    },
    /// Unset a permission of an identity, so that what is more general holds.
    UnsetPermission {
        #[command(flatten)]
        of: Identity,
        /// Which box, exactly as `permissions` prints it.
        message_box: String,
        /// The permission for this sender; without it, the one for everybody.
        #[arg(long, value_name = "KEY OR NAME")]
        sender: Option<Whom>,
    },
}

/// Whom it is about.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// An identity key, or a name that you gave it.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) identity: Whom,
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    /// Print this many at most, up to 1000.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<NonZeroUsize>,
    /// Begin there: the `next` of a list that ended at its limit.
    #[arg(long, value_name = "NEXT")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// By key.
    Identity,
    /// Those with most messages first.
    Messages,
    /// Those with most bytes first.
    Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum List {
    /// Those that are not served.
    Block,
    /// Those that alone are served, where there are any.
    Allow,
}

impl Order {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

impl List {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }
}
