//! Which database: the URL, as operators write it, and as the client libraries read it.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::error::DbError;

/// Where the messages are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A database of a MySQL or MariaDB server.
    #[cfg(feature = "mysql")]
    Mysql(ServerUrl),
    /// A database of a PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(ServerUrl),
}

/// The URL of a server's database; its password is shown to nobody.
#[cfg(any(feature = "mysql", feature = "postgres"))]
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    pub(super) url: Url,
    /// Whether a connection that is not encrypted is refused.
    pub(super) encrypted: bool,
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(self.url.as_str()))
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseUrl {
    /// Reads `sqlite://path`, `sqlite:path`, `file:path`, a bare path, `mysql://` (or `mariadb://`) and `postgres://` (or
    /// `postgresql://`) with `user:password@host:port/database`.
    ///
    /// # Errors
    /// [`DbError::Url`] for what cannot be read, for a database that this build does not have, and for one in memory,
    /// which would lose what was acknowledged.
    pub fn parse(url: &str) -> Result<Self, DbError> {
        let read = match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("mysql" | "mariadb") => mysql(url),
            Some("postgres" | "postgresql") => postgres(url),
            _ => sqlite(url),
        };
        read.map_err(|expected| DbError::Url {
            url: mask(url),
            expected,
        })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            #[cfg(feature = "mysql")]
            Self::Mysql(url) => write!(f, "{url}"),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

/// Hides the password of `scheme://user:password@host/...`, and parameters, which may hold one. Where it cannot be told
/// what is the password, because it has characters in it that should be encoded, all is hidden.
fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    if scheme.starts_with("sqlite") {
        return url.to_owned();
    }
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if Url::parse(url).is_err() || behind.contains('@') {
        return format!("{scheme}://***");
    }
    let path = behind.split(['?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => format!("{scheme}://{authority}{path}"),
    }
}

fn sqlite(url: &str) -> Result<DatabaseUrl, &'static str> {
    let path = ["sqlite://", "sqlite3://", "sqlite:", "file:"]
        .iter()
        .find_map(|prefix| url.strip_prefix(prefix))
        .unwrap_or(url);
    if path.is_empty() || path.contains("://") {
        return Err(
            "expected sqlite://path/to/file.db, mysql:// or postgres://user:password@host/database",
        );
    }
    if path.contains(":memory:") {
        return Err("a database in memory would lose acknowledged messages; name a file");
    }
    Ok(DatabaseUrl::Sqlite(path.into()))
}

#[cfg(not(feature = "mysql"))]
fn mysql(_: &str) -> Result<DatabaseUrl, &'static str> {
    Err("MySQL is not in this build; build with --features mysql, or use sqlite://path/to/file.db")
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<DatabaseUrl, &'static str> {
    Err(
        "PostgreSQL is not in this build; build with --features postgres, or use sqlite://path/to/file.db",
    )
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn server(url: &str) -> Result<Url, &'static str> {
    let parsed = Url::parse(url).ok();
    let named = parsed.filter(|url| !url.path().trim_matches('/').is_empty());
    named.ok_or("expected scheme://user:password@host:port/database")
}

/// Parameters may be spelled as MySQL's own clients spell them (`ssl-mode`) or as the library does (`ssl_mode`).
#[cfg(feature = "mysql")]
fn mysql(url: &str) -> Result<DatabaseUrl, &'static str> {
    let mut url = server(&url.replacen("mariadb://", "mysql://", 1))?;
    let mut pairs = Vec::new();
    let mut mode = None;
    for (name, value) in url.query_pairs() {
        match &*name.replace('-', "_") {
            "ssl_mode" | "sslmode" => mode = Some(value.to_lowercase().replace('-', "_")),
            name @ ("ssl_ca" | "ssl_cert" | "ssl_key" | "unix_socket") => {
                pairs.push((name.to_owned(), value.into_owned()));
            }
            _ => {
                return Err(
                    "expected ssl-mode, ssl-ca, ssl-cert, ssl-key or unix-socket as parameters",
                );
            }
        }
    }
    let has_ca = pairs.iter().any(|(name, _)| name == "ssl_ca");
    // MariaDB's client library knows no mode: given an authority, it encrypts and holds the server's certificate against
    // that, and without one it does not encrypt. That it did is looked up once connected.
    let knows_modes = mysqlclient_sys::SUPPORTS_MYSQL_SSL_MODE;
    let encrypted = match mode.as_deref() {
        None | Some("preferred" | "disabled") if has_ca => {
            return Err("ssl-ca is for ssl-mode=verify_ca or verify_identity");
        }
        None | Some("preferred" | "disabled") => false,
        Some("verify_ca" | "verify_identity") if !has_ca => {
            return Err("ssl-mode=verify_ca and verify_identity need ssl-ca=/path/to/ca.pem");
        }
        Some("verify_ca") => true,
        Some("required" | "verify_identity") if knows_modes => true,
        Some("required" | "verify_identity") => {
            return Err(
                "this build's client library (MariaDB's) has verify_ca only: use ssl-mode=verify_ca with an authority of your own",
            );
        }
        Some(_) => {
            return Err(
                "expected ssl-mode disabled, preferred, required, verify_ca or verify_identity",
            );
        }
    };
    if let Some(mode) = mode.filter(|_| knows_modes) {
        pairs.push(("ssl_mode".to_owned(), mode));
    }
    // To the library this name means a file; to those who write it, mostly, this machine.
    let has_file = pairs.iter().any(|(name, _)| name == "unix_socket");
    if url.host_str() == Some("localhost") && !has_file {
        let numeric = url.set_host(Some("127.0.0.1"));
        numeric.map_err(|_| "expected a host name")?;
    }
    url.set_query(None);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(DatabaseUrl::Mysql(ServerUrl { url, encrypted }))
}

/// What the library does not say is added: a server that does not answer must not hold anybody for long.
#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<DatabaseUrl, &'static str> {
    let mut url = server(url)?;
    for (name, value) in [
        ("connect_timeout", "5"),
        ("tcp_user_timeout", "20000"),
        ("keepalives_idle", "10"),
        ("application_name", "messagebox-server"),
    ] {
        if !url.query_pairs().any(|(known, _)| known == name) {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    // The library itself holds a connection to sslmode.
    let encrypted = false;
    Ok(DatabaseUrl::Postgres(ServerUrl { url, encrypted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_file_or_are_refused_with_what_was_expected() {
        for url in [
            "sqlite://data/x.db",
            "sqlite:data/x.db",
            "file:data/x.db",
            "data/x.db",
        ] {
            assert_eq!(
                DatabaseUrl::parse(url),
                Ok(DatabaseUrl::Sqlite("data/x.db".into())),
                "{url}"
            );
        }
        for url in [
            "",
            "sqlite://",
            ":memory:",
            "sqlite::memory:",
            "oracle://u:secret@h/d",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_password_is_hidden_however_it_is_written() {
        for (url, shown) in [
            (
                "postgres://user:secret@host:1/db",
                "postgres://***@host:1/db",
            ),
            (
                "postgres://user:sec@ret@host/db?x=y",
                "postgres://***@host/db",
            ),
            ("postgres://host/db?password=secret", "postgres://host/db"),
            ("postgres://host/db?password=sec@ret", "postgres://***"),
            ("postgres://user:sec?ret@host/db", "postgres://***"),
            ("postgres://user:sec#ret@host/db", "postgres://***"),
            ("postgres://user:sec/ret@host/db", "postgres://***"),
            ("postgres://user:1?secret@host/db", "postgres://***"),
            ("postgres://user:secret", "postgres://***"),
            ("sqlite://data/x.db", "sqlite://data/x.db"),
        ] {
            assert_eq!(mask(url), shown);
        }
        let error = DatabaseUrl::parse("postgres://user:sec?ret@host/db").unwrap_err();
        assert!(!error.to_string().contains("sec"), "{error}");
    }

    #[test]
    fn a_database_that_is_not_in_this_build_is_told() {
        for (url, is_here, feature) in [
            (
                "mysql://u:secret@h/d",
                cfg!(feature = "mysql"),
                "--features mysql",
            ),
            (
                "mariadb://u:secret@h/d",
                cfg!(feature = "mysql"),
                "--features mysql",
            ),
            (
                "postgres://u:secret@h/d",
                cfg!(feature = "postgres"),
                "--features postgres",
            ),
            (
                "postgresql://u:secret@h/d",
                cfg!(feature = "postgres"),
                "--features postgres",
            ),
        ] {
            match DatabaseUrl::parse(url) {
                Ok(parsed) => {
                    assert!(is_here, "{url}");
                    let shown = format!("{parsed} {parsed:?}");
                    assert!(
                        shown.contains("***@h/d") && !shown.contains("secret"),
                        "{shown}"
                    );
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(!is_here && error.contains(feature), "{error}");
                    assert!(!error.contains("secret"), "{error}");
                }
            }
        }
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn what_is_asked_of_encryption_is_done_or_refused() {
        let encrypted = |query: &str| match DatabaseUrl::parse(&format!("mysql://u@h/d?{query}")) {
            Ok(DatabaseUrl::Mysql(url)) => Some(url.encrypted),
            _ => None,
        };
        assert_eq!(encrypted(""), Some(false));
        assert_eq!(encrypted("ssl-mode=verify_ca&ssl-ca=/ca.pem"), Some(true));
        let modes = mysqlclient_sys::SUPPORTS_MYSQL_SSL_MODE;
        for only_with_modes in [
            "ssl-mode=REQUIRED",
            "ssl_mode=VERIFY_IDENTITY&ssl_ca=/ca.pem",
        ] {
            assert_eq!(encrypted(only_with_modes), modes.then_some(true));
        }
        // What would be ignored otherwise.
        for wrong in [
            "ssl-mode=verify_ca",
            "ssl-ca=/ca.pem",
            "ssl-mode=maybe",
            "tls=true",
        ] {
            assert_eq!(encrypted(wrong), None, "{wrong}");
        }
    }
}
