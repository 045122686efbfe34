//! Makes a database URL from the variables of other servers.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use url::Url;

/// A mistake: the variable, and what was expected.
pub(crate) type Wrong = (&'static str, String);

/// Reads `DB_SOURCE` (with `DB_DRIVER`), else `KNEX_DB_CONNECTION` (with `KNEX_DB_CLIENT`). Gives the variable and its URL.
pub(crate) fn of_other_servers(
    variables: &BTreeMap<String, String>,
) -> Result<Option<(&'static str, String)>, Wrong> {
    let get = |name: &str| variables.get(name).filter(|text| !text.is_empty());
    if let Some(source) = get("DB_SOURCE") {
        let driver = get("DB_DRIVER").map_or("sqlite3", String::as_str);
        let url = of_source(driver, source).map_err(|expected| ("DB_DRIVER", expected))?;
        return Ok(Some(("DB_SOURCE", url)));
    }
    let Some(connection) = get("KNEX_DB_CONNECTION") else {
        return match (get("DB_DRIVER"), get("KNEX_DB_CLIENT")) {
            (Some(driver), _) => without_source("DB_DRIVER", driver, "DB_SOURCE"),
            (None, Some(client)) => without_source("KNEX_DB_CLIENT", client, "KNEX_DB_CONNECTION"),
            (None, None) => Ok(None),
        };
    };
    let client = get("KNEX_DB_CLIENT").map_or("mysql2", String::as_str);
    let url = of_knex(client, connection).map_err(|expected| ("KNEX_DB_CONNECTION", expected))?;
    Ok(Some(("KNEX_DB_CONNECTION", url)))
}

/// A database client without an address. SQLite needs none: it has a default, which is ours too.
fn without_source(
    name: &'static str,
    kind: &str,
    source: &str,
) -> Result<Option<(&'static str, String)>, Wrong> {
    if kind.starts_with("sqlite") || kind == "better-sqlite3" {
        return Ok(None);
    }
    let expected = format!("{name}={kind} needs {source}, which is not set; or set DATABASE_URL");
    Err((name, expected))
}

fn of_source(driver: &str, source: &str) -> Result<String, String> {
    if source.contains("://") {
        return Ok(source.to_owned());
    }
    match driver {
        "sqlite" | "sqlite3" => Ok(format!("sqlite://{source}")),
        // The form of Go's driver: user:password@tcp(host:port)/database.
        "mysql" | "mariadb" => Ok(format!(
            "mysql://{}",
            source.replacen("@tcp(", "@", 1).replacen(")/", "/", 1)
        )),
        "postgres" | "postgresql" | "pgx" => Ok(format!("postgres://{source}")),
        _ => Err(format!(
            "expected sqlite3, mysql or postgres, not {driver:?}"
        )),
    }
}

fn of_knex(client: &str, connection: &str) -> Result<String, String> {
    if connection.contains("://") && !connection.trim_start().starts_with(['{', '"']) {
        return Ok(connection.to_owned());
    }
    let json: Json = serde_json::from_str(connection).map_err(|_| "expected JSON".to_owned())?;
    if let Json::String(url) = json {
        return Ok(url);
    }
    let field = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default();
    if !field("filename").is_empty() {
        return Ok(format!("sqlite://{}", field("filename")));
    }
    let (scheme, port) = match client {
        "mysql" | "mysql2" | "mariadb" => ("mysql", 3306),
        "pg" | "postgres" | "postgresql" => ("postgres", 5432),
        _ => {
            return Err(format!(
                "expected mysql2, pg or sqlite3 as KNEX_DB_CLIENT, not {client:?}"
            ));
        }
    };
    if field("database").is_empty() {
        return Err("expected an object with host, user, password and database".to_owned());
    }
    if json
        .get("ssl")
        .is_some_and(|ssl| *ssl != Json::Bool(false) && !ssl.is_null())
    {
        return Err("the server does not read `ssl`: set DATABASE_URL instead, with ssl-mode and ssl-ca (MySQL) or sslmode and sslrootcert (PostgreSQL)".to_owned());
    }
    let port = match json.get("port") {
        None | Some(Json::Null) => Some(port),
        Some(Json::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
    };
    let port = port.ok_or("expected a port number as `port`")?;
    let host = Some(field("host"))
        .filter(|host| !host.is_empty())
        .unwrap_or("localhost");
    let wrong = |()| "expected a host name as `host`".to_owned();
    let mut url = Url::parse(&format!("{scheme}://{host}:{port}")).map_err(|_| wrong(()))?;
    // `set_username` and `set_password` take a `%` for the beginning of an escape.
    let plain = |name: &str| field(name).replace('%', "%25");
    url.set_username(&plain("user")).map_err(wrong)?;
    let password = Some(plain("password")).filter(|password| !password.is_empty());
    url.set_password(password.as_deref()).map_err(wrong)?;
    url.set_path(field("database"));
    if !field("socketPath").is_empty() {
        url.query_pairs_mut()
            .append_pair("unix-socket", field("socketPath"));
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(variables: &[(&str, &str)]) -> Result<String, String> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let found = of_other_servers(&variables.iter().map(own).collect());
        found
            .map(|found| found.unwrap_or_default().1)
            .map_err(|(name, expected)| format!("{name}: {expected}"))
    }

    #[test]
    fn a_driver_and_its_source() {
        for (driver, source, expected) in [
            ("", "m.db", "sqlite://m.db"),
            ("sqlite3", "m.db", "sqlite://m.db"),
            (
                "mysql",
                "mysql://root:root@127.0.0.1:3306/messagebox",
                "mysql://root:root@127.0.0.1:3306/messagebox",
            ),
            ("mysql", "u:p@tcp(h:3307)/d", "mysql://u:p@h:3307/d"),
            ("postgres", "u:p@h/d", "postgres://u:p@h/d"),
        ] {
            let url = url(&[("DB_DRIVER", driver), ("DB_SOURCE", source)]);
            assert_eq!(url.as_deref(), Ok(expected));
        }
        let error = url(&[("DB_DRIVER", "oracle"), ("DB_SOURCE", "x")]).unwrap_err();
        assert!(
            error.starts_with("DB_DRIVER: expected") && error.contains("oracle"),
            "{error}"
        );
    }

    #[test]
    fn a_connection_of_knex() {
        let knex = |client: &str, json: &str| {
            url(&[("KNEX_DB_CLIENT", client), ("KNEX_DB_CONNECTION", json)])
        };
        for (client, json, expected) in [
            (
                "",
                r#"{"host":"h","user":"u","password":"p","database":"d"}"#,
                "mysql://u:p@h:3306/d",
            ),
            (
                "mysql2",
                r#"{"user":"u","password":"p@:/?#%","database":"d","port":"3307","ssl":false}"#,
                "mysql://u:p%40%3A%2F%3F%23%25@localhost:3307/d",
            ),
            (
                "pg",
                r#"{"host":"h","port":5433,"user":"u","database":"d"}"#,
                "postgres://u@h:5433/d",
            ),
            (
                "mysql2",
                r#"{"socketPath":"/s","user":"u","database":"d"}"#,
                "mysql://u@localhost:3306/d?unix-socket=%2Fs",
            ),
            ("sqlite3", r#"{"filename":"k.db"}"#, "sqlite://k.db"),
            ("mysql2", "mysql://u:p@h/d", "mysql://u:p@h/d"),
        ] {
            assert_eq!(knex(client, json).as_deref(), Ok(expected), "{json}");
        }
        for (client, json, part) in [
            ("mysql2", "{", "JSON"),
            ("mysql2", "{}", "host, user, password and database"),
            ("oracledb", r#"{"database":"d"}"#, "oracledb"),
            ("mysql2", r#"{"database":"d","port":true}"#, "port"),
            (
                "mysql2",
                r#"{"database":"d","ssl":{"ca":"x"}}"#,
                "DATABASE_URL",
            ),
        ] {
            let error = knex(client, json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
