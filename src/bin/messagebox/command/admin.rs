//! `admin`: boxes, identity lists, devices and permissions of a server, for its admins.

use std::fmt::Write as _;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::admin_options::{AdminCommand, PageArgs};
use crate::administration::{Method, ask, foreign};
use crate::error::CommandError;
use crate::local::names::{KeyOrName, Names};
use crate::local::output::{Printer, bad, doubtful, good, label, printable};
use crate::options::General;

/// A route with its query.
struct Route(String);

impl Route {
    fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        self
    }

    fn page(self, page: &PageArgs) -> Self {
        let limit = page.limit.map(|limit| limit.to_string());
        self.with("limit", limit.as_deref())
            .with("after", page.after.as_deref())
    }
}

fn of(whom: &KeyOrName, rest: &str) -> Result<Route, CommandError> {
    Ok(Route::new(format!(
        "/admin/identities/{}{rest}",
        whom.key()?
    )))
}

/// Formats an answer as text; `None` if it has another form.
type Human = fn(&Value, &Names) -> Option<String>;

/// Sends the request and prints the answer.
pub(crate) async fn run(
    general: &General,
    command: &AdminCommand,
    output: Printer,
) -> Result<(), CommandError> {
    let (method, route, human): (Method, Route, Human) = match command {
        AdminCommand::Boxes { identity, page } => {
            let identity = identity.as_ref().map(KeyOrName::key).transpose()?;
            let identity = identity.map(|key| key.to_hex());
            let route = Route::new("/admin/boxes")
                .with("identity", identity.as_deref())
                .with("full", Some("true"));
            (Method::Get, route.page(page), boxes)
        }
        AdminCommand::Inboxes { order, page } => {
            let route = Route::new("/admin/inboxes")
                .with("order", Some(order.word()))
                .with("full", Some("true"));
            (Method::Get, route.page(page), inboxes)
        }
        AdminCommand::Block(whom) => (Method::Post, of(&whom.identity, "/block")?, changed),
        AdminCommand::Unblock(whom) => (Method::Post, of(&whom.identity, "/unblock")?, changed),
        AdminCommand::Allow(whom) => (Method::Post, of(&whom.identity, "/allow")?, changed),
        AdminCommand::Disallow(whom) => (Method::Post, of(&whom.identity, "/disallow")?, changed),
        AdminCommand::List { list, page } => {
            let route = Route::new(format!("/admin/lists/{}", list.word()));
            (Method::Get, route.page(page), listed)
        }
        AdminCommand::Devices(whom) => (Method::Get, of(&whom.identity, "/devices")?, devices),
        AdminCommand::RemoveDevice { of: whom, id } => {
            let route = of(&whom.identity, &format!("/devices/{id}/remove"))?;
            (Method::Post, route, removed)
        }
        AdminCommand::Permissions {
            of: whom,
            message_box,
        } => {
            let route = of(&whom.identity, "/permissions")?;
            let route = route.with("limit", Some("1000"));
            let route = route.with("messageBox", message_box.as_deref());
            (Method::Get, route, permissions)
        }
        AdminCommand::UnsetPermission {
            of: whom,
            message_box,
            sender,
        } => {
            let sender = sender.as_ref().map(KeyOrName::key).transpose()?;
            let sender = sender.map(|key| key.to_hex());
            let route = of(&whom.identity, "/permissions/unset")?
                .with("messageBox", Some(message_box))
                .with("sender", sender.as_deref());
            (Method::Post, route, removed)
        }
    };
    let answer = ask(general, method, &route.0).await?;
    let names = Names::load()?;
    let text = human(&answer, &names).ok_or_else(foreign)?;
    output.print(&answer, || text)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// The lines of a list and the cursor of the next page, or `nothing`.
fn lines(
    answer: &Value,
    name: &str,
    nothing: &str,
    line: impl Fn(&Value) -> Option<String>,
) -> Option<String> {
    let items = answer.get(name)?.as_array()?;
    if items.is_empty() {
        return Some(nothing.to_owned());
    }
    let mut lines: Vec<String> = items.iter().map(line).collect::<Option<_>>()?;
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        lines.push(label(&format!("more: --after {next}")));
    }
    Some(lines.join("\n"))
}

/// Messages, bytes, and the age of the oldest if known.
fn amount(value: &Value) -> Option<String> {
    let (messages, bytes) = (value["messages"].as_i64()?, value["bytes"].as_i64()?);
    let oldest = value.get("oldestSeconds").and_then(Value::as_u64);
    let oldest = oldest.map_or_else(String::new, |seconds| {
        let age = humantime::format_duration(Duration::from_secs(seconds));
        format!(", the oldest {age} old")
    });
    let noun = if messages == 1 { "message" } else { "messages" };
    Some(format!("{messages} {noun}, {bytes} bytes{oldest}"))
}

fn boxes(answer: &Value, names: &Names) -> Option<String> {
    let line = |item: &Value| {
        let (owner, name) = (text(item, "identity")?, text(item, "messageBox")?);
        Some(format!(
            "{}  {}  {}",
            names.shown(owner),
            printable(name),
            amount(item)?
        ))
    };
    let mut shown = lines(answer, "boxes", "no stored messages", line)?;
    if let Some(total) = answer.get("total") {
        // Writing to a string cannot fail.
        let _ = write!(shown, "\n{} {}", label("total:"), amount(total)?);
    }
    Some(shown)
}

fn inboxes(answer: &Value, names: &Names) -> Option<String> {
    let line = |item: &Value| {
        let owner = names.shown(text(item, "identity")?);
        Some(format!("{owner}  {}", amount(item)?))
    };
    lines(answer, "inboxes", "no stored messages", line)
}

fn changed(answer: &Value, names: &Names) -> Option<String> {
    let served = if answer.get("served")?.as_bool()? {
        good("served")
    } else {
        bad("not served")
    };
    let is_new = answer["changed"].as_bool()?;
    let was_so = if is_new { "" } else { ", unchanged" };
    let ended = answer["disconnected"].as_u64()?;
    let ended = match ended {
        0 => String::new(),
        count => format!("; closed {count} sockets of this server"),
    };
    let owner = names.shown(text(answer, "identity")?);
    Some(format!("{owner}  {served}{was_so}{ended}"))
}

fn listed(answer: &Value, names: &Names) -> Option<String> {
    let line = |item: &Value| {
        let since = printable(text(item, "since")?);
        Some(format!(
            "{}  since {since}",
            names.shown(text(item, "identity")?)
        ))
    };
    lines(answer, "identities", "no identities", line)
}

fn devices(answer: &Value, _: &Names) -> Option<String> {
    let line = |item: &Value| {
        let name = text(item, "deviceId").unwrap_or("no name");
        let platform = text(item, "platform").unwrap_or("unknown platform");
        let state = if item.get("active")?.as_bool()? {
            good("active")
        } else {
            doubtful("not active")
        };
        let (id, token) = (item["id"].as_i64()?, text(item, "fcmToken")?);
        let shown = printable(&format!("{id}  {name}, {platform}, {token}"));
        Some(format!("{shown}, {state}"))
    };
    lines(answer, "devices", "no devices", line)
}

fn permissions(answer: &Value, names: &Names) -> Option<String> {
    let line = |item: &Value| {
        let asked = match item["recipientFee"].as_i64()? {
            ..0 => String::from("blocked"),
            0 => String::from("allowed"),
            fee => format!("{fee} satoshis"),
        };
        let sender = text(item, "sender");
        let sender = sender.map_or_else(|| String::from("everybody"), |key| names.shown(key));
        let message_box = printable(text(item, "messageBox")?);
        Some(format!("{message_box}  {sender}: {asked}"))
    };
    lines(answer, "permissions", "no permissions", line)
}

fn removed(answer: &Value, _: &Names) -> Option<String> {
    Some(if answer.get("removed")?.as_bool()? {
        good("removed")
    } else {
        String::from("there was nothing to remove")
    })
}
