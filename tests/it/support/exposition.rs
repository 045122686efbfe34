//! A strict reader of Prometheus' text format (version 0.0.4), which accepts only what the format allows.

use std::collections::{BTreeMap, BTreeSet};

/// A metric with its help, type and samples.
#[derive(Debug, Default)]
pub struct Family {
    pub help: String,
    pub kind: String,
    /// The samples with their names and labels.
    pub samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").expect("a label has a value");
        assert!(is_name(name) && !name.contains(':'), "{name}");
        let mut value = String::new();
        let mut chars = behind.char_indices();
        let end = loop {
            match chars.next().expect("a value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escape goes on").1 {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    c => panic!("unknown escape: {c}"),
                },
                (_, c) => value.push(c),
            }
        };
        assert!(
            labels.insert(name.to_owned(), value).is_none(),
            "{name} twice"
        );
        rest = behind.get(end + 1..).unwrap();
        if let Some(more) = rest.strip_prefix(',') {
            assert!(!more.is_empty(), "a comma at the end");
            rest = more;
        } else {
            assert_eq!(rest, "");
        }
    }
    labels
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        other => other.parse().expect("a number"),
    }
}

/// Reads the text. Panics at the first mistake.
pub fn read(text: &str) -> BTreeMap<String, Family> {
    assert!(
        text.ends_with('\n') && !text.contains('\r'),
        "lines end in a line feed"
    );
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("help has a text");
            assert!(is_name(name) && !help.is_empty(), "{line}");
            let family = Family {
                help: help.to_owned(),
                ..Family::default()
            };
            assert!(
                families.insert(name.to_owned(), family).is_none(),
                "{name} twice"
            );
            name.clone_into(&mut current);
            continue;
        }
        let family = families.get_mut(&current).expect("help comes first");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current, "a type follows its help");
            assert!(
                family.kind.is_empty() && family.samples.is_empty(),
                "{line}"
            );
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            kind.clone_into(&mut family.kind);
            continue;
        }
        assert!(
            !line.starts_with('#') && !line.is_empty() && !family.kind.is_empty(),
            "{line}"
        );
        let (head, value) = line.rsplit_once(' ').expect("a value");
        let (name, labelled) = match head.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').expect("labels end")),
            None => (head, ""),
        };
        assert!(is_name(name), "{line}");
        let suffixes: &[&str] = match family.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(
            suffixes
                .iter()
                .any(|suffix| name == format!("{current}{suffix}")),
            "{line}"
        );
        family
            .samples
            .push((name.to_owned(), labels(labelled), number(value)));
    }
    for (name, family) in &families {
        check(name, family);
    }
    families
}

fn check(name: &str, family: &Family) {
    assert!(!family.samples.is_empty(), "{name} has no samples");
    assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
    let each: BTreeSet<String> = family
        .samples
        .iter()
        .map(|(name, labels, _)| format!("{name}{labels:?}"))
        .collect();
    assert_eq!(
        each.len(),
        family.samples.len(),
        "{name} has a sample twice"
    );
    for (_, _, value) in &family.samples {
        assert!(
            *value >= 0.0 && (value.is_finite() || family.kind == "histogram"),
            "{name}"
        );
    }
    if family.kind != "histogram" {
        return;
    }
    let of = |suffix: &str| {
        let wanted = format!("{name}{suffix}");
        family
            .samples
            .iter()
            .filter(move |(known, ..)| *known == wanted)
    };
    let buckets: Vec<(f64, f64)> = of("_bucket")
        .map(|(_, labels, count)| (number(&labels["le"]), *count))
        .collect();
    assert!(
        buckets
            .windows(2)
            .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1),
        "{name}"
    );
    let last = buckets.last().expect("buckets");
    assert!(last.0.is_infinite(), "{name}");
    let counts: Vec<f64> = of("_count").map(|(_, _, count)| *count).collect();
    assert_eq!(counts, [last.1], "{name}");
    assert_eq!(of("_sum").count(), 1, "{name}");
}
