//! Precedence, every variable, and what mistakes look like.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use super::*;
use crate::config::{Secret, Values};
use crate::limits::Networks;
use crate::rooms::RoomAccess;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn load(
        &self,
        variables: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Settings, ConfigError> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let variables = variables.iter().map(own).collect();
        let flags: Vec<_> = flags.iter().map(own).collect();
        Ok(load(self.0.path(), &variables, &flags)?.settings)
    }
}

fn variables(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    Folder::new(&[]).load(variables, &[])
}

#[test]
fn each_source_goes_over_the_one_before() {
    let folder = Folder::new(&[
        (
            "default.toml",
            "[server]\nport = 1\nworkers = 1\nmax_connections = 1\nhost = \"a\"\n",
        ),
        (
            "staging.toml",
            "[server]\nport = 2\nworkers = 2\nmax_connections = 2\n",
        ),
    ]);
    let env = [("NODE_ENV", "staging"), ("PORT", "3"), ("WORKERS", "3")];
    let settings = folder.load(&env, &[("server.port", "4")]).unwrap();
    let server = &settings.server;
    assert_eq!(
        (settings.port(), server.workers, server.max_connections),
        (4, 3, 2)
    );
    assert_eq!(
        (server.host.as_str(), settings.environment.as_str()),
        ("a", "staging")
    );
    assert_eq!(
        server.max_body_bytes,
        Settings::default().server.max_body_bytes
    );
}

#[test]
fn the_environment_may_come_from_anywhere() {
    let folder = Folder::new(&[
        ("default.toml", "environment = \"production\""),
        ("x.toml", "[server]\nport = 9"),
    ]);
    assert_eq!(folder.load(&[], &[]).unwrap().environment, "production");
    let settings = folder
        .load(&[("NODE_ENV", "production")], &[("environment", "x")])
        .unwrap();
    assert_eq!((settings.environment.as_str(), settings.port()), ("x", 9));
}

/// `config/default.toml`: every key with its help, its variables and its default.
fn default_file() -> String {
    let defaults = Values::of(&Settings::default()).unwrap();
    let mut text = "# Every key with its default. A file of the same form named after the environment takes precedence over this one, \
                    environment\n# variables over that, flags over all. Durations: \"25s\", \"300ms\", or a number of seconds. Sizes: bytes.\n\
                    # Generated: UPDATE_DEFAULTS=1 cargo test --lib default_file\n"
        .to_owned();
    let mut last_section = "";
    for key in KEYS.iter() {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if section != last_section {
            last_section = section;
            write!(text, "\n[{section}]").unwrap();
        }
        let line = match defaults.get(key.path) {
            Some(value) => format!("{name} = {value}"),
            None if key.kind == Kind::Number => format!("# {name} = 0"),
            None => format!("# {name} = \"...\""),
        };
        let variables = key.variables.join(", ");
        write!(text, "\n# {}. Env: {variables}.\n{line}", key.help).unwrap();
    }
    text + "\n"
}

#[test]
fn the_default_file_says_what_the_program_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let (file, generated) = (folder.join("default.toml"), default_file());
    if std::env::var_os("UPDATE_DEFAULTS").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let text = fs::read_to_string(file).unwrap();
    assert!(text == generated, "stale: UPDATE_DEFAULTS=1 writes it");
    let from_file = load(
        &folder,
        &BTreeMap::new(),
        &[("environment".into(), "none".into())],
    )
    .unwrap()
    .settings;
    let expected = Settings {
        environment: "none".into(),
        ..Settings::default()
    };
    assert_eq!(from_file, expected);
    for key in KEYS.iter() {
        let name = key.path.rsplit('.').next().unwrap();
        let variable = key.variables.first().unwrap();
        assert!(
            text.contains(&format!("{name} =")),
            "{} is missing",
            key.path
        );
        assert!(text.contains(variable), "{variable} is missing");
    }
}

#[test]
fn every_key_exists_and_every_variable_sets_it() {
    for key in KEYS.iter() {
        for variable in key.variables {
            let text = match (key.kind, key.path) {
                (
                    Kind::Switch,
                    "socket.enabled"
                    | "rooms.auto_join"
                    | "server.docs"
                    | "admin.enabled"
                    | "database.migrate_on_start"
                    | "database.checkpoint",
                ) => "false",
                (Kind::Switch, _) => "true",
                (Kind::Number, _) => "77",
                (Kind::Amounts, _) => "inbox=5",
                (Kind::Lifetimes, _) => "inbox=5days",
                // Of no effect without the other keys of its section, and a mistake with some of them only.
                (Kind::List | Kind::FieldsByType, path)
                    if path.starts_with("auth.certificates") =>
                {
                    continue;
                }
                (Kind::List, "server.trusted_proxies" | "limits.unlimited_addresses") => {
                    "192.0.2.1,198.51.100.0/24"
                }
                (Kind::List | Kind::FieldsByType, _) => "a,b",
                (Kind::Text, "rooms.access") => "open",
                (Kind::Text, "log.format") => "json",
                (Kind::Text, "log.access") => "all",
                (Kind::Text, "environment") => "another",
                (Kind::Text, "socket.pace") => "7/77",
                (Kind::Text, path) if path.ends_with("timeout") || path.ends_with("ttl") => "77s",
                (
                    Kind::Text,
                    "auth.revival_delay"
                    | "server.keep_alive"
                    | "socket.keep_alive"
                    | "server.drain_delay"
                    | "server.health_interval"
                    | "limits.burst"
                    | "limits.max_delay",
                ) => "77s",
                (Kind::Text, path) if path.ends_with("interval") => "77s",
                (Kind::Text, "log.level") => "debug",
                (Kind::Text, "wallet.network") => "testnet",
                (Kind::Text, "server.hosting_domain" | "push.endpoint") => "https://a.example",
                (Kind::Text, path) if path.starts_with("wallet.") => "https://a.example",
                (Kind::Text, _) => "a text",
            };
            // A warning names the variable as it was written.
            let quiet = |variable: &str| {
                let mut settings = variables(&[(variable, text)]).unwrap();
                settings.warnings.clear();
                settings
            };
            let settings = quiet(variable);
            assert_ne!(settings, Settings::default(), "{variable}");
            let systematic = format!("{PREFIX}{}", key.path.to_uppercase().replace('.', "__"));
            assert_eq!(quiet(&systematic), settings, "{systematic}");
            let mut empty = variables(&[(variable, "")]).unwrap();
            let has_default = matches!(*variable, "UNLIMITED_ADDRESSES" | "PUSH_BOXES");
            assert_eq!(empty.warnings.len(), usize::from(has_default), "{variable}");
            empty.warnings.clear();
            assert_eq!(empty, Settings::default(), "{variable}");
        }
    }
}

#[test]
fn published_variables_mean_what_they_mean_elsewhere() {
    let settings = variables(&[
        ("NODE_ENV", "production"),
        ("ENABLE_WEBSOCKETS", "false"),
        ("ROUTING_PREFIX", "api/"),
        ("REQUEST_TIMEOUT_SECS", "7"),
        ("MESSAGEBOX_FEES", "inbox=5, notifications=0"),
        ("ROOMS_ACCESS", "open"),
        ("LOGGING_ENABLED", "true"),
    ])
    .unwrap();
    assert!(!settings.socket.enabled && !settings.is_development());
    assert_eq!(
        (settings.port(), settings.routing_prefix().as_str()),
        (3000, "/api")
    );
    assert_eq!(settings.server.request_timeout, Duration::from_secs(7));
    assert_eq!(settings.fees.boxes["inbox"], 5);
    assert_eq!(settings.rooms.access, RoomAccess::Open);
    assert_eq!(settings.log_filter(), "info,messagebox=debug");
    assert_eq!(variables(&[("HTTP_PORT", "5001")]).unwrap().port(), 5001);
    assert_eq!(
        variables(&[("HTTP_PORT", "5001"), ("PORT", "1")])
            .unwrap()
            .port(),
        1
    );
    assert_eq!(variables(&[]).unwrap().port(), 8080);
}

#[test]
fn a_database_may_be_named_in_each_of_the_ways_in_use() {
    let url = |set: &[(&str, &str)]| variables(set).unwrap().database_url();
    assert_eq!(url(&[]), "sqlite://data/messagebox.db");
    assert_eq!(url(&[("DATA_DIR", "/x")]), "sqlite:///x/messagebox.db");
    assert_eq!(
        url(&[("DB_DRIVER", "sqlite3"), ("DB_SOURCE", "m.db")]),
        "sqlite://m.db"
    );
    assert_eq!(
        url(&[("DB_SOURCE", "m.db"), ("DATABASE_URL", "sqlite://n.db")]),
        "sqlite://n.db"
    );
    let knex = r#"{"host":"h","user":"u","password":"p","database":"d"}"#;
    assert_eq!(url(&[("KNEX_DB_CONNECTION", knex)]), "mysql://u:p@h:3306/d");
    assert_eq!(
        url(&[("KNEX_DB_CONNECTION", r#"{"filename":"k.db"}"#)]),
        "sqlite://k.db"
    );
}

#[test]
fn mistakes_name_the_key_its_origin_and_what_was_expected() {
    let error = |result: Result<Settings, ConfigError>| result.unwrap_err().to_string();
    let file = |text: &str| {
        let folder = Folder::new(&[("default.toml", text)]);
        let shown = error(folder.load(&[], &[]));
        let prefix = folder.0.path().join("default.toml").display().to_string();
        shown
            .strip_prefix(&format!("{prefix}: "))
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        file("[server]\nprot = 1"),
        "unknown key `server.prot`; `--help` lists all of them"
    );
    assert_eq!(
        file("[sever]\nport = 1"),
        "unknown key `sever`; `--help` lists all of them"
    );
    let shown = file("[server]\nport = \"high\"");
    assert!(
        shown.starts_with("`server.port`: invalid type: string") && shown.contains("u16"),
        "{shown}"
    );
    let shown = file("[socket]\nping_interval = \"soon\"");
    assert!(
        shown.starts_with("`socket.ping_interval`") && shown.contains("such as \"25s\""),
        "{shown}"
    );
    assert!(!file("port = = 1").contains('\n'));

    assert_eq!(
        error(variables(&[("PORT", "high")])),
        "PORT: `server.port`: expected a whole number, not \"high\""
    );
    let shown = error(variables(&[("PORT", "70000")]));
    assert!(shown.starts_with("PORT: `server.port`: "), "{shown}");
    assert_eq!(
        error(variables(&[("ENABLE_WEBSOCKETS", "perhaps")])),
        "ENABLE_WEBSOCKETS: `socket.enabled`: expected true or false, not \"perhaps\""
    );
    assert_eq!(
        error(variables(&[("MESSAGEBOX__SOCKET__PING", "1s")])),
        "MESSAGEBOX__SOCKET__PING: unknown key `socket.ping`; `--help` lists all of them"
    );
    let shown = error(variables(&[("ROOMS_ACCESS", "closed")]));
    assert!(
        shown.starts_with("ROOMS_ACCESS: `rooms.access`: ") && shown.contains("owner"),
        "{shown}"
    );
    let shown = error(Folder::new(&[]).load(&[], &[("server.nothing", "1")]));
    assert_eq!(
        shown,
        "flag for server.nothing: unknown key `server.nothing`; `--help` lists all of them"
    );
}

#[test]
fn an_environment_names_a_file_of_the_folder_and_no_other() {
    for name in ["../production", "a/b", "a b", "."] {
        let shown = variables(&[("NODE_ENV", name)]).unwrap_err().to_string();
        assert!(
            shown.starts_with("NODE_ENV or --environment: `environment`: "),
            "{shown}"
        );
    }
    assert_eq!(
        variables(&[("NODE_ENV", "pre-prod_2")])
            .unwrap()
            .environment,
        "pre-prod_2"
    );
}

#[test]
fn secrets_are_masked_wherever_settings_are_shown() {
    let secret = "5".repeat(64);
    let settings = variables(&[
        ("SERVER_PRIVATE_KEY", &secret),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("MIGRATE_KEY", "hunter3"),
    ])
    .unwrap();
    assert_eq!(
        settings.identity.private_key.as_ref().map(Secret::expose),
        Some(secret.as_str())
    );
    for shown in [format!("{settings:?}"), toml::to_string(&settings).unwrap()] {
        for word in [secret.as_str(), "hunter"] {
            assert!(!shown.contains(word), "{shown}");
        }
        assert!(shown.contains("***"));
    }
}

#[test]
fn variables_of_the_typescript_server_are_read_below_our_own() {
    let settings = variables(&[
        ("MESSAGE_BOX_RETENTION_DAYS", "30"),
        ("MESSAGE_BOX_REQUEST_TIMEOUT_MS", "1500"),
        ("MESSAGE_BOX_MAX_RECIPIENTS", "7"),
        ("MAX_RECIPIENTS", "8"),
        ("MESSAGE_BOX_MONETIZATION_ENABLED", "true"),
        ("MESSAGE_BOX_ROUTE_PRICES_JSON", r#"{"/sendMessage":3}"#),
        ("RESOURCE_PROFILE", "small"),
    ])
    .unwrap();
    assert_eq!(settings.messages.ttl, Duration::from_secs(30 * 86_400));
    assert_eq!(
        settings.server.request_timeout,
        Duration::from_millis(1_500)
    );
    assert_eq!(settings.messages.max_recipients.get(), 8);
    assert_eq!(settings.prices.routes["/sendMessage"], 3);
    let [warning] = settings.warnings.as_slice() else {
        panic!("{:?}", settings.warnings);
    };
    let unread = ": MESSAGE_BOX_MONETIZATION_ENABLED, RESOURCE_PROFILE";
    assert!(warning.ends_with(unread), "{warning}");
    let wrong = variables(&[("MESSAGE_BOX_RETENTION_DAYS", "a month")]).unwrap_err();
    assert!(
        wrong.to_string().contains("MESSAGE_BOX_RETENTION_DAYS"),
        "{wrong}"
    );
}

#[test]
fn settings_of_the_last_release_are_accepted_and_noted() {
    let settings = variables(&[
        ("AUTH_RESUME", "false"),
        ("MESSAGEBOX__AUTH__RESUME_FOR", "1h"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.auth, Settings::default().auth);
    let warned = |settings: &Settings| {
        let [warning] = settings.warnings.as_slice() else {
            panic!("{:?}", settings.warnings);
        };
        let (_, named) = warning.split_once("remove them: ").unwrap();
        named.to_owned()
    };
    assert_eq!(
        warned(&settings),
        "AUTH_RESUME, MESSAGEBOX__AUTH__RESUME_FOR"
    );
    let text = "[auth]\nresume = false\nmax_held_frames = 3\n";
    let settings = Folder::new(&[("default.toml", text)]).load(&[], &[]);
    let settings = settings.unwrap();
    assert_eq!(settings.auth.max_held_frames, 3);
    let named = warned(&settings);
    assert!(named.starts_with("auth.resume ("), "{named}");
    assert_eq!(named.matches(" (").count(), 1, "{named}");
}

#[test]
fn values_that_cannot_work_are_refused_by_name() {
    for (variable, text, part) in [
        ("WALLET_URL", "foo", "`wallet.url`: expected an address"),
        ("BLOCK_HEADERS_URL", "ftp://h", "`wallet.headers_url`"),
        ("HOSTING_DOMAIN", "not a url", "`server.hosting_domain`"),
        ("NETWORK", "moonnet", "moonnet"),
        ("BSV_NETWORK", "Mainnet", "mainnet, test"),
        (
            "PING_INTERVAL",
            "0",
            "`socket.ping_interval`: expected more than 0",
        ),
        ("PING_TIMEOUT", "0s", "`socket.ping_timeout`"),
        ("CONNECTIONS_PER_ADDRESS", "0", "more than 0"),
        ("RUST_LOG", "inof", "inof"),
        ("RUST_LOG", "verbose", "`log.level`"),
        ("DB_DRIVER", "mysql", "DB_SOURCE"),
        ("KNEX_DB_CLIENT", "pg", "KNEX_DB_CONNECTION"),
        ("MAX_RECIPENTS", "3", "MAX_RECIPIENTS"),
    ] {
        let shown = variables(&[(variable, text)]).unwrap_err().to_string();
        let is_told = shown.starts_with(variable) && shown.contains(part);
        assert!(is_told && !shown.contains('\n'), "{shown}");
    }
    for (variable, text) in [
        ("HOSTING_DOMAIN", "messagebox.example:8080"),
        ("HOSTING_DOMAIN", "https://messagebox.example/api"),
        ("BSV_NETWORK", "ttn"),
        ("WALLET_STORAGE_URL", "https://storage.babbage.systems"),
        ("RUST_LOG", "warn,messagebox::db=debug"),
        ("DB_DRIVER", "sqlite3"),
    ] {
        let settings = variables(&[(variable, text)]).unwrap();
        assert_eq!(settings.warnings, [""; 0], "{variable}={text}");
    }
}

#[test]
fn an_account_given_means_that_notifications_are_on() {
    let account = ("FIREBASE_SERVICE_ACCOUNT_JSON", "{}");
    // The file of defaults says `false` for everybody.
    let folder = Folder::new(&[("default.toml", "[push]\nenabled = false\n")]);
    let settings = folder.load(&[account], &[]).unwrap();
    assert!(settings.push.enabled && settings.warnings.is_empty());
    let off = folder.load(&[account, ("ENABLE_FIREBASE", "false")], &[]);
    let off = off.unwrap();
    assert!(!off.push.enabled && off.warnings[0].contains("ENABLE_FIREBASE"));
    let project = variables(&[("FIREBASE_PROJECT_ID", "p")]).unwrap();
    assert!(!project.push.enabled && project.warnings[0].contains("FIREBASE_PROJECT_ID"));
}

#[test]
fn what_may_be_meant_is_a_warning() {
    for (variable, text, part) in [
        ("UNLIMITED_ADDRESSES", "", "UNLIMITED_ADDRESSES=none"),
        ("RUST_LOG", "messagbox=debug", "nothing of this server"),
        ("REDIS_URI", "redis://h", "REDIS_URL"),
    ] {
        let settings = variables(&[(variable, text)]).unwrap();
        let [warning] = settings.warnings.as_slice() else {
            panic!("{variable}: {:?}", settings.warnings);
        };
        assert!(warning.contains(part), "{warning}");
    }
    let none = variables(&[("UNLIMITED_ADDRESSES", "none")]).unwrap();
    assert_eq!(none.limits.unlimited_addresses, Networks::default());
}
