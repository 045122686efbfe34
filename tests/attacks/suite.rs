//! Attacks on the release server, from outside and with default limits, and a table of the results.
//!
//! `tests/long/attacks` builds the server and runs all attacks. Words select attacks by id or title:
//! `tests/long/attacks A3 replay`. `MESSAGEBOX_SERVER` names another binary. The exit status is 1 if a promise is
//! broken.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "attacks fail by panicking, and print what they came to"
)]

#[expect(dead_code, reason = "tests/it uses the rest of it")]
#[path = "../it/support/mod.rs"]
mod support;

#[expect(dead_code, reason = "tests/needs uses the rest of it")]
#[path = "../needs/redis_server.rs"]
mod redis_server;

mod client;
mod crew;
mod member;
mod outcome;
mod target;
mod users;

mod admin;
mod answers;
mod bodies;
mod forgery;
mod frames;
mod payments;
mod push;
mod queues;
mod replay;
mod rooms;
mod session_memory;
mod stored;
mod terminal;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use outcome::{Attack, Outcome};

/// Time limit of one attack.
const LONGEST: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let all = [
        queues::attacks(),
        answers::attacks(),
        bodies::attacks(),
        frames::attacks(),
        stored::attacks(),
        admin::attacks(),
        payments::attacks(),
        push::attacks(),
        terminal::attacks(),
        session_memory::attacks(),
        replay::attacks(),
        forgery::attacks(),
        rooms::attacks(),
    ];
    let is_chosen = |attack: &Attack| {
        let names = |word: &&&String| attack.id == **word || attack.title.contains(word.as_str());
        words.is_empty() || words.iter().any(|word| names(&word))
    };
    let mut chosen: Vec<Attack> = all.into_iter().flatten().filter(is_chosen).collect();
    // By number. Attacks without a number come last.
    chosen.sort_by_key(|attack| {
        let number = attack.id.strip_prefix('A').and_then(|id| id.parse().ok());
        number.unwrap_or(u32::MAX)
    });
    let begun = Instant::now();
    let mut rows = Vec::new();
    for attack in chosen {
        let since = Instant::now();
        println!("{:<10}{}", attack.id, attack.title);
        let outcome = run(&attack);
        for line in outcome.lines() {
            println!("          {line}");
        }
        println!(
            "          {} in {:.1} s\n",
            outcome.verdict(),
            since.elapsed().as_secs_f64()
        );
        rows.push((attack, outcome, since.elapsed()));
    }
    table(&rows, begun.elapsed());
    let is_broken = rows.iter().any(|(_, outcome, _)| outcome.is_broken());
    ExitCode::from(u8::from(is_broken || rows.is_empty()))
}

/// Runs the attack on its own thread. A panic counts as broken, and the next attack still runs.
fn run(attack: &Attack) -> Outcome {
    let run = attack.run;
    let thread = std::thread::Builder::new().name(attack.id.to_owned());
    let running = thread.spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let ended = tokio::time::timeout(LONGEST, run()).await;
            ended.unwrap_or_else(|_| Outcome::broken(format!("it took over {LONGEST:?}")))
        })
    });
    let joined = running.expect("a thread").join();
    joined.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Outcome::broken(format!("panicked: {}", text.unwrap_or("see above")))
    })
}

fn table(rows: &[(Attack, Outcome, Duration)], took: Duration) {
    println!("{:<10}{:<72}{:>7}  verdict", "", "attack", "s");
    for (attack, outcome, took) in rows {
        let (id, title, seconds) = (attack.id, attack.title, took.as_secs_f64());
        println!("{id:<10}{title:<72}{seconds:>7.1}  {}", outcome.verdict());
    }
    let count = |verdict: &str| {
        let those = rows.iter().filter(|row| row.1.verdict() == verdict);
        those.count()
    };
    println!(
        "\n{} held, {} broken, {} not run, in {:.0} s",
        count("held"),
        count("BROKEN"),
        count("not run"),
        took.as_secs_f64()
    );
}
