//! The three forms of a report.

use std::sync::Arc;

use clap::Parser as _;

use super::*;
use crate::drive::{Milestones, RunOutcome};
use crate::measure::server_process::Usage;
use crate::options::LoadOptions;
use crate::run::Run;
use crate::scenario;

fn usage(at: u64, cpu: u64, rss: u64) -> Usage {
    Usage {
        at,
        cpu,
        rss: rss * 1_048_576,
        threads: 4,
        descriptors: 12,
    }
}

/// A run of a second in which 1,000 deliveries took up to a millisecond.
fn report(arguments: &str, tally: DeliveryTally) -> LoadReport {
    let arguments = format!("x {arguments} --warm-up 0 --duration 1s --sockets 100");
    let options = LoadOptions::parse_from(arguments.split_whitespace());
    let names = scenario::operations(&options.scenario);
    let run = Arc::new(Run::new(options, &names));
    run.clock.begin();
    std::thread::sleep(Duration::from_millis(2));
    for index in 0..1_000 {
        let operation = run.operations.first().unwrap();
        operation.record(index % 8, run.clock.now() - 1_000_000);
    }
    run.connect.record(0, 0);
    let (start, connected) = (usage(0, 0, 20), usage(1_000_000_000, 1_000_000, 24));
    let (from, to) = (
        usage(1_100_000_000, 2_000_000, 25),
        usage(2_100_000_000, 52_000_000, 30),
    );
    let marks = Milestones {
        start: Some(start),
        connected: Some(connected),
        from: Some(from),
        to: Some(to),
    };
    let outcome = RunOutcome {
        signature: Some(Duration::from_micros(25)),
        tally,
        server: vec![start, connected, from, to],
        marks,
        own: marks,
    };
    LoadReport::new(&run, &outcome)
}

const CLEAN: DeliveryTally = DeliveryTally {
    expected: 1_000,
    received: 1_000,
    lost: 0,
    duplicated: 0,
    out_of_order: 0,
};

#[test]
fn the_json_has_what_others_read() {
    let json = serde_json::to_value(report("fanout", CLEAN)).unwrap();
    assert_eq!(json["scenario"], "fanout");
    assert_eq!(json["accounting"]["lost"], 0);
    assert_eq!(json["operations"][0]["name"], "delivery");
    assert_eq!(json["operations"][0]["completed"], 1_000);
    assert_eq!(json["operations"][0]["per_second"], 1_000.0);
    assert!(json["operations"][0]["times"]["p99_9_us"].as_u64().unwrap() >= 1_000);
    assert_eq!(json["server_process"]["cpu_us_per_operation"], 50.0);
    assert_eq!(json["server_process"]["signatures_per_operation"], 2.0);
    assert_eq!(
        json["server_process"]["rss_bytes_per_socket"],
        4.0 * 1_048_576.0
    );
    assert_eq!(
        json["server_process"]["looks"][3]["rss_bytes"],
        30 * 1_048_576
    );
    assert_eq!(json["signature_us"], 25.0);
}

#[test]
fn the_table_says_whether_all_went_well() {
    let text = table(&report("fanout --rate 10", CLEAN));
    assert!(
        text.contains("lost 0, duplicated 0, out of order 0"),
        "{text}"
    );
    assert!(
        text.contains("server CPU per delivery: 50.0 µs = 2.00 signatures"),
        "{text}"
    );
    assert!(text.contains("no coordinated omission"), "{text}");
    assert!(text.ends_with("PASS\n"), "{text}");
    for faulty in [
        DeliveryTally { lost: 1, ..CLEAN },
        DeliveryTally {
            duplicated: 1,
            ..CLEAN
        },
        DeliveryTally {
            out_of_order: 1,
            ..CLEAN
        },
    ] {
        let text = table(&report("fanout", faulty));
        assert!(
            text.ends_with("FAIL\n") && text.contains("closed loop"),
            "{text}"
        );
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = html(&report("fanout", CLEAN));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(page.matches("<svg").count() >= 3, "{page}");
    for outside in [
        "<script", "<link", "src=", "url(", "@import", "NaN", "inf\"",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("width=device-width"));
}
