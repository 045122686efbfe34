//! The command line of `admin`.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand, ValueEnum};

use crate::local::names::KeyOrName;

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Print the boxes with stored messages: messages, bytes, and the age of the oldest.
    Boxes {
        /// Only the boxes of this identity, with their total.
        #[arg(long, value_name = "KEY OR NAME")]
        identity: Option<KeyOrName>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Print the identities with stored messages: messages and bytes.
    Inboxes {
        /// The order of the list.
        #[arg(long, value_enum, default_value_t = InboxOrder::Messages)]
        order: InboxOrder,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Block an identity: every server refuses its requests and closes its sockets within seconds.
    Block(IdentityArg),
    /// Unblock an identity on every server.
    Unblock(IdentityArg),
    /// Put an identity on the allow list. If the list has any, servers serve no others.
    Allow(IdentityArg),
    /// Take an identity off the allow list.
    Disallow(IdentityArg),
    /// Print the blocked or the allowed identities.
    List {
        /// The name of the list.
        #[arg(value_enum)]
        list: IdentityListName,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Print the devices of an identity.
    Devices(IdentityArg),
    /// Remove a device of an identity.
    RemoveDevice {
        #[command(flatten)]
        of: IdentityArg,
        /// The number of the device, as `devices` prints it.
        id: i64,
    },
    /// Print the permissions of an identity.
    Permissions {
        #[command(flatten)]
        of: IdentityArg,
        /// For this box only.
        #[arg(long = "box", value_name = "NAME")]
        message_box: Option<String>,
    },
    /// Unset a permission of an identity, so that the more general one applies.
    UnsetPermission {
        #[command(flatten)]
        of: IdentityArg,
        /// The box, exactly as `permissions` prints it.
        message_box: String,
        /// The permission for this sender; without it, the one for everybody.
        #[arg(long, value_name = "KEY OR NAME")]
        sender: Option<KeyOrName>,
    },
}

/// The identity that a command is about.
#[derive(Debug, Args)]
pub(crate) struct IdentityArg {
    /// An identity key, or a name that you gave it.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) identity: KeyOrName,
}

#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Maximum number of entries, up to 1000.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<NonZeroUsize>,
    /// Cursor to continue from: the `next` of a list that reached its limit.
    #[arg(long, value_name = "NEXT")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InboxOrder {
    /// In the order of identity keys.
    Identity,
    /// Inboxes with most messages first.
    Messages,
    /// Inboxes with most bytes first.
    Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdentityListName {
    /// Identities that servers do not serve.
    Block,
    /// The only identities that servers serve, if there are any.
    Allow,
}

impl InboxOrder {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

impl IdentityListName {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }
}
