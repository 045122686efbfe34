//! `names`: the user's names for identity keys.

use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::local::names::{self, Name, Names};
use crate::local::output::{Printer, note, strong};
use crate::options::NamesCommand;

/// Sets, removes or lists names, without a server.
pub(crate) fn run(command: &NamesCommand, output: Printer) -> Result<(), CommandError> {
    match command {
        NamesCommand::Set { name, key } => {
            let before = names::set(name, *key)?;
            if let Some(before) = before.filter(|before| before != key) {
                note(&format!("{name} was {before} before"));
            }
            let result = json!({ "name": name.to_string(), "identityKey": key.to_hex() });
            output.print(&result, || format!("{}  {key}", strong(&name.to_string())))
        }
        NamesCommand::Remove { name } => {
            let key = names::remove(name)?;
            let result = json!({ "name": name.to_string(), "identityKey": key.to_hex() });
            output.print(&result, || format!("removed {name}, which was {key}"))
        }
        NamesCommand::List => {
            let names = Names::load()?;
            let document = |(name, key): &(Name, IdentityKey)| json!({ "name": name.to_string(), "identityKey": key.to_hex() });
            let documents: Vec<Value> = names.iter().map(document).collect();
            output.print(&json!({ "names": documents }), || {
                if documents.is_empty() {
                    return String::from("no names");
                }
                let line = |(name, key): &(Name, IdentityKey)| {
                    format!("{}  {key}\n", strong(&name.to_string()))
                };
                names.iter().map(line).collect()
            })
        }
    }
}
