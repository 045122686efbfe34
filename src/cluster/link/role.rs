//! Checks that a server takes writes. Connections survive when a server is demoted, and a replica still answers `PING`,
//! `SUBSCRIBE` and `PUBLISH`.

use redis::{Cmd, Value};

use super::error::LinkError;

/// `HELLO` without a version changes nothing and returns the role. Unlike `ROLE` and `INFO`, every user may send it.
pub(super) fn role_command() -> Cmd {
    redis::cmd("HELLO")
}

/// Fails if the answer to [`role_command`] comes from a replica.
pub(super) fn refuse_replica(answer: &Value) -> Result<(), LinkError> {
    let fields: Vec<(&Value, &Value)> = match answer {
        Value::Map(fields) => fields.iter().map(|(name, value)| (name, value)).collect(),
        // The form of RESP2.
        Value::Array(parts) => {
            let pairs = parts.chunks_exact(2);
            pairs
                .filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
                .collect()
        }
        _ => Vec::new(),
    };
    let role = fields.into_iter().find(|(name, _)| text(name) == "role");
    match role.map(|(_, value)| text(value)) {
        Some("replica" | "slave") => Err(LinkError::Replica),
        _ => Ok(()),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::SimpleString(text) => text,
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(role: &str) -> Vec<Value> {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let fields = [text("proto"), Value::Int(3), text("role"), text(role)];
        fields.to_vec()
    }

    #[test]
    fn a_replica_is_told_by_its_role() {
        for (role, is_replica) in [("master", false), ("replica", true), ("slave", true)] {
            let expected = if is_replica {
                Err(LinkError::Replica)
            } else {
                Ok(())
            };
            let pairs = hello(role)
                .chunks(2)
                .map(|it| (it[0].clone(), it[1].clone()))
                .collect();
            assert_eq!(refuse_replica(&Value::Map(pairs)), expected, "{role}");
            assert_eq!(
                refuse_replica(&Value::Array(hello(role))),
                expected,
                "{role}"
            );
        }
        for other in [Value::Nil, Value::Okay, Value::Map(Vec::new())] {
            assert_eq!(refuse_replica(&other), Ok(()));
        }
    }
}
