//! The database URL, as operators write it and as client libraries expect it.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::db::engine::error::DbError;

/// The location of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    /// A database of a MySQL or MariaDB server.
    #[cfg(feature = "mysql")]
    Mysql(ServerUrl),
    /// A database of a PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(ServerUrl),
}

/// The URL of a server's database. `Display` and `Debug` omit the user, the password and the parameters.
#[cfg(any(feature = "mysql", feature = "postgres"))]
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// In the client library's format. MySQL's library connects to one host only, so it has one URL per host.
    pub(crate) urls: Vec<String>,
    shown: String,
    /// Whether unencrypted connections are refused.
    pub(crate) encrypted: bool,
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseUrl {
    /// Parses a SQLite path (`sqlite://path`, `sqlite:path`, `file:path` or a bare path) or a server's URL. Servers are
    /// `mysql://` (or `mariadb://`) and `postgres://` (or `postgresql://`) with `user:password@host:port/database`. A
    /// URL may name several hosts: `host1:port,host2:port`. The server uses the writable one.
    ///
    /// # Errors
    /// [`DbError::Url`] for an invalid URL, an engine outside this build, or an in-memory database, which would lose
    /// acknowledged messages.
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

    /// The path of the SQLite file; none for a database server.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            _ => None,
        }
    }

    /// The folder of the SQLite file; none for a database server.
    pub(crate) fn folder(&self) -> Option<&Path> {
        let parent = self.file()?.parent();
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
        Some(parent.unwrap_or(Path::new(".")))
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

/// Hides the user, the password and the parameters of a URL. Unencoded characters in a password make its end ambiguous:
/// then everything after the scheme is hidden.
fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    if scheme.starts_with("sqlite") {
        return url.to_owned();
    }
    let (authority, behind) = split_authority(rest);
    let is_read = per_host(url).iter().all(|url| Url::parse(url).is_ok());
    if !is_read || behind.contains('@') {
        return format!("{scheme}://***");
    }
    let path = behind.split(['?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => format!("{scheme}://{authority}{path}"),
    }
}

/// Splits the text after `://` into `user:password@hosts` and the rest.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// Repeats the URL for each of its hosts.
fn per_host(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let (authority, behind) = split_authority(rest);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts = hosts.split(',');
    hosts
        .map(|host| format!("{scheme}://{user}{host}{behind}"))
        .collect()
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

#[cfg(feature = "mysql")]
fn mysql(url: &str) -> Result<DatabaseUrl, &'static str> {
    let url = url.replacen("mariadb://", "mysql://", 1);
    let (mut urls, mut encrypted) = (Vec::new(), false);
    for host in per_host(&url) {
        let (url, is_encrypted) = mysql_host(&host)?;
        urls.push(url);
        encrypted |= is_encrypted;
    }
    Ok(DatabaseUrl::Mysql(ServerUrl {
        urls,
        shown: mask(&url),
        encrypted,
    }))
}

/// Converts the URL of one host for the client library. Also returns whether a connection must be encrypted. Parameters
/// may use the spelling of MySQL's clients (`ssl-mode`) or of the library (`ssl_mode`).
#[cfg(feature = "mysql")]
fn mysql_host(url: &str) -> Result<(String, bool), &'static str> {
    let mut url = server(url)?;
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
    // MariaDB's client library has no modes. With an authority it encrypts and verifies the server's certificate;
    // without one it does not encrypt. The connection is checked after connecting.
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
    // The library reads `localhost` as a socket file; operators usually mean 127.0.0.1.
    let has_file = pairs.iter().any(|(name, _)| name == "unix_socket");
    if url.host_str() == Some("localhost") && !has_file {
        let numeric = url.set_host(Some("127.0.0.1"));
        numeric.map_err(|_| "expected a host name")?;
    }
    url.set_query(None);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok((url.into(), encrypted))
}

/// Adds timeouts, so that a dead server blocks no thread for long, and prefers the writable host among several.
#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<DatabaseUrl, &'static str> {
    let hosts = per_host(url);
    let mut parsed = Vec::with_capacity(hosts.len());
    for host in &hosts {
        parsed.push(server(host)?);
    }
    let has_several = parsed.len() > 1;
    let mut first = parsed.swap_remove(0);
    let attributes = |url: &Url| {
        let found = url.query_pairs().find(|(n, _)| n == "target_session_attrs");
        found.map(|(_, value)| value.into_owned())
    };
    match attributes(&first).as_deref() {
        None if has_several => {
            let mut pairs = first.query_pairs_mut();
            pairs.append_pair("target_session_attrs", "read-write");
        }
        None | Some("read-write" | "primary") => {}
        Some("any") if !has_several => {}
        Some(_) => {
            return Err(
                "expected target_session_attrs=read-write or primary: the server writes to its database",
            );
        }
    }
    // The library's minimum is 2 s. All hosts together must not take longer than a single host.
    let connect_timeout = if has_several { "2" } else { "5" };
    for (name, value) in [
        ("connect_timeout", connect_timeout),
        ("tcp_user_timeout", "10000"),
        ("keepalives_idle", "10"),
        ("application_name", "messagebox-server"),
    ] {
        if !first.query_pairs().any(|(known, _)| known == name) {
            first.query_pairs_mut().append_pair(name, value);
        }
    }
    Ok(DatabaseUrl::Postgres(ServerUrl {
        urls: vec![with_hosts_of(&first, url)],
        shown: mask(url),
        // The client library enforces sslmode itself.
        encrypted: false,
    }))
}

/// Replaces the hosts of this URL with all hosts of `original`.
#[cfg(feature = "postgres")]
fn with_hosts_of(url: &Url, original: &str) -> String {
    let authority = |text: &str| {
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        split_authority(rest).0.to_owned()
    };
    let hosts = |authority: &str| {
        let hosts = authority.rsplit_once('@').map_or(authority, |it| it.1);
        hosts.to_owned()
    };
    let (own, wanted) = (authority(url.as_str()), hosts(&authority(original)));
    let user = own.strip_suffix(&hosts(&own)).unwrap_or_default();
    url.as_str()
        .replacen(&format!("://{own}"), &format!("://{user}{wanted}"), 1)
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
            (
                "postgres://user:secret@one:1,two:2/db?x=y",
                "postgres://***@one:1,two:2/db",
            ),
            ("postgres://user:sec/ret@one,two/db", "postgres://***"),
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
        // These would be ignored otherwise.
        for wrong in [
            "ssl-mode=verify_ca",
            "ssl-ca=/ca.pem",
            "ssl-mode=maybe",
            "tls=true",
        ] {
            assert_eq!(encrypted(wrong), None, "{wrong}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn of_several_hosts_the_one_that_takes_writes_is_asked_for() {
        let read = |url: &str| match DatabaseUrl::parse(url) {
            Ok(DatabaseUrl::Postgres(url)) => Ok(url.urls.concat()),
            Ok(_) => Ok(String::new()),
            Err(error) => Err(error.to_string()),
        };
        let one = read("postgres://u:p@h:5432/db").unwrap();
        assert!(one.starts_with("postgres://u:p@h:5432/db?connect_timeout=5"));
        let hosts = "postgres://u:p@one:5432,two:5433,[::1]:5434/db";
        let several = read(hosts).unwrap();
        let expected = format!("{hosts}?target_session_attrs=read-write&connect_timeout=2");
        assert!(several.starts_with(&expected), "{several}");
        let primary = read("postgres://one,two/db?target_session_attrs=primary").unwrap();
        assert!(primary.starts_with("postgres://one,two/db?target_session_attrs=primary&"));
        assert!(read("postgres:///db?host=/run/pg").is_ok());
        assert!(read("postgres://h/db?target_session_attrs=any").is_ok());
        for wrong in [
            "postgres://one,two/db?target_session_attrs=any",
            "postgres://u:secret@h/db?target_session_attrs=standby",
            "postgres://u:secret@one,two:port/db",
            "postgres://u:secret@one,two",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn several_hosts_of_mysql_are_read_one_by_one() {
        let Ok(DatabaseUrl::Mysql(url)) =
            DatabaseUrl::parse("mariadb://u:secret@localhost:3306,two/d")
        else {
            panic!("not read");
        };
        let expected = [
            "mysql://u:secret@127.0.0.1:3306/d",
            "mysql://u:secret@two/d",
        ];
        assert_eq!(url.urls, expected);
        assert_eq!(url.to_string(), "mysql://***@localhost:3306,two/d");
        assert!(DatabaseUrl::parse("mysql://u@one,two:port/d").is_err());
    }
}
