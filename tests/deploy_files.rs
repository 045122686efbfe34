//! `deploy/` and the pages for operators, held against the server: names of variables, paths, times.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use messagebox::config::{KEYS, Settings};
use messagebox::limits::Networks;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_norway::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn assert_path(path: &str, named_in: &str) {
    assert!(
        root().join(path).exists(),
        "{named_in} names {path}, which does not exist"
    );
}

/// The variables of a mapping.
fn variables(mapping: &Value) -> BTreeMap<String, String> {
    let pairs = mapping.as_object().unwrap().iter();
    pairs
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// The variables in lines that begin with `word`, followed by `NAME=value`.
fn assignments(text: &str, word: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(word));
    lines
        .flat_map(str::split_whitespace)
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn kubernetes() -> BTreeMap<String, String> {
    let mut all = variables(&yaml("deploy/kubernetes/configuration.yaml")["data"]);
    all.extend(variables(
        &yaml("deploy/kubernetes/secret.yaml")["stringData"],
    ));
    all
}

fn compose() -> BTreeMap<String, String> {
    variables(&yaml("deploy/compose.yaml")["x-server"]["environment"])
}

fn unit() -> String {
    read("deploy/systemd/messagebox.service")
}

/// The variables of the package's environment file, including those that are commented out.
fn environment_file() -> BTreeMap<String, String> {
    let text = read("deploy/package/environment");
    let lines = text.lines().map(|line| line.trim_start_matches('#'));
    lines
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The pages for operators, by their paths.
fn pages() -> BTreeMap<String, String> {
    let folders = ["docs/guide", "docs/how-to", "docs/operations"];
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        entries.map(move |entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            format!("{folder}/{name}")
        })
    });
    files.map(|path| (path.clone(), read(&path))).collect()
}

fn manifest() -> toml::Table {
    read("Cargo.toml").parse().unwrap()
}

fn is_known(variable: &str) -> bool {
    // Those of a flag, of rustls and of the TypeScript server.
    ["CONFIG_DIR", "SSL_CERT_FILE", "KNEX_DB_CONNECTION"].contains(&variable)
        || KEYS.iter().any(|key| key.variables.contains(&variable))
}

/// Names in pages that are no variables of the server: codes of errors, variables of the command and of other programs.
fn is_other_name(name: &str) -> bool {
    name.starts_with("ERR_")
        || name.starts_with("MESSAGEBOX_")
        || ["CERTIFICATE_TIMEOUT", "NO_COLOR"].contains(&name)
}

#[test]
fn the_server_knows_every_variable() {
    for (source, variables) in [
        (
            "Dockerfile",
            assignments(&read("deploy/Dockerfile"), "ENV "),
        ),
        ("compose.yaml", compose()),
        ("messagebox.service", assignments(&unit(), "Environment=")),
        ("package/environment", environment_file()),
        ("kubernetes", kubernetes()),
    ] {
        assert!(variables.len() > 2, "{source}: {variables:?}");
        for variable in variables.keys() {
            assert!(is_known(variable), "{source} sets {variable}");
        }
    }
    for (page, text) in pages() {
        let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let names = words.filter(|word| word.trim_matches('_').contains('_'));
        for name in names {
            assert!(is_known(name) || is_other_name(name), "{page} names {name}");
        }
    }
}

#[test]
fn every_named_file_exists() {
    for line in read("deploy/Dockerfile").lines() {
        if let Some(copied) = line.strip_prefix("COPY ")
            && !copied.starts_with("--from")
        {
            assert_path(copied.split(' ').next().unwrap(), "the Dockerfile");
        }
    }
    let compose = yaml("deploy/compose.yaml");
    assert_path(
        compose["x-server"]["build"]["dockerfile"].as_str().unwrap(),
        "compose.yaml",
    );
    for (_, service) in compose["services"].as_object().unwrap() {
        let volumes = service["volumes"].as_array().into_iter().flatten();
        for volume in volumes {
            if let Some(path) = volume.as_str().unwrap().strip_prefix("./") {
                let path = path.split(':').next().unwrap();
                assert_path(&format!("deploy/{path}"), "compose.yaml");
            }
        }
    }
    let kustomization = yaml("deploy/kubernetes/kustomization.yaml");
    for resource in kustomization["resources"].as_array().unwrap() {
        let path = format!("deploy/kubernetes/{}", resource.as_str().unwrap());
        let parsed = yaml(&path);
        assert!(parsed["kind"].is_string(), "{path}");
    }
    // Links of the pages.
    for (page, text) in pages() {
        let folder = Path::new(&page).parent().unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap().split('#').next().unwrap();
            assert_path(folder.join(target).to_str().unwrap(), &page);
        }
    }
}

/// Cargo checks the paths of all targets in the manifest, whichever it builds.
#[test]
fn the_build_context_has_every_path_that_the_manifest_names() {
    let ignored = read(".dockerignore");
    let kept: Vec<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let manifest = manifest();
    let named = |kind: &str, folder: &str| -> Vec<String> {
        let targets = manifest[kind].as_array().unwrap().iter();
        targets
            .map(|target| match target.get("path") {
                Some(path) => path.as_str().unwrap().to_owned(),
                None => format!("{folder}/{}.rs", target["name"].as_str().unwrap()),
            })
            .collect()
    };
    let targets = [
        named("bin", "src/bin"),
        named("bench", "benches"),
        named("test", "tests"),
    ];
    // The files that the package takes from the tree, and the scripts that build it.
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().unwrap().iter();
    let sources = assets
        .map(|asset| {
            asset[0]
                .as_str()
                .unwrap()
                .trim_end_matches("/*.md")
                .to_owned()
        })
        .filter(|source| !source.starts_with("target/"));
    let scripts = [
        package["maintainer-scripts"].as_str().unwrap(),
        package["systemd-units"]["unit-scripts"].as_str().unwrap(),
        package["license-file"][0].as_str().unwrap(),
        manifest["package"]["readme"].as_str().unwrap(),
        "dist",
    ];
    let needed: Vec<String> = sources.chain(scripts.map(str::to_owned)).collect();
    for path in targets.concat().iter().chain(&needed) {
        let is_kept = kept.iter().any(|kept| Path::new(path).starts_with(kept));
        assert!(is_kept, ".dockerignore leaves {path} out");
        assert_path(path, "Cargo.toml");
    }
}

#[test]
fn the_package_keeps_settings_and_starts_the_service() {
    let manifest = manifest();
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().unwrap();
    let installed = |path: &str| {
        let is_it = |asset: &toml::Value| {
            let (source, folder) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
            let name = source.rsplit('/').next().unwrap();
            format!("/{folder}{name}") == path
        };
        assert!(assets.iter().any(is_it), "{path} is not in the package");
    };
    // dpkg asks before it replaces these.
    for file in package["conf-files"].as_array().unwrap() {
        installed(file.as_str().unwrap());
    }
    installed(assignments(&unit(), "ExecStart")[""].as_str());
    // The package does not contain the file with the secrets, which an upgrade would replace.
    let secrets = assignments(&unit(), "EnvironmentFile")[""].clone();
    let script = read("deploy/package/debian/postinst");
    assert!(script.contains(&format!("environment={secrets}\n")));
    for name in ["SERVER_PRIVATE_KEY", "ADMIN_TOKEN"] {
        assert_eq!(environment_file()[name], "", "{name} is not to be shared");
        assert!(script.contains(&format!("^{name}=$")), "{name}");
    }
}

#[test]
fn the_image_is_pinned_labelled_and_runs_without_root() {
    let text = read("deploy/Dockerfile");
    for line in text.lines().filter(|line| line.starts_with("FROM ")) {
        let image = line.split(' ').nth(1).unwrap();
        let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
        let is_digest = |digest: &str| {
            digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        assert!(digest.is_some_and(is_digest), "{image} has no digest");
    }
    let version = manifest()["package"]["version"].clone();
    let version = version.as_str().unwrap();
    assert!(text.contains(&format!("\nARG VERSION={version}\n")));
    for label in ["title", "description", "version", "revision", "licenses"] {
        let name = format!("org.opencontainers.image.{label}=");
        assert!(text.contains(&name), "{name}");
    }
    // The same account everywhere.
    let user = text
        .lines()
        .find_map(|line| line.strip_prefix("USER "))
        .unwrap();
    let (uid, gid) = user.split_once(':').unwrap();
    let pod = yaml("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"].clone();
    let security = &pod["securityContext"];
    assert_eq!(security["runAsUser"].to_string(), uid);
    assert_eq!(security["runAsGroup"].to_string(), gid);
    let folder = yaml("deploy/compose.yaml")["x-server"]["tmpfs"][0].clone();
    assert!(
        folder
            .as_str()
            .unwrap()
            .contains(&format!("uid={uid},gid={gid}"))
    );
    assert!(text.contains(&format!("--uid {uid} ")) && text.contains(&format!("--gid {gid} ")));
    assert!(text.contains("\nHEALTHCHECK "));
    // A key in an image would be public.
    assert!(text.contains("/etc/messagebox/environment"));
}

#[test]
fn supervisors_wait_longer_than_a_shutdown_may_take() {
    let defaults = Settings::default().server;
    let takes = |variables: &BTreeMap<String, String>| {
        let time = |name: &str, default: Duration| {
            let text = variables.get(name);
            text.map_or(default, |text| humantime::parse_duration(text).unwrap())
        };
        time("DRAIN_DELAY", defaults.drain_delay)
            + time("SHUTDOWN_TIMEOUT", defaults.shutdown_timeout)
    };
    let stop = assignments(&unit(), "TimeoutStopSec");
    let stop = stop
        .get("")
        .map(|time| humantime::parse_duration(time).unwrap());
    assert!(stop.unwrap() > takes(&assignments(&unit(), "Environment=")));
    let grace = yaml("deploy/compose.yaml")["x-server"]["stop_grace_period"].clone();
    let grace = humantime::parse_duration(grace.as_str().unwrap()).unwrap();
    assert!(grace > takes(&compose()));
    let pod = yaml("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"].clone();
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(grace > takes(&kubernetes()));
}

/// A client that connects from a trusted address can pretend to be any other.
#[test]
fn only_the_proxies_are_trusted_and_only_they_connect() {
    let compose_file = yaml("deploy/compose.yaml");
    let nginx = &compose_file["services"]["nginx"]["networks"]["default"]["ipv4_address"];
    assert_eq!(nginx, compose()["TRUSTED_PROXIES"].as_str());
    // Compose assigns this address to no other container.
    let range = &compose_file["networks"]["default"]["ipam"]["config"][0]["ip_range"];
    let range: Networks = vec![range.as_str().unwrap().to_owned()].try_into().unwrap();
    assert!(!range.contains(nginx.as_str().unwrap().parse().unwrap()));
    let kustomization = yaml("deploy/kubernetes/kustomization.yaml");
    let resources = kustomization["resources"].as_array().unwrap();
    assert!(resources.contains(&"network-policy.yaml".into()));
    let policy = yaml("deploy/kubernetes/network-policy.yaml")["spec"].clone();
    let deployment = yaml("deploy/kubernetes/deployment.yaml")["spec"].clone();
    assert_eq!(policy["podSelector"], deployment["selector"]);
    assert_eq!(policy["policyTypes"].to_string(), r#"["Ingress","Egress"]"#);
    let port = &deployment["template"]["spec"]["containers"][0]["ports"][0]["name"];
    for way_in in policy["ingress"].as_array().unwrap() {
        let ports = way_in["ports"].as_array().unwrap();
        assert!(ports.iter().all(|allowed| allowed["port"] == *port));
        let from = way_in["from"].as_array().unwrap();
        assert!(
            from.iter()
                .all(|from| from["namespaceSelector"]["matchLabels"].is_object())
        );
    }
}

#[test]
fn deployed_images_are_pinned_by_digest() {
    let kustomization = yaml("deploy/kubernetes/kustomization.yaml");
    for image in kustomization["images"].as_array().unwrap() {
        let digest = image["digest"].as_str().unwrap();
        assert!(
            digest.starts_with("sha256:") && digest.len() == 71,
            "{image}"
        );
        assert!(image["newTag"].is_null());
    }
}

/// An admin who drains the server stops it for a moment, not for good.
#[test]
fn a_server_that_an_admin_drains_is_started_again() {
    assert_eq!(assignments(&unit(), "Restart")[""], "always");
    // Restarting does not repair an invalid configuration.
    assert_eq!(assignments(&unit(), "RestartPreventExitStatus")[""], "2");
    let compose = yaml("deploy/compose.yaml");
    assert_eq!(compose["x-server"]["restart"], "unless-stopped");
    let pod = yaml("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"].clone();
    assert!(
        pod["restartPolicy"].is_null(),
        "restartPolicy is not Always"
    );
}

/// The example for three machines also describes the set-up with two containers.
#[test]
fn compose_leaves_no_address_of_the_example_behind() {
    let script = yaml("deploy/compose.yaml")["services"]["nginx"]["command"][2].clone();
    let script = script.as_str().unwrap();
    let (sed, _) = script.split_once(" /etc/messagebox").unwrap();
    let output = std::process::Command::new("bash")
        .args(["-c", &format!("{sed} deploy/nginx/messagebox.conf")])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let made = String::from_utf8(output.stdout).unwrap();
    assert_eq!(made.matches("server server-a:8080;").count(), 2, "{made}");
    assert_eq!(made.matches("server server-b:8080;").count(), 2, "{made}");
    assert!(!made.contains("10.0.0."), "{made}");
}
